"""The rules of a referral: which state takes which act, and whose act it is.

The states are FHIR Task's, with three of ours: `expired` where nobody answered, `detached` where the service goes on by
itself and nothing more flows through Lotse, and `entered-in-error`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from schemas import CaseId, ConsentId, OfferId, Party, ReferralId, UnitId
from schemas.calendar import local_day
from schemas.codes import (
    EndReason,
    ErrorReason,
    FailureReason,
    HoldReason,
    Outcome,
    ReferralClock,
    ReferralState,
    RejectionReason,
    TakenBackReason,
)
from services.referral.model.consents import Direction
from services.referral.model.deadlines import Deadline
from services.referral.model.working_days import Pause


class Act(StrEnum):
    """What somebody does with a referral."""

    RECEIVE = "receive"
    ACCEPT = "accept"
    REJECT = "reject"
    TAKE_BACK = "take-back"
    """The service accepted by mistake."""
    START = "start"
    HOLD = "hold"
    RESUME = "resume"
    COMPLETE = "complete"
    FAIL = "fail"
    CANCEL = "cancel"
    EXPIRE = "expire"
    ANNUL = "annul"
    """Say that the referral should never have existed."""


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
ON_HOLD, FAILED, EXPIRED, ENTERED_IN_ERROR = (
    ReferralState.ON_HOLD,
    ReferralState.FAILED,
    ReferralState.EXPIRED,
    ReferralState.ENTERED_IN_ERROR,
)

TRANSITIONS: Mapping[tuple[ReferralState, Act], ReferralState] = {
    (REQUESTED, Act.RECEIVE): RECEIVED,
    (RECEIVED, Act.ACCEPT): ACCEPTED,
    (RECEIVED, Act.REJECT): REJECTED,
    (ACCEPTED, Act.TAKE_BACK): RECEIVED,
    (ACCEPTED, Act.START): IN_PROGRESS,
    (ACCEPTED, Act.HOLD): ON_HOLD,
    (IN_PROGRESS, Act.HOLD): ON_HOLD,
    (IN_PROGRESS, Act.COMPLETE): COMPLETED,
    (ACCEPTED, Act.FAIL): FAILED,
    (IN_PROGRESS, Act.FAIL): FAILED,
    (ON_HOLD, Act.FAIL): FAILED,
    (REQUESTED, Act.EXPIRE): EXPIRED,
    (RECEIVED, Act.EXPIRE): EXPIRED,
    (REQUESTED, Act.CANCEL): CANCELLED,
    (RECEIVED, Act.CANCEL): CANCELLED,
    (ACCEPTED, Act.CANCEL): CANCELLED,
    (IN_PROGRESS, Act.CANCEL): DETACHED,
    (REQUESTED, Act.ANNUL): ENTERED_IN_ERROR,
    (RECEIVED, Act.ANNUL): ENTERED_IN_ERROR,
    (ACCEPTED, Act.ANNUL): ENTERED_IN_ERROR,
    (IN_PROGRESS, Act.ANNUL): ENTERED_IN_ERROR,
    (ON_HOLD, Act.ANNUL): ENTERED_IN_ERROR,
    (REJECTED, Act.ANNUL): ENTERED_IN_ERROR,
    (COMPLETED, Act.ANNUL): ENTERED_IN_ERROR,
    (FAILED, Act.ANNUL): ENTERED_IN_ERROR,
    (EXPIRED, Act.ANNUL): ENTERED_IN_ERROR,
    (CANCELLED, Act.ANNUL): ENTERED_IN_ERROR,
    (DETACHED, Act.ANNUL): ENTERED_IN_ERROR,
}
"""On hold, `resume` leads back to where the referral came from, and `cancel` to where it would have led from there."""

RECEIVES_FIRST = frozenset({Act.ACCEPT, Act.REJECT})
"""Whoever answers a request has received it, even if nobody said so."""

OPEN: frozenset[ReferralState] = frozenset({REQUESTED, RECEIVED, ACCEPTED, IN_PROGRESS, ON_HOLD})
SHAREABLE: frozenset[ReferralState] = OPEN | {COMPLETED, FAILED}
"""Where a late feedback consent still has something to tell: nothing follows an end or a rejection."""

ACTS: Mapping[Party, frozenset[Act]] = {
    Party.SENDER: frozenset({Act.CANCEL, Act.ANNUL}),
    Party.RECIPIENT: frozenset(Act) - {Act.EXPIRE, Act.ANNUL},
}
"""Whose acts these are; expiry is the clock's."""


CLOCK_OF: Mapping[ReferralState, ReferralClock] = {
    REQUESTED: ReferralClock.ANSWER,
    RECEIVED: ReferralClock.ANSWER,
    ACCEPTED: ReferralClock.FIRST_CONTACT,
    ON_HOLD: ReferralClock.REVIEW,
}
"""What is waited for in a state."""


class SenderTask(StrEnum):
    """What a referral is to the unit that sent it, as far as that unit was told."""

    WAITS = "waits"
    """It waits for the service."""
    RETURNED = "returned"
    """The service does not help the person: it is the sender's again."""


