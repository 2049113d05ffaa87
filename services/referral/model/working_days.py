"""The clock of deadlines: which days count in Koblenz, and when so many of them are over."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from holidays import country_holidays

from schemas.calendar import local_day, local_midnight

_A_DAY = timedelta(days=1)
_SATURDAY = 5


class Pause(NamedTuple):
    """A time in which the clock stands still: from `since` up to, not including, `until`; None while it lasts."""

    since: datetime
    until: datetime | None


class _Days(NamedTuple):
    """Days in a row, the last one included."""

    first: date
    last: date


def is_working_day(day: date) -> bool:
    """Whether it is Monday to Friday and no public holiday of Rhineland-Palatinate.

    24 and 31 December are working days: custom closes offices on them, no law does.
    """
    return day.weekday() < _SATURDAY and not is_public_holiday(day)


def is_public_holiday(day: date) -> bool:
    """Whether it is one in Rhineland-Palatinate."""
    return day in _public_holidays(day.year)


def due_at(start: datetime, working_days: int, pauses: Sequence[Pause]) -> datetime | None:
    """The moment (UTC) at which a deadline of so many working days, begun at `start`, is over.

    The day of the start does not count (§ 187(1) BGB); the deadline ends with the end of the last day, which is the
    local midnight after it (§ 188(1) BGB). A day on which the clock stood still at any time does not count: one minute
    costs it, a pause that ends at midnight does not cost the day that begins then. Pauses come in any order and may
    overlap; one that ends when it began, or earlier, costs nothing.
    None while the clock stands still: a pause without an end began before the deadline was over.
    working_days: 1 or more. Raises ValueError below.
    """
    if working_days < 1:
        raise ValueError(f"a deadline has one working day or more, not {working_days}")
    paused = [_days_of(pause.since, pause.until) for pause in pauses if pause.until and pause.since < pause.until]
    day = local_day(start)
    left = working_days
    while left:
        day += _A_DAY
        if is_working_day(day) and not any(days.first <= day <= days.last for days in paused):
            left -= 1
    due = local_midnight(day + _A_DAY).astimezone(UTC)
    is_standing_still = any(pause.until is None and pause.since < due for pause in pauses)
    return None if is_standing_still else due


def working_days_between(start: datetime, end: datetime) -> int:
    """Count the working days after the day of `start`, up to and including the day of `end`; 0 for one not later."""
    first, last = local_day(start), local_day(end)
    return sum(is_working_day(first + timedelta(days=ahead)) for ahead in range(1, (last - first).days + 1))


def _days_of(since: datetime, until: datetime) -> _Days:
    """The days in Koblenz that a time touches; `until` itself is no part of it."""
    return _Days(local_day(since), local_day(until - datetime.resolution))


@lru_cache
def _public_holidays(year: int) -> frozenset[date]:
    """The public holidays of Rhineland-Palatinate in a year."""
    return frozenset(country_holidays("DE", subdiv="RP", years=year))
