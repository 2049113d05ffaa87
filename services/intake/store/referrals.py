"""Referrals as the bus told them, and who fetched a person's data on which of them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from schemas import CaseId, ConsentId, PersonDisclosed, ReferralId, UnitId, new_id
from schemas.codes import DataCategory, ReferralState
from services.chassis.db import Connection
from services.intake.model import Referral


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


async def referral_to(conn: Connection, referral_id: UUID, unit: UnitId) -> Referral | None:
    """A referral addressed to that unit."""
    row = await conn.fetchrow(
        """
        select referral_id, case_id, from_unit, to_unit, state from intake.referral
        where referral_id = $1 and to_unit = $2
        """,
        referral_id,
        unit,
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


async def insert_disclosure(
    conn: Connection,
    referral: Referral,
    case_ref: str,
    fetched_by: str,
    consent_ids: Sequence[ConsentId],
    categories: Sequence[DataCategory],
    now: datetime,
) -> None:
    """Write into the disclosure log who fetched what, and on which consents it rests."""
    await conn.execute(
        """
        insert into intake.disclosure (disclosure_id, disclosed_at, referral_id, case_ref, to_unit, fetched_by,
                                       consent_ids, data_categories)
        values ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        new_id(),
        now,
        referral.referral_id,
        case_ref,
        referral.to_unit,
        fetched_by,
        list(consent_ids),
        list(categories),
    )


async def insert_adopted_disclosure(
    conn: Connection, disclosure_id: UUID, fetched: PersonDisclosed, case_ref: str, at: datetime
) -> None:
    """Write a disclosure that only the bus still knew of, under the id of its event."""
    await conn.execute(
        """
        insert into intake.disclosure (disclosure_id, disclosed_at, referral_id, case_ref, to_unit, fetched_by,
                                       consent_ids, data_categories)
        values ($1, $2, $3, $4, $5, 'unknown since a restore', '{}', $6)
        on conflict do nothing
        """,
        disclosure_id,
        at,
        fetched.referral_id,
        case_ref,
        fetched.to_unit,
        list(fetched.data_categories),
    )
