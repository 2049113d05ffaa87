"""Statements on drafts; writes run under the lock of the case."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from schemas import CaseId, OfferId, ReferralId, UnitId
from services.chassis.db import Connection
from services.referral.model.drafts import Draft


async def save_draft(conn: Connection, draft: Draft) -> None:
    """Keep a draft, new or changed."""
    await conn.execute(
        """
        insert into referral.draft
            (referral_id, case_id, from_unit, offer_id, based_on, sender_number, version, made_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8)
        on conflict (referral_id) do update
        set offer_id = excluded.offer_id, based_on = excluded.based_on, sender_number = excluded.sender_number,
            version = excluded.version
        """,
        draft.referral_id,
        draft.case_id,
        draft.from_unit,
        draft.offer_id,
        draft.based_on,
        draft.number,
        draft.version,
        draft.made_at,
    )


async def find_draft(conn: Connection, referral_id: ReferralId) -> Draft | None:
    """Return one draft; None where there is none, or none any more."""
    row = await conn.fetchrow("select * from referral.draft where referral_id = $1", referral_id)
    return _draft(row) if row else None


async def drafts_of(conn: Connection, unit: UnitId, after: ReferralId | None, limit: int) -> Sequence[Draft]:
    """List up to `limit` drafts of a unit, the earliest first."""
    rows = await conn.fetch(
        """
        select * from referral.draft where from_unit = $1 and ($2::uuid is null or referral_id > $2)
        order by referral_id limit $3
        """,
        unit,
        after,
        limit,
    )
    return [_draft(row) for row in rows]


async def delete_draft(conn: Connection, referral_id: ReferralId) -> None:
    """Take a draft away."""
    await conn.execute("delete from referral.draft where referral_id = $1", referral_id)


async def forget_drafts(conn: Connection, cases: Collection[CaseId]) -> None:
    """Take away all drafts of these cases."""
    await conn.execute("delete from referral.draft where case_id = any($1::uuid[])", list(cases))


async def made_before(conn: Connection, before: datetime, limit: int) -> Sequence[tuple[ReferralId, CaseId]]:
    """List drafts made by then, the earliest first."""
    rows = await conn.fetch(
        "select referral_id, case_id from referral.draft where made_at <= $1 order by made_at limit $2", before, limit
    )
    return [(ReferralId(row["referral_id"]), CaseId(row["case_id"])) for row in rows]


async def is_erased(conn: Connection, case_id: CaseId) -> bool:
    """Whether the person of a case was erased."""
    found: bool = await conn.fetchval("select exists (select from referral.erased_case where case_id = $1)", case_id)
    return found


def _draft(row: Mapping[str, Any]) -> Draft:
    return Draft(
        ReferralId(row["referral_id"]),
        CaseId(row["case_id"]),
        UnitId(row["from_unit"]),
        None if row["offer_id"] is None else OfferId(row["offer_id"]),
        None if row["based_on"] is None else ReferralId(row["based_on"]),
        row["sender_number"],
        row["made_at"],
        row["version"],
    )
