"""Referrals as the bus told them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from schemas import CaseId, ReferralId, UnitId
from schemas.codes import ReferralState
from services.chassis.db import Connection
from services.intake.model.persons import KeyOfPerson
from services.intake.model.referrals import Referral


async def upsert_referral(conn: Connection, referral: Referral, at: datetime) -> None:
    """Note where a referral stands, and since when."""
    await conn.execute(
        """
        insert into intake.referral (referral_id, case_id, from_unit, to_unit, state, changed_at)
        values ($1, $2, $3, $4, $5, $6)
        on conflict (referral_id) do update set state = excluded.state, changed_at = excluded.changed_at
        """,
        referral.referral_id,
        referral.case_id,
        referral.from_unit,
        referral.to_unit,
        referral.state,
        at,
    )


async def referral(conn: Connection, referral_id: UUID) -> Referral | None:
    """One referral; None where none is known."""
    row = await conn.fetchrow(
        "select referral_id, case_id, from_unit, to_unit, state from intake.referral where referral_id = $1",
        referral_id,
    )
    return _referral(row) if row else None


async def referral_with_key(conn: Connection, referral_id: UUID) -> tuple[Referral, KeyOfPerson | None] | None:
    """One referral, and where the key to what its person said is; None where no referral is known."""
    row = await conn.fetchrow(
        """
        select referral_id, case_id, from_unit, to_unit, state, key_id, erased_at is not null as is_erased,
               lost_at is not null as is_lost
        from intake.referral left join intake.person using (case_id) where referral_id = $1
        """,
        referral_id,
    )
    if row is None:
        return None
    key = KeyOfPerson(row["key_id"], row["is_erased"], row["is_lost"]) if row["key_id"] else None
    return _referral(row), key


async def referrals_of_case(conn: Connection, case_id: CaseId) -> list[Referral]:
    """All referrals of a person, the earliest id first."""
    rows = await conn.fetch(
        "select referral_id, case_id, from_unit, to_unit, state from intake.referral where case_id = $1 order by 1",
        case_id,
    )
    return [_referral(row) for row in rows]


def _referral(row: Any) -> Referral:
    return Referral(
        referral_id=ReferralId(row["referral_id"]),
        case_id=CaseId(row["case_id"]),
        from_unit=UnitId(row["from_unit"]),
        to_unit=UnitId(row["to_unit"]),
        state=ReferralState(row["state"]),
    )
