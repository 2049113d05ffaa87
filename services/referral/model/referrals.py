"""The rules of a referral: who may do what when, and who may know of it.

The states are FHIR Task's; `detached` is ours: the service goes on by itself and nothing more flows through Lotse.
"""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from schemas import (
    CaseId,
    ConsentId,
    OfferId,
    PartnerSlug,
    Party,
    ReferralAccepted,
    ReferralCompleted,
    ReferralEnded,
    ReferralEvent,
    ReferralId,
    ReferralReceived,
    ReferralRejected,
    ReferralRequested,
    ReferralStarted,
    ReferralStatusShared,
    UnitId,
)
from schemas.codes import EndMode, EndReason, Outcome, ReferralState, RejectionReason, Scope
from services.referral.model.consents import Direction

KOBLENZ = ZoneInfo("Europe/Berlin")


class Act(StrEnum):
    """What somebody does with a referral."""

    RECEIVE = "receive"
    ACCEPT = "accept"
    REJECT = "reject"
    START = "start"
    COMPLETE = "complete"
    CANCEL = "cancel"


REQUESTED, RECEIVED, ACCEPTED, REJECTED, IN_PROGRESS, COMPLETED, CANCELLED, DETACHED = (
    ReferralState.REQUESTED,
    ReferralState.RECEIVED,
    ReferralState.ACCEPTED,
    ReferralState.REJECTED,
    ReferralState.IN_PROGRESS,
    ReferralState.COMPLETED,
    ReferralState.CANCELLED,
    ReferralState.DETACHED,
)

TRANSITIONS: Mapping[tuple[ReferralState, Act], ReferralState] = {
    (REQUESTED, Act.RECEIVE): RECEIVED,
    (RECEIVED, Act.ACCEPT): ACCEPTED,
    (RECEIVED, Act.REJECT): REJECTED,
    (ACCEPTED, Act.START): IN_PROGRESS,
    (IN_PROGRESS, Act.COMPLETE): COMPLETED,
    (REQUESTED, Act.CANCEL): CANCELLED,
    (RECEIVED, Act.CANCEL): CANCELLED,
    (ACCEPTED, Act.CANCEL): CANCELLED,
    (IN_PROGRESS, Act.CANCEL): DETACHED,
}

RECEIVES_FIRST = frozenset({Act.ACCEPT, Act.REJECT})
"""Whoever answers a request has received it, even if nobody said so."""

OPEN: frozenset[ReferralState] = frozenset({REQUESTED, RECEIVED, ACCEPTED, IN_PROGRESS})
ENDED: frozenset[ReferralState] = frozenset({CANCELLED, DETACHED})
SHAREABLE: frozenset[ReferralState] = OPEN | {COMPLETED}
"""Where a late feedback consent still has something to tell: nothing follows an end or a rejection."""

ACTS: Mapping[Party, frozenset[Act]] = {
    Party.SENDER: frozenset({Act.CANCEL}),
    Party.RECIPIENT: frozenset(Act),
}


class SharedStatus(NamedTuple):
    """What a sender is told after the fact; the outcome only as far as it may know it."""

    status: ReferralState
    outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class Referral:
    """One referral as it stands; `version` counts its states from 1.

    `closed_by_sender_at`: when a sender that may not know of the completion cancelled it.
    `last_shared`: what the sender was last told after the fact.
    """

    referral_id: ReferralId
    case_id: CaseId
    consent_id: ConsentId
    offer_id: OfferId
    from_unit: UnitId
    to_unit: UnitId
    requested_at: datetime
    state: ReferralState = REQUESTED
    version: int = 1
    rejection_reason: RejectionReason | None = None
    first_contact_on: date | None = None
    outcome: Outcome | None = None
    end_reason: EndReason | None = None
    closed_by_sender_at: datetime | None = None
    last_shared: SharedStatus | None = None

    def party(self, unit: str) -> Party | None:
        """What a unit is to this referral; None where it has no part in it."""
        return {self.to_unit: Party.RECIPIENT, self.from_unit: Party.SENDER}.get(UnitId(unit))

    @property
    def feedback(self) -> Direction:
        """The way back, from the service to the unit that referred."""
        return Direction(self.case_id, self.to_unit, self.from_unit)


def steps(referral: Referral, act: Act, facts: Mapping[str, Any]) -> tuple[Referral, ...]:
    """Return the states that an act takes a referral through, in order; () where the act is not allowed.

    facts: the fields that the act fills in, by name.
    """
    if referral.state is REQUESTED and act in RECEIVES_FIRST:
        received = _moved(referral, RECEIVED)
        return (received, *steps(received, act, facts))
    to = TRANSITIONS.get((referral.state, act))
    return () if to is None else (_moved(referral, to, **facts),)


def _moved(referral: Referral, to: ReferralState, **facts: Any) -> Referral:
    return replace(referral, state=to, version=referral.version + 1, **facts)


def event_of(referral: Referral, acted_by: PartnerSlug | None) -> ReferralEvent:
    """Tell how a referral came to the state it is in. Raises KeyError for a state that no event leads to."""
    event_class, own_fields = _TOLD_BY[referral.state]
    return event_class.model_validate({**_common(referral, acted_by), **own_fields(referral)})


