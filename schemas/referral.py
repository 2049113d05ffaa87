"""Referrals: a person on the way from one unit to another unit's offer.

`state` stays inside: from it a service restored to an older day adopts what it had already said. The sender
hears what the person allowed: received, rejected, expired and ended always, the rest with a feedback consent.
`happened_on`: the day of something that was recorded afterwards, for instance agreed by telephone.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated

from schemas.codes import (
    ContactLevel,
    EndMode,
    EndReason,
    ErrorReason,
    FailureReason,
    HoldReason,
    Outcome,
    ReferralClock,
    ReferralState,
    RejectionReason,
    Scope,
    TakenBackReason,
)
from schemas.envelope import CaseEvent
from schemas.ids import ConsentId, HouseholdId, OfferId, PartnerSlug, ReferralId, UnitId, partner_of
from schemas.visibility import Pairwise, Party, Shared

BOTH = frozenset({Party.SENDER, Party.RECIPIENT})


class ReferralEvent(CaseEvent, abstract=True):
    """Something happened to one referral."""

    referral_id: Annotated[ReferralId, Shared]
    from_unit: Annotated[UnitId, Shared]
    to_unit: Annotated[UnitId, Shared]
    state: ReferralState

    def parties(self) -> Mapping[Party, PartnerSlug]:
        """Return the referring partner (sender) and the one referred to (recipient)."""
        return {Party.SENDER: partner_of(self.from_unit), Party.RECIPIENT: partner_of(self.to_unit)}


class ReferralRequested(ReferralEvent, type="lotse.referral.requested.v1", audience=BOTH):
    """A unit asked another to take a person, with the person's consent.

    Only this event names the offer: later ones share no id between the two parties but the referral's.
    """

    consent_id: ConsentId
    offer_id: Annotated[OfferId, Shared]
    based_on: ReferralId | None = None
    """The referral that this one goes on from; who else was asked is not the recipient's to know."""


class ReferralLinked(ReferralEvent, type="lotse.referral.linked.v1", audience={Party.RECIPIENT}):
    """The person belongs to a household from now on, and to no other that the same unit spoke of before.

    Told is which household by the recipient's own reference, never who else is in it.
    """

    household_id: Annotated[HouseholdId, Pairwise]
    consent_id: ConsentId | None
    """The TRANSFER consent that names the household; without one nobody is told."""


class ReferralReceived(ReferralEvent, type="lotse.referral.received.v1", audience=BOTH):
    """The request reached the service."""


class ReferralAccepted(
    ReferralEvent, type="lotse.referral.accepted.v1", audience=BOTH, sender_needs=Scope.FEEDBACK_STATUS
):
    """The service takes the person."""

    first_contact_planned_on: Annotated[date | None, Shared] = None
    happened_on: Annotated[date | None, Shared] = None


class ReferralRejected(ReferralEvent, type="lotse.referral.rejected.v1", audience=BOTH):
    """The service cannot take the person."""

    reason: Annotated[RejectionReason, Shared]
    happened_on: Annotated[date | None, Shared] = None


class ReferralExpired(ReferralEvent, type="lotse.referral.expired.v1", audience=BOTH):
    """The service has not answered in time; the referral is the sender's again."""


class ReferralAcceptanceTakenBack(
    ReferralEvent,
    type="lotse.referral.acceptance_taken_back.v1",
    audience=BOTH,
    sender_needs=Scope.FEEDBACK_STATUS,
):
    """The service had accepted by mistake: the request waits for its answer again."""

    reason: Annotated[TakenBackReason, Shared]


class ReferralStarted(
    ReferralEvent, type="lotse.referral.started.v1", audience=BOTH, sender_needs=Scope.FEEDBACK_STATUS
):
    """The service met the person for the first time."""

    first_contact_on: Annotated[date, Shared]


class ReferralPutOnHold(
    ReferralEvent, type="lotse.referral.put_on_hold.v1", audience=BOTH, sender_needs=Scope.FEEDBACK_STATUS
):
    """The work on a referral rests, and is looked at again by a day."""

    reason: Annotated[HoldReason, Shared]
    review_on: Annotated[date, Shared]


class ReferralResumed(
    ReferralEvent, type="lotse.referral.resumed.v1", audience=BOTH, sender_needs=Scope.FEEDBACK_STATUS
):
    """The work on a referral goes on where it rested."""


class ReferralFailed(ReferralEvent, type="lotse.referral.failed.v1", audience=BOTH, sender_needs=Scope.FEEDBACK_STATUS):
    """The service could not finish what it had accepted."""

    reason: Annotated[FailureReason, Shared(needs=Scope.FEEDBACK_OUTCOME)]
    happened_on: Annotated[date | None, Shared] = None


class ReferralCompleted(
    ReferralEvent, type="lotse.referral.completed.v1", audience=BOTH, sender_needs=Scope.FEEDBACK_STATUS
):
    """The service finished its work on a referral."""

    outcome: Annotated[Outcome, Shared(needs=Scope.FEEDBACK_OUTCOME)]
    happened_on: Annotated[date | None, Shared] = None


class ReferralEnded(ReferralEvent, type="lotse.referral.ended.v1", audience=BOTH, closing=True):
    """A referral ended early: cancelled before the first contact, or detached after it."""

    mode: Annotated[EndMode, Shared(needs=Scope.FEEDBACK_STATUS)]
    reason: Annotated[EndReason, Shared(needs=Scope.FEEDBACK_STATUS)]


class ReferralEnteredInError(ReferralEvent, type="lotse.referral.entered_in_error.v1", audience=BOTH, closing=True):
    """A referral should never have existed; two persons of the unit that sent it have said so."""

    reason: Annotated[ErrorReason, Shared]


class ReferralReminded(ReferralEvent, type="lotse.referral.reminded.v1", audience={Party.RECIPIENT}):
    """A service has not yet done something by the time agreed, or by the day it named itself.

    `level`: first whoever works on it is meant, later those who coordinate.
    """

    clock: Annotated[ReferralClock, Shared]
    level: Annotated[ContactLevel, Shared]
    due_at: Annotated[datetime, Shared]


class ReferralStatusShared(
    ReferralEvent,
    type="lotse.referral.status_shared.v1",
    audience={Party.SENDER},
    sender_needs=Scope.FEEDBACK_STATUS,
):
    """The person allowed feedback after the fact: where the referral stands now, not how it came there."""

    status: Annotated[ReferralState, Shared]
    outcome: Annotated[Outcome | None, Shared(needs=Scope.FEEDBACK_OUTCOME)] = None