TOLD_ALWAYS: Mapping[ReferralState, SenderTask | None] = {
    REQUESTED: SenderTask.WAITS,
    RECEIVED: SenderTask.WAITS,
    REJECTED: SenderTask.RETURNED,
    EXPIRED: SenderTask.RETURNED,
    CANCELLED: None,
    DETACHED: None,
    ENTERED_IN_ERROR: None,
}
"""What the sender is told whatever the person allowed, and what it has to do then."""
TOLD_WITH_FEEDBACK: Mapping[ReferralState, SenderTask | None] = {
    ACCEPTED: SenderTask.WAITS,
    ON_HOLD: SenderTask.WAITS,
    IN_PROGRESS: None,
    COMPLETED: None,
    FAILED: SenderTask.RETURNED,
}
"""Without a feedback consent nothing changes for the sender."""


class SharedStatus(NamedTuple):
    """What a sender is told after the fact; the outcome only as far as it may know it."""

    status: ReferralState
    outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class Referral:
    """One referral as it stands; `version` counts its states from 1.

    `based_on`: the referral that this one goes on from. `responsible`: the function that took it on, for the parties
    alone. `held_from`: the state that a pause leads back to. `happened_on`: the day of the last act, where it was
    recorded afterwards. `error_reported_by`: who has said that it should never have existed; a second person confirms.
    `closed_by_sender_at`: when a sender that may not know that the work is over cancelled it.
    `last_shared`: what the sender was last told after the fact. `holds`: when the work rested, in order.
    `deadline`: what it waits for, as last reckoned. `sender_task`: what it is to its sender.
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
    based_on: ReferralId | None = None
    responsible: str | None = None
    first_contact_planned_on: date | None = None
    accepted_at: datetime | None = None
    rejection_reason: RejectionReason | None = None
    taken_back_reason: TakenBackReason | None = None
    first_contact_on: date | None = None
    hold_reason: HoldReason | None = None
    review_on: date | None = None
    held_from: ReferralState | None = None
    outcome: Outcome | None = None
    failure_reason: FailureReason | None = None
    end_reason: EndReason | None = None
    error_reported_by: str | None = None
    error_reason: ErrorReason | None = None
    happened_on: date | None = None
    closed_by_sender_at: datetime | None = None
    last_shared: SharedStatus | None = None
    holds: tuple[Pause, ...] = ()
    deadline: Deadline | None = None
    sender_task: SenderTask | None = SenderTask.WAITS

    def party(self, unit: str) -> Party | None:
        """What a unit is to this referral; None where it has no part in it."""
        return {self.to_unit: Party.RECIPIENT, self.from_unit: Party.SENDER}.get(UnitId(unit))

    @property
    def feedback(self) -> Direction:
        """The way back, from the service to the unit that referred."""
        return Direction(self.case_id, self.to_unit, self.from_unit)

    @property
    def transfer(self) -> Direction:
        """The way of what the sender tells the recipient."""
        return Direction(self.case_id, self.from_unit, self.to_unit)


def steps(referral: Referral, act: Act, facts: Mapping[str, Any]) -> tuple[Referral, ...]:
    """Return the states that an act takes a referral through, in order; () where the act is not allowed.

    facts: the fields that the act fills in, by name.
    """
    if referral.state is REQUESTED and act in RECEIVES_FIRST:
        received = moved(referral, RECEIVED)
        return (received, *steps(received, act, facts))
    to = _leads_to(referral, act)
    return () if to is None else (moved(referral, to, **_CLEARED.get(act, {}), **facts),)


def _leads_to(referral: Referral, act: Act) -> ReferralState | None:
    if referral.state is ON_HOLD and act is Act.RESUME:
        return referral.held_from
    if referral.state is ON_HOLD and act is Act.CANCEL:
        return TRANSITIONS[referral.held_from or ACCEPTED, act]
    return TRANSITIONS.get((referral.state, act))


_CLEARED: Mapping[Act, Mapping[str, None]] = {
    Act.TAKE_BACK: dict.fromkeys(("responsible", "first_contact_planned_on", "accepted_at")),
    Act.ACCEPT: {"taken_back_reason": None},
    Act.RESUME: dict.fromkeys(("hold_reason", "review_on")),
}
"""What no longer holds after an act."""


def moved(referral: Referral, to: ReferralState, **facts: Any) -> Referral:
    """A referral in its next state; what was running goes on only where the same is waited for."""
    running = referral.deadline
    fixed = {
        "state": to,
        "version": referral.version + 1,
        "held_from": referral.state if to is ON_HOLD else None,
        "happened_on": None,
        "deadline": running if running is not None and running.clock is CLOCK_OF.get(to) else None,
        "sender_task": TOLD_ALWAYS.get(to, referral.sender_task),
    }
    return replace(referral, **{**fixed, **facts})


def stamped(referral: Referral, act: Act, now: datetime) -> Mapping[str, Any]:
    """The moments that an act leaves behind, as facts for `steps`."""
    if act is Act.ACCEPT:
        return {"accepted_at": now}
    if act is Act.HOLD:
        return {"holds": (*referral.holds, Pause(now, None))}
    if act is Act.RESUME and referral.holds:
        return {"holds": (*referral.holds[:-1], referral.holds[-1]._replace(until=now))}
    return {}


def told(referral: Referral) -> Referral:
    """A referral whose sender hears of its state."""
    return replace(referral, sender_task=TOLD_WITH_FEEDBACK.get(referral.state, referral.sender_task))


def is_possible_day(referral: Referral, day: date, now: datetime) -> bool:
    """Whether something about a referral can have happened on that day: not before the request, not in the future.

    The request's day is taken in UTC, today in Koblenz: at night the caller's own calendar may be either.
    """
    return referral.requested_at.astimezone(UTC).date() <= day <= local_day(now)
