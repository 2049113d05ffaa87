"""When an offer is open, by its rules and by the calendar of Koblenz; compared with a library that reads RRULEs."""

from datetime import UTC, date, datetime, timedelta

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given
from hypothesis import strategies as st

from schemas.calendar import LOCAL_TIME
from schemas.codes import Frequency
from schemas.hsds import Schedule
from services.referral.model.opening import WEEKDAYS, falls_on, is_open


def weekly(byday: str, **more: object) -> Schedule:
    """From nine to twelve on these weekdays."""
    said = {"freq": "WEEKLY", "byday": byday, "opens_at": "09:00", "closes_at": "12:00", **more}
    return Schedule.model_validate(said)


def at(day: str, time: str) -> datetime:
    """A moment in Koblenz."""
    return datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=LOCAL_TIME).astimezone(UTC)


@pytest.mark.parametrize(
    ("day", "time", "expected"),
    [
        ("2026-11-23", "09:00", True),
        ("2026-11-23", "11:59:59", True),
        ("2026-11-23", "12:00", False),
        ("2026-11-23", "08:59:59", False),
        ("2026-11-24", "10:00", False),
        ("2026-07-06", "09:00", True),  # in summer time too
        ("2026-04-06", "10:00", False),  # Easter Monday
    ],
)
def test_hours_begin_at_their_minute_and_end_before_theirs(day: str, time: str, expected: bool) -> None:
    """By the clock on the wall; a public holiday is closed."""
    assert is_open([weekly("MO")], at(day, time)) is expected


def test_a_rule_holds_from_its_first_day_to_its_last() -> None:
    """Both included."""
    rule = weekly("MO", valid_from="2026-05-04", valid_to="2026-05-11")
    days = [date(2026, 4, 27) + timedelta(days=7 * week) for week in range(4)]
    assert [falls_on(rule, day) for day in days] == [False, True, True, False]


DAYS = st.dates(date(2024, 1, 1), date(2027, 12, 31))
PLACES = st.sampled_from([1, 2, 3, 4, 5, -1, -2, -5])
PLACED = st.builds(lambda place, day: f"{place}{day}", PLACES, st.sampled_from(WEEKDAYS))


@given(
    st.one_of(
        st.tuples(st.just("WEEKLY"), st.lists(st.sampled_from(WEEKDAYS), min_size=1, max_size=3, unique=True)),
        st.tuples(st.just("MONTHLY"), st.lists(PLACED, min_size=1, max_size=3, unique=True)),
    ),
    st.integers(1, 4),
    DAYS,
    st.integers(0, 400),
)
def test_rules_name_the_days_that_rfc_5545_gives_them(
    rule: tuple[str, list[str]], interval: int, first: date, later: int
) -> None:
    """Weekly and monthly, with places from the end and with intervals."""
    freq, byday = rule
    day = first + timedelta(days=later)
    schedule = weekly(",".join(byday), freq=freq, interval=interval, valid_from=first.isoformat())
    text = f"DTSTART:{first:%Y%m%d}\nRRULE:FREQ={freq};INTERVAL={interval};BYDAY={','.join(byday)}"
    moment = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - the library reckons without zones here
    expected = bool(rrulestr(text).between(moment, moment, inc=True))
    assert falls_on(schedule, day) is expected
    assert schedule.freq is Frequency(freq)
