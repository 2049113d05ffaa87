"""Days and months as Koblenz counts them."""

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

# The agreement counts by the calendar of Koblenz.
LOCAL_TIME = ZoneInfo("Europe/Berlin")


def a_year_after(moment: datetime) -> datetime:
    """Twelve months later; from 29 February to 28 February."""
    try:
        return moment.replace(year=moment.year + 1)
    except ValueError:
        return moment.replace(year=moment.year + 1, day=28)


def local_day(moment: datetime) -> date:
    """The day in Koblenz."""
    return moment.astimezone(LOCAL_TIME).date()


def local_midnight(day: date) -> datetime:
    """The beginning of a day in Koblenz."""
    return datetime.combine(day, time(), LOCAL_TIME)


def local_month(moment: datetime) -> str:
    """The month in Koblenz, such as `2026-03`."""
    return moment.astimezone(LOCAL_TIME).strftime("%Y-%m")
