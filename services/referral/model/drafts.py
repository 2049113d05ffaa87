"""Referrals that are prepared: nobody but the unit that may send them one day knows of them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas import CaseId, OfferId, ReferralId, UnitId

KEPT = timedelta(days=30)
"""How long a draft stays that nobody sends: without a consent there is no reason to keep it longer."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whom to refer to which offer; `based_on`: from which referral this goes on; `number`: the sender's own."""

    case_id: CaseId
    offer_id: OfferId
    from_unit: UnitId
    based_on: ReferralId | None = None
    number: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """What a unit has prepared; None where it has not decided yet. `version` counts its states from 1."""

    referral_id: ReferralId
    case_id: CaseId
    from_unit: UnitId
    offer_id: OfferId | None
    based_on: ReferralId | None
    number: str | None
    made_at: datetime
    version: int = 1

    @property
    def forgotten_at(self) -> datetime:
        """When it goes if it is not sent."""
        return self.made_at + KEPT
