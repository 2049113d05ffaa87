"""Days, months and years of age as the agreement counts them: by the calendar of Koblenz."""

import re
from calendar import monthrange
from datetime import date, datetime, time
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator

LOCAL_TIME = ZoneInfo("Europe/Berlin")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _is_day(value: Any) -> Any:
    """pydantic would also take a number of seconds for a day."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("must be a day such as 2026-05-04")
    return value


Day = Annotated[date, BeforeValidator(_is_day)]


def a_year_after(moment: datetime) -> datetime:
    """Twelve months later; from 29 February to 28 February."""
    try:
        return moment.replace(year=moment.year + 1)
    except ValueError:
        return moment.replace(year=moment.year + 1, day=28)


def months_after(day: date, months: int) -> date:
    """The same day so many months later; the last of the month where that has no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def local_day(moment: datetime) -> date:
    """The day in Koblenz."""
    return moment.astimezone(LOCAL_TIME).date()


def local_midnight(day: date) -> datetime:
    """The beginning of a day in Koblenz."""
    return datetime.combine(day, time(), LOCAL_TIME)


def local_month(moment: datetime) -> str:
    """The month in Koblenz, such as `2026-03`."""
    return moment.astimezone(LOCAL_TIME).strftime("%Y-%m")


def years_between(born: date, day: date) -> int:
    """Completed years; somebody born on 29 February completes one on 1 March of other years (§ 188 BGB)."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def years_after(born: date, years: int) -> date:
    """The day on which somebody has lived so many years."""
    try:
        return born.replace(year=born.year + years)
    except ValueError:
        return date(born.year + years, 3, 1)
