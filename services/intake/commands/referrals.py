"""Keeping up with referrals as the bus tells of them."""

from datetime import datetime
from uuid import UUID

from schemas import ReferralEvent
from services.chassis.auth import Principal
from services.chassis.db import Connection
from services.chassis.permissions import may
from services.chassis.problems import NOT_FOUND, Refusal
from services.intake.model.persons import KeyOfPerson
from services.intake.model.referrals import Referral
from services.intake.store import referrals


async def note_referral(conn: Connection, event: ReferralEvent, at: datetime) -> None:
    """Note where a referral stands; the versions of its case have put the events in order."""
    referral = Referral(
        referral_id=event.referral_id,
        case_id=event.case_id,
        from_unit=event.from_unit,
        to_unit=event.to_unit,
        state=event.state,
    )
    await referrals.upsert_referral(conn, referral, at)


async def received_with_key(
    conn: Connection, referral_id: UUID, caller: Principal, action_id: str
) -> tuple[Referral, KeyOfPerson | None] | Refusal:
    """The same as `received_referral`, with where the key to what the person said is."""
    found = await referrals.referral_with_key(conn, referral_id)
    return found if found and may(caller, action_id, found[0].to_unit) else NOT_FOUND


async def received_referral(
    conn: Connection, referral_id: UUID, caller: Principal, action_id: str
) -> Referral | Refusal:
    """A referral that the caller may do this to as the unit it is addressed to; any other looks like none."""
    referral = await referrals.referral(conn, referral_id)
    return referral if referral and may(caller, action_id, referral.to_unit) else NOT_FOUND