def newly_shared(referral: Referral, given: Scope, held: Set[Scope]) -> SharedStatus | None:
    """Return what a feedback consent lets the sender know after the fact; None where it adds nothing.

    held: the scopes that hold in the direction of the feedback, `given` among them.
    """
    adds_outcome_only = given is Scope.FEEDBACK_OUTCOME and referral.state is not COMPLETED
    if Scope.FEEDBACK_STATUS not in held or referral.state not in SHAREABLE or adds_outcome_only:
        return None
    outcome = referral.outcome if Scope.FEEDBACK_OUTCOME in held else None
    shared = SharedStatus(referral.state, outcome)
    return None if shared == referral.last_shared else shared


def status_of(referral: Referral, shared: SharedStatus) -> ReferralStatusShared:
    """Tell where a referral stands now, to a sender who may know it from now on."""
    return ReferralStatusShared.model_validate({**_common(referral, None), **shared._asdict()})


def is_closed_quietly(referral: Referral, feedback: Set[Scope]) -> bool:
    """Whether a sender's cancel is taken although the work is done: a refusal would tell it what it may not know."""
    is_untold = Scope.FEEDBACK_STATUS not in feedback
    return is_untold and referral.state is COMPLETED and referral.closed_by_sender_at is None


def _common(referral: Referral, acted_by: PartnerSlug | None) -> dict[str, Any]:
    return {
        "case_id": referral.case_id,
        "acted_by": acted_by,
        "referral_id": referral.referral_id,
        "from_unit": referral.from_unit,
        "to_unit": referral.to_unit,
        "state": referral.state,
    }


def _end_of(mode: EndMode) -> Callable[[Referral], dict[str, Any]]:
    return lambda referral: {"mode": mode, "reason": referral.end_reason}


_TOLD_BY: Mapping[ReferralState, tuple[type[ReferralEvent], Callable[[Referral], dict[str, Any]]]] = {
    REQUESTED: (
        ReferralRequested,
        lambda referral: {"consent_id": referral.consent_id, "offer_id": referral.offer_id},
    ),
    RECEIVED: (ReferralReceived, lambda _: {}),
    ACCEPTED: (ReferralAccepted, lambda _: {}),
    REJECTED: (ReferralRejected, lambda referral: {"reason": referral.rejection_reason}),
    IN_PROGRESS: (ReferralStarted, lambda referral: {"first_contact_on": referral.first_contact_on}),
    COMPLETED: (ReferralCompleted, lambda referral: {"outcome": referral.outcome}),
    CANCELLED: (ReferralEnded, _end_of(EndMode.CANCELLED)),
    DETACHED: (ReferralEnded, _end_of(EndMode.DETACHED)),
}


def is_possible_contact_day(referral: Referral, day: date, now: datetime) -> bool:
    """Whether the first contact can have been on that day: not before the request, not in the future.

    The request's day is taken in UTC, today in Koblenz: at night the caller's own calendar may be either.
    """
    return referral.requested_at.astimezone(UTC).date() <= day <= now.astimezone(KOBLENZ).date()


class Standing(StrEnum):
    """Where a referral stands, as a partner hears it; `ended` is how a sender hears of both early ends."""

    REQUESTED = "requested"
    RECEIVED = "received"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    DETACHED = "detached"
    ENDED = "ended"


WITHOUT_FEEDBACK: Mapping[ReferralState, Standing] = {
    REQUESTED: Standing.REQUESTED,
    RECEIVED: Standing.RECEIVED,
    ACCEPTED: Standing.RECEIVED,
    REJECTED: Standing.REJECTED,
    IN_PROGRESS: Standing.RECEIVED,
    COMPLETED: Standing.RECEIVED,
    CANCELLED: Standing.ENDED,
    DETACHED: Standing.ENDED,
}


@dataclass(frozen=True, slots=True)
class Insight:
    """What one party may know of a referral now; None for what it may not, or what is not there."""

    standing: Standing
    rejection_reason: RejectionReason | None = None
    first_contact_on: date | None = None
    outcome: Outcome | None = None
    end_reason: EndReason | None = None
    version: int | None = None
    """Counts the real states, so only the recipient has it."""


def insight(referral: Referral, party: Party, feedback: Set[Scope]) -> Insight:
    """Return what a party may know: the recipient all, the sender what the scopes of `feedback` allow."""
    is_recipient = party is Party.RECIPIENT
    if not is_recipient and Scope.FEEDBACK_STATUS not in feedback:
        standing = Standing.ENDED if referral.closed_by_sender_at else WITHOUT_FEEDBACK[referral.state]
        return Insight(standing, rejection_reason=referral.rejection_reason)
    hears_outcome = is_recipient or Scope.FEEDBACK_OUTCOME in feedback
    return Insight(
        standing=Standing(referral.state.value),
        rejection_reason=referral.rejection_reason,
        first_contact_on=referral.first_contact_on,
        outcome=referral.outcome if hears_outcome else None,
        end_reason=referral.end_reason,
        version=referral.version if is_recipient else None,
    )
