"""How old a person is, as far as the person said."""

from dataclasses import dataclass
from datetime import date, datetime

from schemas.calendar import local_day, years_after, years_between
from schemas.codes import (
    AgeBand,
)


@dataclass(frozen=True)
class Age:
    """How old a person is, as far as the person said: one of the two. band: as of the registration."""

    birth_date: date | None = None
    band: AgeBand | None = None

    def band_at(self, now: datetime) -> AgeBand:
        """The band as of `now`. Raises ValueError when nothing is known."""
        if self.birth_date is not None:
            return band_of(years_between(self.birth_date, local_day(now)))
        if self.band is None:
            raise ValueError("nothing is known of the age")
        return self.band

    def turns(self, years: int) -> date | None:
        """The day on which the person has lived so many years; None where only the band is known."""
        return None if self.birth_date is None else years_after(self.birth_date, years)


def band_of(years: int) -> AgeBand:
    """The age band of somebody of so many completed years."""
    for least, band in reversed(_BANDS):
        if years >= least:
            return band
    return AgeBand.UNDER_12


_BANDS = (
    (0, AgeBand.UNDER_12),
    (12, AgeBand.FROM_12),
    (15, AgeBand.FROM_15),
    (18, AgeBand.FROM_18),
    (27, AgeBand.FROM_27),
)


BELOW_15 = frozenset({AgeBand.UNDER_12, AgeBand.FROM_12})


MINORS = BELOW_15 | {AgeBand.FROM_15}


OF_AGE_FROM = 18
