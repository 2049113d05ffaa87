"""What intake does with events.

It follows the referrals, so that the gate knows whom each is addressed to, the cooperations, so that each of their
units can record its own consents, and the recalls, so that it can say who has answered.
"""

from datetime import datetime

from schemas import (
    ConsentExpired,
    ConsentExpiring,
    ConsentGiven,
    ConsentInvalidated,
    ConsentRenewed,
    ConsentRevoked,
    ConsentWithdrawn,
    CooperationDeclined,
    CooperationEnded,
    CooperationEvent,
    CooperationLapsed,
    CooperationLeft,
    CooperationProposed,
    Event,
    InformationCounted,
    PartnerInformed,
    PersonCorrected,
    PersonDisclosed,
    PersonErased,
    RecallAcknowledged,
    RecallOpened,
    Received,
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
    RefusalCounted,
    Topic,
)
from schemas.codes import ConsentState
from services.chassis import db
from services.chassis.adoption import Adoption
from services.chassis.context import Context
from services.chassis.db import Connection
from services.chassis.handling import Handler, Handlers
from services.intake.commands import adopting, disclosures
from services.intake.commands.cooperations import note_proposed
from services.intake.commands.referrals import note_referral
from services.intake.store import cooperations, recalls, rights


async def on_referral_moved(conn: Connection, received: Received[ReferralEvent], _now: datetime) -> None:
    """A referral is new, or stands elsewhere now."""
    await note_referral(conn, received.data, received.time)


async def on_cooperation_proposed(conn: Connection, received: Received[CooperationProposed], _now: datetime) -> None:
    """Units are asked to work together: each may record its own consents by it."""
    await note_proposed(conn, received.data)


async def on_cooperation_left(conn: Connection, received: Received[CooperationEvent], _now: datetime) -> None:
    """A unit has no part in it any more."""
    await cooperations.take_unit_out(conn, received.data.cooperation_id, received.data.unit)


async def on_cooperation_over(conn: Connection, received: Received[CooperationEvent], _now: datetime) -> None:
    """Nothing is told of it any more."""
    await cooperations.delete_cooperation(conn, received.data.cooperation_id)


async def on_partner_informed(conn: Connection, received: Received[PartnerInformed], _now: datetime) -> None:
    """A partner was told of events; those of a person's case are kept for the person who asks."""
    await rights.note_told(conn, received.data, received.time)


async def on_recall_opened(conn: Connection, received: Received[RecallOpened], _now: datetime) -> None:
    """A partner was told of an end, and asked what becomes of what it knew."""
    await recalls.insert_recall(conn, received.data, received.time)


async def on_recall_acknowledged(conn: Connection, received: Received[RecallAcknowledged], _now: datetime) -> None:
    """The partner has answered."""
    await recalls.note_answer(conn, received.data, received.time)


HANDLERS: dict[type[Event], Handler] = {
    ReferralRequested: on_referral_moved,
    ReferralReceived: on_referral_moved,
    ReferralAccepted: on_referral_moved,
    ReferralRejected: on_referral_moved,
    ReferralStarted: on_referral_moved,
    ReferralCompleted: on_referral_moved,
    ReferralAcceptanceTakenBack: on_referral_moved,
    ReferralPutOnHold: on_referral_moved,
    ReferralResumed: on_referral_moved,
    ReferralFailed: on_referral_moved,
    ReferralExpired: on_referral_moved,
    ReferralEnteredInError: on_referral_moved,
    ReferralEnded: on_referral_moved,
    ReferralLinked: on_referral_moved,
    ReferralReminded: on_referral_moved,
    ReferralStatusShared: on_referral_moved,
    CooperationProposed: on_cooperation_proposed,
    CooperationDeclined: on_cooperation_left,
    CooperationLeft: on_cooperation_left,
    CooperationLapsed: on_cooperation_over,
    CooperationEnded: on_cooperation_over,
    PartnerInformed: on_partner_informed,
    RecallOpened: on_recall_opened,
    RecallAcknowledged: on_recall_acknowledged,
}


