"""What requests about referrals say, and how a referral is shown."""

import re
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, StringConstraints

from schemas import OfferId, Party, ReferralId, UnitId
from schemas.codes import EndReason, Outcome, RejectionReason
from services.chassis.api import Body
from services.referral.model.referrals import Insight, Referral, Standing

CaseRef = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _is_day(value: Any) -> Any:
    """pydantic would also take a number of seconds for a day."""
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("must be a day such as 2026-05-04")
    return value


Day = Annotated[date, BeforeValidator(_is_day)]


class NewReferral(Body):
    """Whom to refer (your own reference of the case) to which offer."""

    case_ref: CaseRef
    offer_id: UUID


class Rejection(Body):
    """Why your unit cannot take the person."""

    reason: RejectionReason


class Start(Body):
    """When the first contact took place."""

    first_contact_on: Day


class Completion(Body):
    """What came of it."""

    outcome: Outcome


class Cancellation(Body):
    """Why a referral ends early."""

    reason: Literal[EndReason.RECALLED, EndReason.DUPLICATE, EndReason.PERSON_DECLINED, EndReason.OTHER]


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
    state: Standing
    rejection_reason: RejectionReason | None
    first_contact_on: date | None
    outcome: Outcome | None
    end_reason: EndReason | None


class ReferralPage(BaseModel):
    """Referrals, the earliest first; `next` goes into `after` of the next request."""

    items: list[ReferralView]
    next: ReferralId | None


def view(referral: Referral, party: Party, case_ref: str, known: Insight) -> ReferralView:
    """Show a referral to one of its parties."""
    return ReferralView(
        referral_id=referral.referral_id,
        case_ref=case_ref,
        role="sent" if party is Party.SENDER else "received",
        from_unit=referral.from_unit,
        to_unit=referral.to_unit,
        offer_id=referral.offer_id,
        requested_at=referral.requested_at,
        state=known.standing,
        rejection_reason=known.rejection_reason,
        first_contact_on=known.first_contact_on,
        outcome=known.outcome,
        end_reason=known.end_reason,
    )
