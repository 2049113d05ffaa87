"""Who may say yes, by age."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import UnitId
from schemas.calendar import local_midnight
from schemas.codes import AgeBand, ConsentForm, DataCategory, GivenBy, Scope
from schemas.ids import ConsentId, new_id
from services.intake.model.age import Age
from services.intake.model.asking import Asked, Fault, signing_fault
from services.intake.model.consents import Notice, Signature, WantedConsent

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TODAY = date(2026, 11, 23)


def asked(
    given_by: GivenBy = GivenBy.SELF,
    until: datetime = NOW + timedelta(days=90),
    form: ConsentForm = ConsentForm.PAPER,
    categories: frozenset[DataCategory] = frozenset({DataCategory.IDENTITY}),
) -> Asked:
    """A consent to a transfer from the City to AWO."""
    units = UnitId("stadt-koblenz/integration"), UnitId("awo-rheinland/mbe")
    wanted = WantedConsent(*units, Scope.TRANSFER, categories, until)
    return Asked(ConsentId(new_id()), wanted, Signature(Notice("1", "de", None), form, given_by))


def years_ago(years: int, days: int = 0) -> Age:
    """Somebody born so many years, less some days, before today."""
    return Age(TODAY.replace(year=TODAY.year - years) + timedelta(days=days))


@pytest.mark.parametrize(
    ("age", "band"),
    [
        (years_ago(12, 1), AgeBand.UNDER_12),
        (years_ago(12), AgeBand.FROM_12),
        (years_ago(15, 1), AgeBand.FROM_12),
        (years_ago(15), AgeBand.FROM_15),
        (years_ago(18, 1), AgeBand.FROM_15),
        (years_ago(18), AgeBand.FROM_18),
        (years_ago(27, 1), AgeBand.FROM_18),
        (years_ago(27), AgeBand.FROM_27),
        (Age(band=AgeBand.FROM_15), AgeBand.FROM_15),
    ],
)
def test_a_band_begins_on_the_birthday(age: Age, band: AgeBand) -> None:
    """In Koblenz's calendar."""
    assert age.band_at(NOW) is band


def test_the_day_begins_at_midnight_in_koblenz() -> None:
    """Half an hour after midnight there it is still yesterday in UTC."""
    born = Age(date(2011, 11, 24))
    assert born.band_at(datetime(2026, 11, 23, 22, 59, tzinfo=UTC)) is AgeBand.FROM_12
    assert born.band_at(datetime(2026, 11, 23, 23, 0, tzinfo=UTC)) is AgeBand.FROM_15


def test_who_was_born_on_a_leap_day_completes_a_year_on_the_first_of_march() -> None:
    """Where there is no 29 February (§§ 187, 188 BGB)."""
    age = Age(date(2012, 2, 29))
    assert age.turns(15) == date(2027, 3, 1)
    assert age.band_at(datetime(2027, 2, 28, 12, tzinfo=UTC)) is AgeBand.FROM_12
    assert age.band_at(datetime(2027, 3, 1, 12, tzinfo=UTC)) is AgeBand.FROM_15
    assert age.turns(16) == date(2028, 2, 29)


def test_without_any_age_nobody_is_let_through() -> None:
    """It is an error, never a guess."""
    with pytest.raises(ValueError, match="nothing is known"):
        Age().band_at(NOW)


@pytest.mark.parametrize(
    ("age", "given_by", "fault"),
    [
        (years_ago(15, 1), GivenBy.SELF, Fault.GUARDIAN_NEEDED),
        (years_ago(15), GivenBy.SELF, None),
        (Age(band=AgeBand.FROM_12), GivenBy.SELF, Fault.GUARDIAN_NEEDED),
        (Age(band=AgeBand.FROM_12), GivenBy.GUARDIAN, None),
        (Age(band=AgeBand.FROM_15), GivenBy.SELF, None),
        (years_ago(10), GivenBy.GUARDIAN, None),
        (years_ago(16), GivenBy.GUARDIAN, None),
        (years_ago(18), GivenBy.GUARDIAN, Fault.GROWN_UP),
        (Age(band=AgeBand.FROM_27), GivenBy.GUARDIAN, Fault.GROWN_UP),
        (years_ago(40), GivenBy.LEGAL_CARER, None),
        (years_ago(10), GivenBy.LEGAL_CARER, None),
    ],
)
def test_15_and_over_say_yes_themselves_and_below_a_guardian_does(
    age: Age, given_by: GivenBy, fault: Fault | None
) -> None:
    """A guardian may still do it up to 18, for somebody who is not able to."""
    assert signing_fault(asked(given_by), age, NOW) is fault


def test_a_guardians_consent_does_not_outlast_the_18th_birthday() -> None:
    """It may hold to its midnight and not a moment longer."""
    age = years_ago(18, 30)
    majority = local_midnight(TODAY + timedelta(days=30))
    assert signing_fault(asked(GivenBy.GUARDIAN, majority), age, NOW) is None
    late = asked(GivenBy.GUARDIAN, majority + timedelta(microseconds=1))
    assert signing_fault(late, age, NOW) is Fault.BEYOND_MAJORITY
    assert signing_fault(asked(GivenBy.SELF, NOW + timedelta(days=300)), age, NOW) is None


def test_health_data_need_a_consent_of_their_own_and_more_than_a_word() -> None:
    """Saying it aloud is not enough, and neither is one tick for all."""
    health = frozenset({DataCategory.ACCESSIBILITY})
    assert signing_fault(asked(categories=health), years_ago(30), NOW) is None
    mixed = asked(categories=health | {DataCategory.IDENTITY})
    assert signing_fault(mixed, years_ago(30), NOW) is Fault.HEALTH_NOT_ALONE
    aloud = asked(categories=health, form=ConsentForm.ORAL_DOCUMENTED)
    assert signing_fault(aloud, years_ago(30), NOW) is Fault.ORAL_FOR_HEALTH
    assert signing_fault(asked(form=ConsentForm.ORAL_DOCUMENTED), years_ago(30), NOW) is None


@given(st.dates(date(1900, 1, 1), TODAY), st.integers(0, 120))
def test_nobody_is_older_or_younger_than_the_day_says(born: date, years: int) -> None:
    """The day somebody turns so many is the first day of the band that begins with it."""
    turning = Age(born).turns(years)
    assert turning is not None
    noon = datetime(turning.year, turning.month, turning.day, 12, tzinfo=UTC)
    limits = {12: AgeBand.FROM_12, 15: AgeBand.FROM_15, 18: AgeBand.FROM_18, 27: AgeBand.FROM_27}
    if years in limits:
        assert Age(born).band_at(noon) is limits[years]
        assert Age(born).band_at(noon - timedelta(days=1)) is not limits[years]
