"""What is told of a referral: its events, and what a sender hears after the fact."""

from collections.abc import Mapping, Set
from typing import Any

from schemas import (
    ConsentId,
    HouseholdId,
    PartnerSlug,
    ReferralAcceptanceTakenBack,
    ReferralAccepted,
    ReferralCompleted,
    ReferralEnded,
    ReferralEnteredInError,
    ReferralEvent,
    ReferralExpired,
    ReferralFailed,
    ReferralLinked,
    ReferralPutOnHold,
    ReferralReceived,
    ReferralRejected,
    ReferralReminded,
    ReferralRequested,
    ReferralResumed,
    ReferralStarted,
    ReferralStatusShared,
    partner_of,
)
from schemas.codes import ContactLevel, EndMode, ReferralState, Scope
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
    SHAREABLE,
    Act,
    Referral,
    SharedStatus,
)

Telling = tuple[type[ReferralEvent], tuple[tuple[str, str], ...]]


def event_of(referral: Referral, acted_by: PartnerSlug | None, act: Act | None = None) -> ReferralEvent:
    """Tell how a referral came to the state it is in; `act` where the state alone does not say it."""
    event_class, own_fields = _telling(referral.state, act)
    own = {name: getattr(referral, field) for name, field in own_fields}
    if event_class is ReferralEnded:
        own["mode"] = EndMode(referral.state.value)
    return event_class.model_validate({**_common(referral, acted_by), **own})


def event_class_of(state: ReferralState, act: Act | None) -> type[ReferralEvent]:
    """Which event tells that an act led to a state."""
    return _telling(state, act)[0]


def _telling(state: ReferralState, act: Act | None) -> Telling:
    return _BY_ACT.get(act) or _BY_STATE[state]


def _common(referral: Referral, acted_by: PartnerSlug | None) -> dict[str, Any]:
    return {
        "case_id": referral.case_id,
        "acted_by": acted_by,
        "referral_id": referral.referral_id,
        "from_unit": referral.from_unit,
        "to_unit": referral.to_unit,
        "state": referral.state,
    }


def _fields(*names: str, **renamed: str) -> tuple[tuple[str, str], ...]:
    """The event's fields and those of the referral they are taken from."""
    return (*((name, name) for name in names), *renamed.items())


_BY_STATE: Mapping[ReferralState, Telling] = {
    REQUESTED: (ReferralRequested, _fields("consent_id", "offer_id", "based_on")),
    RECEIVED: (ReferralReceived, ()),
    ACCEPTED: (ReferralAccepted, _fields("first_contact_planned_on", "happened_on")),
    REJECTED: (ReferralRejected, _fields("happened_on", reason="rejection_reason")),
    IN_PROGRESS: (ReferralStarted, _fields("first_contact_on")),
    ON_HOLD: (ReferralPutOnHold, _fields("review_on", reason="hold_reason")),
    COMPLETED: (ReferralCompleted, _fields("outcome", "happened_on")),
    FAILED: (ReferralFailed, _fields("happened_on", reason="failure_reason")),
    EXPIRED: (ReferralExpired, ()),
    CANCELLED: (ReferralEnded, _fields(reason="end_reason")),
    DETACHED: (ReferralEnded, _fields(reason="end_reason")),
    ENTERED_IN_ERROR: (ReferralEnteredInError, _fields(reason="error_reason")),
}
_BY_ACT: Mapping[Act | None, Telling] = {
    Act.RESUME: (ReferralResumed, ()),
    Act.TAKE_BACK: (ReferralAcceptanceTakenBack, _fields(reason="taken_back_reason")),
}


def reminder_of(referral: Referral, deadline: Deadline, level: ContactLevel) -> ReferralReminded:
    """Tell a service that something was due."""
    said = {"clock": deadline.clock, "level": level, "due_at": deadline.due_at}
    return ReferralReminded.model_validate({**_common(referral, None), **said})


def link_of(referral: Referral, household_id: HouseholdId, consent_id: ConsentId | None) -> ReferralLinked:
    """Tell the service to which household the person belongs, as the unit that referred says; None: tell nobody."""
    common = _common(referral, partner_of(referral.from_unit))
    said = {**common, "household_id": household_id, "consent_id": consent_id}
    return ReferralLinked.model_validate(said)


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
