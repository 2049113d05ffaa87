"""When a deadline in working days is over."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.calendar import LOCAL_TIME, local_day, local_midnight
from services.referral.model.working_days import Pause, due_at, is_working_day, working_days_between

A_MOMENT = timedelta(microseconds=1)
HOLIDAYS_OF_2026 = {
    date(2026, 1, 1),
    date(2026, 4, 3),
    date(2026, 4, 6),
    date(2026, 5, 1),
    date(2026, 5, 14),
    date(2026, 5, 25),
    date(2026, 6, 4),
    date(2026, 10, 3),
    date(2026, 11, 1),
    date(2026, 12, 25),
    date(2026, 12, 26),
}

# Hypothesis takes the bounds without a time zone and adds it itself.
moments = st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
lengths = st.integers(1, 60)
durations = st.timedeltas(timedelta(0), timedelta(days=40))


def at(month: int, day: int, hour: int = 10, minute: int = 0) -> datetime:
    """A moment of 2026 by the clock in Koblenz."""
    return datetime(2026, month, day, hour, minute, tzinfo=LOCAL_TIME)


def end_of(month: int, day: int) -> datetime:
    """The end of a day of 2026 in Koblenz."""
    return local_midnight(date(2026, month, day) + timedelta(days=1))


def due_without_pauses(start: datetime, working_days: int) -> datetime:
    """When a deadline that never stood still is over."""
    due = due_at(start, working_days, ())
    assert due is not None
    return due


def test_a_year_has_the_working_days_of_rhineland_palatinate() -> None:
    """Each day of 2026, against a list written by hand."""
    days = [date(2026, 1, 1) + timedelta(days=ahead) for ahead in range(365)]
    expected = [day for day in days if day.isoweekday() <= 5 and day not in HOLIDAYS_OF_2026]
    assert [day for day in days if is_working_day(day)] == expected


@pytest.mark.parametrize(
    "day",
    [
        date(2027, 5, 27),  # Corpus Christi, not everywhere in Germany
        date(2027, 11, 1),  # All Saints, not everywhere in Germany
        date(2017, 10, 31),  # Reformation Day, that year only
        date(2027, 3, 26),
        date(2027, 3, 29),
    ],
)
def test_holidays_that_move_or_hold_in_few_states_are_no_working_days(day: date) -> None:
    """They fall on weekdays in these years."""
    assert day.isoweekday() <= 5
    assert not is_working_day(day)


@pytest.mark.parametrize(
    "day",
    [
        date(2026, 12, 24),
        date(2026, 12, 31),
        date(2026, 1, 6),  # Epiphany, elsewhere
        date(2026, 10, 5),  # 3 October was a Saturday
        date(2026, 11, 2),  # 1 November was a Sunday
        date(2026, 10, 30),
        date(2025, 10, 31),  # Reformation Day, elsewhere
    ],
)
def test_no_holiday_is_made_up(day: date) -> None:
    """Neither by custom, nor from another state, nor as a substitute for one on a weekend."""
    assert is_working_day(day)


@pytest.mark.parametrize(
    ("start", "working_days", "due"),
    [
        pytest.param(at(4, 2), 1, end_of(4, 7), id="Easter"),
        pytest.param(at(4, 1), 2, end_of(4, 7), id="Easter, from two days before"),
        pytest.param(at(4, 3), 1, end_of(4, 7), id="start on Good Friday"),
        pytest.param(at(6, 3), 1, end_of(6, 5), id="Corpus Christi"),
        pytest.param(at(6, 4), 1, end_of(6, 5), id="start on Corpus Christi"),
        pytest.param(at(10, 2), 1, end_of(10, 5), id="3 October on a Saturday"),
        pytest.param(at(10, 30), 1, end_of(11, 2), id="All Saints on a Sunday"),
        pytest.param(at(12, 23), 2, end_of(12, 28), id="24 December counts"),
        pytest.param(at(12, 30), 2, datetime(2027, 1, 4, 23, tzinfo=UTC), id="over the turn of the year"),
        pytest.param(at(5, 5), 5, end_of(5, 12), id="a week"),
        pytest.param(at(5, 5, 0, 0), 1, end_of(5, 6), id="start at the first moment of a day"),
        pytest.param(end_of(5, 5) - A_MOMENT, 1, end_of(5, 6), id="start at the last moment of a day"),
        pytest.param(at(5, 9), 1, end_of(5, 11), id="start on a Saturday"),
        pytest.param(at(5, 10), 1, end_of(5, 11), id="start on a Sunday"),
    ],
)
def test_a_deadline_ends_with_its_last_working_day(start: datetime, working_days: int, due: datetime) -> None:
    """The day of the start does not count, whatever day it is (§§ 187, 188 BGB)."""
    assert due_at(start, working_days, ()) == due


@pytest.mark.parametrize(
    ("start", "due"),
    [
        # Thursday 23:30 in UTC is Friday in Koblenz; Monday comes next.
        (datetime(2026, 7, 9, 23, 30, tzinfo=UTC), end_of(7, 13)),
        # Friday 23:30 in UTC is Saturday in Koblenz; the same Monday.
        (datetime(2026, 7, 10, 23, 30, tzinfo=UTC), end_of(7, 13)),
        # Sunday 23:30 in UTC is Monday in Koblenz, which no longer counts.
        (datetime(2026, 7, 12, 23, 30, tzinfo=UTC), end_of(7, 14)),
        (datetime(2026, 7, 12, 21, 30, tzinfo=UTC), end_of(7, 13)),
    ],
)
def test_the_day_of_the_start_is_the_one_in_koblenz(start: datetime, due: datetime) -> None:
    """It is already the next day there in the last hours of one in UTC."""
    assert due_at(start, 1, ()) == due


@pytest.mark.parametrize(
    ("start", "due"),
    [
        (at(3, 26), datetime(2026, 3, 27, 23, tzinfo=UTC)),
        (at(3, 27), datetime(2026, 3, 30, 22, tzinfo=UTC)),
        (at(10, 22), datetime(2026, 10, 23, 22, tzinfo=UTC)),
        (at(10, 23), datetime(2026, 10, 26, 23, tzinfo=UTC)),
    ],
)
def test_the_end_is_midnight_in_koblenz_on_both_sides_of_a_clock_change(start: datetime, due: datetime) -> None:
    """The clocks change on 29 March and on 25 October 2026; the moment comes in UTC."""
    ended = due_without_pauses(start, 1)
    assert ended == due
    assert ended.tzinfo is UTC


@pytest.mark.parametrize(
    ("pauses", "due"),
    [
        pytest.param([Pause(at(5, 8, 23, 59), at(5, 11, 0, 1))], end_of(5, 13), id="two minutes on working days"),
        pytest.param([Pause(at(5, 9), at(5, 10))], end_of(5, 11), id="over a weekend"),
        pytest.param([Pause(at(5, 9, 0), end_of(5, 10))], end_of(5, 11), id="the whole weekend, to its midnight"),
        pytest.param([Pause(at(5, 9, 0), end_of(5, 10) + A_MOMENT)], end_of(5, 12), id="a moment into Monday"),
        pytest.param([Pause(at(5, 7, 10), at(5, 7, 10, 1))], end_of(5, 12), id="one minute"),
        pytest.param([Pause(at(5, 7), at(5, 7))], end_of(5, 11), id="no time at all"),
        pytest.param([Pause(at(5, 8), at(5, 7))], end_of(5, 11), id="ends before it begins"),
        pytest.param([Pause(at(5, 6), at(5, 7)), Pause(at(5, 7, 9), at(5, 7, 12))], end_of(5, 13), id="overlapping"),
        pytest.param([Pause(at(5, 7), at(5, 7, 12)), Pause(at(5, 6), at(5, 8))], end_of(5, 15), id="in another one"),
        pytest.param([Pause(at(5, 11), at(5, 12))], end_of(5, 13), id="on the last day"),
        pytest.param([Pause(end_of(5, 11), at(5, 12))], end_of(5, 11), id="from the end on"),
        pytest.param([Pause(at(5, 4), at(5, 5, 9))], end_of(5, 11), id="ended before the start"),
        pytest.param([Pause(at(5, 5, 11), at(5, 5, 12))], end_of(5, 11), id="on the day of the start"),
        pytest.param([Pause(at(5, 4), at(5, 6))], end_of(5, 12), id="from before the start"),
        pytest.param([Pause(at(5, 13), at(5, 20))], end_of(5, 11), id="after the end"),
    ],
)
def test_a_day_on_which_the_clock_stood_still_does_not_count(pauses: list[Pause], due: datetime) -> None:
    """Four working days from Tuesday 5 May would end with Monday 11 May; Ascension is Thursday 14 May."""
    assert due_at(at(5, 5), 4, pauses) == due
    assert due_at(at(5, 5), 4, pauses[::-1]) == due


def test_the_day_of_a_pause_is_the_one_in_koblenz() -> None:
    """Sunday 22:30 in UTC is Monday there, and Friday 22:30 is Saturday."""
    monday = datetime(2026, 5, 10, 22, 30, tzinfo=UTC)
    saturday = datetime(2026, 5, 8, 22, 30, tzinfo=UTC)
    minute = timedelta(minutes=1)
    assert due_at(at(5, 8), 1, [Pause(monday, monday + minute)]) == end_of(5, 12)
    assert due_at(at(5, 7), 1, [Pause(saturday, saturday + minute)]) == end_of(5, 8)


@pytest.mark.parametrize("since", [at(5, 1), at(5, 5), at(5, 9), end_of(5, 11) - A_MOMENT])
def test_there_is_no_end_while_the_clock_stands_still(since: datetime) -> None:
    """Be it since before the start, since a weekend, or since the last moment."""
    assert due_at(at(5, 5), 4, [Pause(since, None)]) is None


@pytest.mark.parametrize("since", [end_of(5, 11), at(5, 12), at(8, 1)])
def test_a_pause_that_begins_after_the_end_changes_nothing(since: datetime) -> None:
    """A deadline that is over does not come to life again, though the pause lasts."""
    assert due_at(at(5, 5), 4, [Pause(since, None)]) == end_of(5, 11)


def test_an_open_pause_reaches_a_deadline_that_an_ended_one_put_off() -> None:
    """Without the first, the deadline would have been over before the second began."""
    ended, lasting = Pause(at(5, 7), at(5, 8)), Pause(at(5, 12), None)
    assert due_at(at(5, 5), 4, [lasting]) == end_of(5, 11)
    assert due_at(at(5, 5), 4, [lasting, ended]) is None


@pytest.mark.parametrize("working_days", [0, -1])
def test_a_deadline_of_no_days_is_refused(working_days: int) -> None:
    """It would be over before it began to count."""
    with pytest.raises(ValueError, match="one working day or more"):
        due_at(at(5, 5), working_days, ())


@pytest.mark.parametrize(
    ("start", "end", "count"),
    [
        (at(5, 5, 9), at(5, 5, 17), 0),
        (at(5, 5), at(5, 4), 0),
        (at(5, 12), at(5, 4), 0),
        (at(5, 8), at(5, 10), 0),
        (at(5, 8), at(5, 11, 0), 1),
        (at(5, 4, 23, 59), at(5, 5, 0), 1),
        (at(4, 1), at(4, 7), 2),
        (at(1, 1, 0), at(12, 31), 253),
    ],
)
def test_working_days_are_counted_after_the_first_day_and_with_the_last(
    start: datetime, end: datetime, count: int
) -> None:
    """Whole days by the calendar of Koblenz, whatever the hour."""
    assert working_days_between(start, end) == count


@given(moments, lengths)
def test_one_working_day_more_ends_later(start: datetime, working_days: int) -> None:
    """By one day or more."""
    sooner, later = due_without_pauses(start, working_days), due_without_pauses(start, working_days + 1)
    assert later - sooner >= timedelta(hours=23)


@given(moments, durations, lengths, st.lists(st.tuples(durations, durations), max_size=3))
def test_a_later_start_never_ends_sooner(
    start: datetime, wait: timedelta, working_days: int, spans: list[tuple[timedelta, timedelta]]
) -> None:
    """With the same pauses."""
    pauses = [Pause(start + before, start + before + length) for before, length in spans]
    sooner, later = due_at(start, working_days, pauses), due_at(start + wait, working_days, pauses)
    assert sooner is not None
    assert later is not None
    assert sooner <= later


@given(moments, lengths)
def test_as_many_working_days_lie_before_the_end_as_the_deadline_has(start: datetime, working_days: int) -> None:
    """The last of them is not over a moment before the end."""
    due = due_without_pauses(start, working_days)
    assert working_days_between(start, due - A_MOMENT) == working_days
    assert is_working_day(local_day(due - A_MOMENT))
    assert due == local_midnight(local_day(due))


@given(moments, lengths, st.lists(st.tuples(durations, durations), max_size=4))
def test_a_pause_puts_the_end_off_or_leaves_it(
    start: datetime, working_days: int, spans: list[tuple[timedelta, timedelta]]
) -> None:
    """One more never brings it forward."""
    pauses = [Pause(start + wait, start + wait + length) for wait, length in spans]
    dues = [due_at(start, working_days, pauses[:count]) for count in range(len(pauses) + 1)]
    for sooner, later in pairwise(dues):
        assert sooner is not None
        assert later is not None
        assert sooner <= later
