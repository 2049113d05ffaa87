"""Keeping up with referrals as the bus tells of them."""

from schemas import ReferralEvent
from services.chassis.db import Connection
from services.intake.model import Referral
from services.intake.store import referrals


async def note_referral(conn: Connection, event: ReferralEvent) -> None:
    """Note where a referral stands; the versions of its case have put the events in order."""
    referral = Referral(
        referral_id=event.referral_id,
        case_id=event.case_id,
        from_unit=event.from_unit,
        to_unit=event.to_unit,
        state=event.state,
    )
    await referrals.upsert_referral(conn, referral)
