"""What requests about referrals say, and how a referral is shown."""

from datetime import date, datetime
from typing import Annotated, Literal, NamedTuple
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from schemas import OfferId, Party, ReferralId, UnitId
from schemas.calendar import Day
from schemas.codes import (
    ContactLevel,
    EndReason,
    ErrorReason,
    FailureReason,
    HoldReason,
    Outcome,
    ReferralClock,
    RejectionReason,
    TakenBackReason,
)
from schemas.texts import ShortText
from services.chassis.api import Body
from services.referral.model.deadlines import Deadline
from services.referral.model.insight import Insight, Standing
from services.referral.model.referrals import Referral

CaseRef = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
HouseholdRef = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]

OwnNumber = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ./_-]{0,59}$")]
"""A file number or the like; a name has no place in it."""

Afterwards = Annotated[
    Day | None, Field(description="the day it happened, where it is recorded afterwards, such as by telephone")
]


class NewReferral(Body):
    """Whom to refer (your own reference of the case) to which offer.

    `based_on`: a referral of the same person, over now, that this one goes on from; its recipient is not told of it.
    """

    case_ref: CaseRef
    offer_id: UUID
    based_on: UUID | None = None
    own_number: OwnNumber | None = None


class Numbering(Body):
    """Your own number of a referral, for your own unit alone; null takes it away."""

    own_number: OwnNumber | None


class Acceptance(Body):
    """Which function takes the person on, and for when the first contact is planned."""

    responsible: ShortText
    first_contact_planned_on: Day
    happened_on: Afterwards = None


class Rejection(Body):
    """Why your unit cannot take the person."""

    reason: RejectionReason
    happened_on: Afterwards = None


class TakingBack(Body):
    """Why the acceptance was a mistake."""

    reason: TakenBackReason


class Start(Body):
    """When the first contact took place."""

    first_contact_on: Day


class Hold(Body):
    """Why the work rests, and when it is looked at again."""

    reason: HoldReason
    review_on: Day


class Completion(Body):
    """What came of it."""

    outcome: Outcome
    happened_on: Afterwards = None


class Failure(Body):
    """Why it could not be finished; why somebody did not come is not asked."""

    reason: FailureReason
    happened_on: Afterwards = None


class Annulment(Body):
    """Why the referral should never have existed."""

    reason: ErrorReason


class Cancellation(Body):
    """Why a referral ends early."""

    reason: Literal[EndReason.RECALLED, EndReason.DUPLICATE, EndReason.PERSON_DECLINED, EndReason.OTHER]


class DeadlineView(BaseModel):
    """What a referral waits for. `due_at`: null while the clock stands still.

    `is_proposed`: the partners have not decided it; it is shown, and nothing follows from it. `reminded`: on which
    level the service was reminded last.
    """

    clock: ReferralClock
    due_at: datetime | None
    is_proposed: bool
    reminded: ContactLevel | None


class ReferralView(BaseModel):
    """A referral as far as the reader may know of it.

    A sender without a feedback consent reads `requested`, `received`, `rejected` or `ended`, and null for what it
    may not know.
    """

    referral_id: ReferralId
    case_ref: CaseRef
    role: Literal["sent", "received"]
    from_unit: UnitId
    to_unit: UnitId
    offer_id: OfferId
    requested_at: datetime
    based_on: ReferralId | None
    own_number: str | None
    household_ref: HouseholdRef | None
    state: Standing
    rejection_reason: RejectionReason | None
    error_reason: ErrorReason | None
    awaits_second_person: bool
    responsible: str | None
    first_contact_planned_on: date | None
    first_contact_on: date | None
    hold_reason: HoldReason | None
    review_on: date | None
    outcome: Outcome | None
    failure_reason: FailureReason | None
    end_reason: EndReason | None
    happened_on: date | None
    deadline: DeadlineView | None


class ReferralPage(BaseModel):
    """Referrals, the earliest first; `next` goes into `after` of the next request."""

    items: list[ReferralView]
    next: ReferralId | None


class OwnRefs(NamedTuple):
    """What a partner calls a referral's case, the household and the referral itself."""

    case_ref: str
    household_ref: str | None
    number: str | None


def view(referral: Referral, party: Party, refs: OwnRefs, known: Insight) -> ReferralView:
    """Show a referral to one of its parties."""
    is_sender = party is Party.SENDER
    return ReferralView(
        referral_id=referral.referral_id,
        case_ref=refs.case_ref,
        role="sent" if is_sender else "received",
        from_unit=referral.from_unit,
        to_unit=referral.to_unit,
        offer_id=referral.offer_id,
        requested_at=referral.requested_at,
        based_on=referral.based_on if is_sender else None,
        own_number=refs.number,
        household_ref=refs.household_ref,
        state=known.standing,
        rejection_reason=known.rejection_reason,
        error_reason=known.error_reason,
        awaits_second_person=known.awaits_second_person,
        responsible=known.responsible,
        first_contact_planned_on=known.first_contact_planned_on,
        first_contact_on=known.first_contact_on,
        hold_reason=known.hold_reason,
        review_on=known.review_on,
        outcome=known.outcome,
        failure_reason=known.failure_reason,
        end_reason=known.end_reason,
        happened_on=known.happened_on,
        deadline=_deadline(known.deadline),
    )


def _deadline(known: Deadline | None) -> DeadlineView | None:
    if known is None:
        return None
    return DeadlineView(clock=known.clock, due_at=known.due_at, is_proposed=known.is_proposed, reminded=known.reminded)
