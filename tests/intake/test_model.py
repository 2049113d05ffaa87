"""Rules that need no database."""

from datetime import UTC, date, datetime

import pytest

from schemas.calendar import a_year_after, local_month
from services.intake.model.persons import is_plausible_birth

LEAP_DAY = datetime(2028, 2, 29, 12, tzinfo=UTC)


def test_a_year_after_a_leap_day_is_the_last_of_february() -> None:
    """There is no 29th then."""
    assert a_year_after(LEAP_DAY) == datetime(2029, 2, 28, 12, tzinfo=UTC)
    assert a_year_after(datetime(2027, 2, 28, tzinfo=UTC)) == datetime(2028, 2, 28, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "month"),
    [
        (datetime(2026, 3, 31, 21, 59, tzinfo=UTC), "2026-03"),
        (datetime(2026, 3, 31, 22, 0, tzinfo=UTC), "2026-04"),
        (datetime(2026, 12, 31, 22, 59, tzinfo=UTC), "2026-12"),
        (datetime(2026, 12, 31, 23, 0, tzinfo=UTC), "2027-01"),
    ],
)
def test_the_month_begins_at_midnight_in_koblenz(moment: datetime, month: str) -> None:
    """Summer and winter time."""
    assert local_month(moment) == month


@pytest.mark.parametrize(
    ("born", "plausible"),
    [
        (date(1899, 12, 31), False),
        (date(1900, 1, 1), True),
        (date(2028, 2, 29), True),
        (date(2028, 3, 1), False),
    ],
)
def test_a_birth_date_lies_between_1900_and_today(born: date, plausible: bool) -> None:
    """Somebody born today can be registered today."""
    assert is_plausible_birth(born, LEAP_DAY) is plausible
