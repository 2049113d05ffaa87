"""What each party may see of a referral."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from schemas import Party
from schemas.codes import (
    EndReason,
    ErrorReason,
    FailureReason,
    HoldReason,
    Outcome,
    ReferralState,
    RejectionReason,
    Scope,
)
from services.referral.model.deadlines import Deadline
from services.referral.model.referrals import (
    ACCEPTED,
    CANCELLED,
    COMPLETED,
    DETACHED,
    ENTERED_IN_ERROR,
    EXPIRED,
    FAILED,
    IN_PROGRESS,
    ON_HOLD,
    RECEIVED,
    REJECTED,
    REQUESTED,
    Referral,
)


class Standing(StrEnum):
    """Where a referral stands, as a partner hears it; `ended` is how a sender hears of both early ends."""

    REQUESTED = "requested"
    RECEIVED = "received"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    IN_PROGRESS = "in-progress"
    ON_HOLD = "on-hold"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    DETACHED = "detached"
    ENTERED_IN_ERROR = "entered-in-error"
    ENDED = "ended"


WITHOUT_FEEDBACK: Mapping[ReferralState, Standing] = {
    REQUESTED: Standing.REQUESTED,
    RECEIVED: Standing.RECEIVED,
    ACCEPTED: Standing.RECEIVED,
    REJECTED: Standing.REJECTED,
    IN_PROGRESS: Standing.RECEIVED,
    ON_HOLD: Standing.RECEIVED,
    COMPLETED: Standing.RECEIVED,
    FAILED: Standing.RECEIVED,
    EXPIRED: Standing.EXPIRED,
    CANCELLED: Standing.ENDED,
    DETACHED: Standing.ENDED,
    ENTERED_IN_ERROR: Standing.ENTERED_IN_ERROR,
}

OVER: frozenset[Standing] = frozenset(
    {
        Standing.REJECTED,
        Standing.COMPLETED,
        Standing.FAILED,
        Standing.EXPIRED,
        Standing.CANCELLED,
        Standing.DETACHED,
        Standing.ENDED,
    }
)
"""From where a party may refer onward; nothing goes on from what should never have existed."""


UNDER_WAY: frozenset[Standing] = frozenset(
    {Standing.REQUESTED, Standing.RECEIVED, Standing.ACCEPTED, Standing.IN_PROGRESS, Standing.ON_HOLD}
)
"""What goes on, as far as the party knows."""


@dataclass(frozen=True, slots=True)
class Insight:
    """What one party may know of a referral now; None for what it may not, or what is not there."""

    standing: Standing
    rejection_reason: RejectionReason | None = None
    error_reason: ErrorReason | None = None
    responsible: str | None = None
    first_contact_planned_on: date | None = None
    first_contact_on: date | None = None
    hold_reason: HoldReason | None = None
    review_on: date | None = None
    outcome: Outcome | None = None
    failure_reason: FailureReason | None = None
    end_reason: EndReason | None = None
    happened_on: date | None = None
    deadline: Deadline | None = None
    awaits_second_person: bool = False
    """One person of the sender has said that it should never have existed."""
    version: int | None = None
    """Counts the real states, so only the recipient has it."""


def insight(referral: Referral, party: Party, feedback: Set[Scope]) -> Insight:
    """Return what a party may know: the recipient all, the sender what the scopes of `feedback` allow."""
    is_recipient = party is Party.RECIPIENT
    if not is_recipient and Scope.FEEDBACK_STATUS not in feedback:
        return _without_feedback(referral)
    hears_outcome = is_recipient or Scope.FEEDBACK_OUTCOME in feedback
    return Insight(
        standing=Standing(referral.state.value),
        rejection_reason=referral.rejection_reason,
        error_reason=referral.error_reason,
        responsible=referral.responsible,
        first_contact_planned_on=referral.first_contact_planned_on,
        first_contact_on=referral.first_contact_on,
        hold_reason=referral.hold_reason,
        review_on=referral.review_on,
        outcome=referral.outcome if hears_outcome else None,
        failure_reason=referral.failure_reason if hears_outcome else None,
        end_reason=referral.end_reason,
        happened_on=referral.happened_on,
        deadline=referral.deadline,
        awaits_second_person=not is_recipient and _awaits_second_person(referral),
        version=referral.version if is_recipient else None,
    )


def _without_feedback(referral: Referral) -> Insight:
    standing = Standing.ENDED if referral.closed_by_sender_at else WITHOUT_FEEDBACK[referral.state]
    if referral.state is ENTERED_IN_ERROR:
        standing = Standing.ENTERED_IN_ERROR
    return Insight(
        standing,
        rejection_reason=referral.rejection_reason,
        error_reason=referral.error_reason,
        happened_on=referral.happened_on if referral.state is REJECTED else None,
        # Afterwards its running on would tell that the service has accepted.
        deadline=referral.deadline if referral.state is REQUESTED else None,
        awaits_second_person=_awaits_second_person(referral),
    )


def _awaits_second_person(referral: Referral) -> bool:
    return referral.error_reported_by is not None and referral.state is not ENTERED_IN_ERROR


def is_closed_quietly(referral: Referral, feedback: Set[Scope]) -> bool:
    """Whether a sender's cancel is taken although the work is over: a refusal would tell it what it may not know."""
    is_untold = Scope.FEEDBACK_STATUS not in feedback
    return is_untold and referral.state in (COMPLETED, FAILED) and referral.closed_by_sender_at is None
