"""Referrals as the bus told them."""

from uuid import UUID

from schemas import CaseId, ReferralId, UnitId
from schemas.codes import ReferralState
from services.chassis.db import Connection
from services.intake.model.referrals import Referral


async def upsert_referral(conn: Connection, referral: Referral) -> None:
    """Note where a referral stands."""
    await conn.execute(
        """
        insert into intake.referral (referral_id, case_id, from_unit, to_unit, state)
        values ($1, $2, $3, $4, $5)
        on conflict (referral_id) do update set state = excluded.state
        """,
        referral.referral_id,
        referral.case_id,
        referral.from_unit,
        referral.to_unit,
        referral.state,
    )


async def referral(conn: Connection, referral_id: UUID) -> Referral | None:
    """One referral; None where none is known."""
    row = await conn.fetchrow(
        "select referral_id, case_id, from_unit, to_unit, state from intake.referral where referral_id = $1",
        referral_id,
    )
    if row is None:
        return None
    return Referral(
        referral_id=ReferralId(row["referral_id"]),
        case_id=CaseId(row["case_id"]),
        from_unit=UnitId(row["from_unit"]),
        to_unit=UnitId(row["to_unit"]),
        state=ReferralState(row["state"]),
    )