async def on_own_given(conn: Connection, received: Received[ConsentGiven], now: datetime) -> bool:
    """A consent that a restored database has forgotten."""
    return await adopting.adopt_given(conn, received, now)


async def on_own_renewed(conn: Connection, received: Received[ConsentRenewed], _now: datetime) -> bool:
    """A renewal that a restored database has forgotten."""
    return await adopting.adopt_renewed(conn, received)


async def on_own_expiring(conn: Connection, received: Received[ConsentExpiring], _now: datetime) -> bool:
    """A reminder that a restored database has forgotten."""
    return await adopting.adopt_reminder(conn, received)


async def on_own_withdrawn(conn: Connection, received: Received[ConsentWithdrawn], _now: datetime) -> bool:
    """A withdrawal that a restored database has forgotten."""
    return await adopting.adopt_ended(conn, received, ConsentState.WITHDRAWN)


async def on_own_expired(conn: Connection, received: Received[ConsentExpired], _now: datetime) -> bool:
    """An expiry that a restored database has forgotten."""
    return await adopting.adopt_ended(conn, received, ConsentState.EXPIRED)


async def on_own_revoked(conn: Connection, received: Received[ConsentRevoked], _now: datetime) -> bool:
    """A revocation that a restored database has forgotten."""
    return await adopting.adopt_ended(conn, received, ConsentState.REVOKED)


async def on_own_invalidated(conn: Connection, received: Received[ConsentInvalidated], _now: datetime) -> bool:
    """An invalidation that a restored database has forgotten."""
    return await adopting.adopt_ended(conn, received, ConsentState.INVALIDATED)


async def on_own_erased(conn: Connection, received: Received[PersonErased], _now: datetime) -> bool:
    """An erasure that a restored database has forgotten."""
    return await adopting.adopt_erased(conn, received)


async def on_own_corrected(conn: Connection, received: Received[PersonCorrected], _now: datetime) -> bool:
    """A correction that a restored database has forgotten: what was said then nobody can bring back."""
    return await adopting.adopt_corrected(conn, received)


async def on_own_counted(conn: Connection, received: Received[InformationCounted], _now: datetime) -> bool:
    """A count that a restored database has forgotten."""
    return await adopting.adopt_counted(conn, received)


async def on_own_refusals(conn: Connection, received: Received[RefusalCounted], _now: datetime) -> bool:
    """A month's refusals that a restored database has forgotten to have told."""
    return await adopting.adopt_refusals(conn, received)


def adoption(context: Context) -> Adoption:
    """What intake takes back of its own after a restore; of a person it has forgotten it cannot."""

    async def on_own_disclosed(conn: Connection, received: Received[PersonDisclosed], now: datetime) -> bool:
        return await adopting.adopt_disclosed(conn, context.references, received, now)

    async def settle(conn: Connection) -> None:
        await adopting.destroy_again(conn)
        await disclosures.mark_all_restored(conn, context.partners.slugs, await db.now(conn))

    return Adoption(
        publishes=(Topic.CASES, Topic.CIRCLE),
        events={
            ConsentGiven: on_own_given,
            ConsentRenewed: on_own_renewed,
            ConsentExpiring: on_own_expiring,
            ConsentWithdrawn: on_own_withdrawn,
            ConsentExpired: on_own_expired,
            ConsentRevoked: on_own_revoked,
            ConsentInvalidated: on_own_invalidated,
            PersonCorrected: on_own_corrected,
            PersonErased: on_own_erased,
            PersonDisclosed: on_own_disclosed,
            InformationCounted: on_own_counted,
            RefusalCounted: on_own_refusals,
        },
        settle=settle,
    )


def handlers(_context: Context) -> Handlers:
    """What intake does with the others' events."""
    return Handlers(topics=frozenset({Topic.CASES, Topic.DELIVERIES}), each=HANDLERS)
