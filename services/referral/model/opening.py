"""When something is open: the hours of an offer, read as RFC 5545 reads its rules."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from schemas.calendar import LOCAL_TIME
from schemas.codes import Frequency
from schemas.hsds import Schedule
from services.referral.model.working_days import is_public_holiday

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_A_WEEK = timedelta(days=7)


def is_open(schedules: Iterable[Schedule], moment: datetime) -> bool:
    """Whether any of the hours holds at a moment; on public holidays of Rhineland-Palatinate none does."""
    local = moment.astimezone(LOCAL_TIME)
    if is_public_holiday(local.date()):
        return False
    time = local.strftime("%H:%M")
    return any(each.opens_at <= time < each.closes_at and falls_on(each, local.date()) for each in schedules)


def minute_of_the_week(moment: datetime) -> int:
    """Minutes since Monday 00:00 in Koblenz, as its clocks show them."""
    local = moment.astimezone(LOCAL_TIME)
    return (local.weekday() * 24 + local.hour) * 60 + local.minute


def falls_on(schedule: Schedule, day: date) -> bool:
    """Whether the rule names a day, whatever the hour."""
    if schedule.valid_from is not None and day < schedule.valid_from:
        return False
    if schedule.valid_to is not None and day > schedule.valid_to:
        return False
    names = _names_of(day) if schedule.freq is Frequency.MONTHLY else {WEEKDAYS[day.weekday()]}
    return not names.isdisjoint(schedule.byday.split(",")) and _counts(schedule, day)


def _names_of(day: date) -> set[str]:
    """A day of a month by its weekday: counted from the month's beginning, and from its end."""
    weekday = WEEKDAYS[day.weekday()]
    left = (day.replace(day=28) + timedelta(days=4)).replace(day=1) - day
    return {f"{(day.day - 1) // 7 + 1}{weekday}", f"-{(left.days - 1) // 7 + 1}{weekday}"}


def _counts(schedule: Schedule, day: date) -> bool:
    """Whether it is one of the weeks or months that the interval leaves."""
    first = schedule.valid_from
    if schedule.interval == 1 or first is None:
        return True
    if schedule.freq is Frequency.MONTHLY:
        return ((day.year - first.year) * 12 + day.month - first.month) % schedule.interval == 0
    weeks = (_monday(day) - _monday(first)) // _A_WEEK
    return weeks % schedule.interval == 0


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
