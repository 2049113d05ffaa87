"""Referrals as the bus told of them."""

from dataclasses import dataclass

from schemas import (
    CaseId,
    ReferralId,
    UnitId,
)
from schemas.codes import (
    ReferralState,
)

OPEN_STATES = frozenset(
    {
        ReferralState.REQUESTED,
        ReferralState.RECEIVED,
        ReferralState.ACCEPTED,
        ReferralState.IN_PROGRESS,
        ReferralState.ON_HOLD,
    }
)


FEEDBACK_STATES = OPEN_STATES | {ReferralState.COMPLETED, ReferralState.FAILED}


@dataclass(frozen=True)
class Referral:
    """A referral as the bus told it."""

    referral_id: ReferralId
    case_id: CaseId
    from_unit: UnitId
    to_unit: UnitId
    state: ReferralState

    @property
    def is_open(self) -> bool:
        """Whether the service still works on it, or is about to."""
        return self.state in OPEN_STATES

    @property
    def takes_feedback(self) -> bool:
        """Whether a feedback consent still has something to be about: it is open, or its work is over."""
        return self.state in FEEDBACK_STATES
