"""What intake does with events: it follows the referrals, so that the gate knows whom each is addressed to."""

from datetime import datetime

from schemas import (
    Event,
    Received,
    ReferralAccepted,
    ReferralCompleted,
    ReferralEnded,
    ReferralEvent,
    ReferralReceived,
    ReferralRejected,
    ReferralRequested,
    ReferralStarted,
    ReferralStatusShared,
    Topic,
)
from services.chassis.context import Context
from services.chassis.db import Connection
from services.chassis.handling import Handler, Handlers
from services.intake.commands.referrals import note_referral


async def on_referral_moved(conn: Connection, received: Received[ReferralEvent], _now: datetime) -> None:
    """A referral is new, or stands elsewhere now."""
    await note_referral(conn, received.data)


HANDLERS: dict[type[Event], Handler] = {
    ReferralRequested: on_referral_moved,
    ReferralReceived: on_referral_moved,
    ReferralAccepted: on_referral_moved,
    ReferralRejected: on_referral_moved,
    ReferralStarted: on_referral_moved,
    ReferralCompleted: on_referral_moved,
    ReferralEnded: on_referral_moved,
    ReferralStatusShared: on_referral_moved,
}


def handlers(_context: Context) -> Handlers:
    """The table as the consumer takes it."""
    return Handlers(topics=frozenset({Topic.CASES}), each=HANDLERS)
