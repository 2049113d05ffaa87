"""Statements on referrals. Writes run under the lock of the case."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from schemas import CaseId, ReferralId, UnitId
from schemas.codes import EndReason, Outcome, ReferralState, RejectionReason
from services.chassis.db import Connection
from services.referral.model.consents import Direction
from services.referral.model.referrals import OPEN, Referral, SharedStatus

C = TypeVar("C", RejectionReason, Outcome, EndReason)


async def insert_referral(conn: Connection, referral: Referral) -> None:
    """Keep a new referral."""
    await conn.execute(
        """
        insert into referral.referral
            (referral_id, case_id, consent_id, offer_id, from_unit, to_unit, state, version, requested_at, changed_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
        """,
        referral.referral_id,
        referral.case_id,
        referral.consent_id,
        referral.offer_id,
        referral.from_unit,
        referral.to_unit,
        referral.state,
        referral.version,
        referral.requested_at,
    )


async def update_referral(conn: Connection, referral: Referral, now: datetime) -> None:
    """Write a referral's new state."""
    await conn.execute(
        """
        update referral.referral
        set state = $2, version = $3, rejection_reason = $4, first_contact_on = $5, outcome = $6, end_reason = $7,
            changed_at = $8
        where referral_id = $1
        """,
        referral.referral_id,
        referral.state,
        referral.version,
        referral.rejection_reason,
        referral.first_contact_on,
        referral.outcome,
        referral.end_reason,
        now,
    )


async def close_for_sender(conn: Connection, referral_id: ReferralId, now: datetime) -> None:
    """Note that the sender has closed a referral that was completed without its knowledge."""
    await conn.execute("update referral.referral set closed_by_sender_at = $2 where referral_id = $1", referral_id, now)


async def note_shared(conn: Connection, referral_id: ReferralId, shared: SharedStatus) -> None:
    """Remember what the sender was told after the fact."""
    await conn.execute(
        "update referral.referral set shared_status = $2, shared_outcome = $3 where referral_id = $1",
        referral_id,
        *shared,
    )


async def find_referral(conn: Connection, referral_id: ReferralId) -> Referral | None:
    """Return one referral; None where there is none."""
    row = await conn.fetchrow("select * from referral.referral where referral_id = $1", referral_id)
    return _referral(row) if row else None


async def open_referrals(conn: Connection, case_id: CaseId) -> Sequence[Referral]:
    """List a case's referrals that are not over, in the order of their requests."""
    rows = await conn.fetch(
        """
        select * from referral.referral where case_id = $1 and state = any($2::text[]) order by referral_id
        """,
        case_id,
        list(OPEN),
    )
    return [_referral(row) for row in rows]


async def referrals_between(
    conn: Connection, direction: Direction, unchanged_since: datetime | None = None
) -> Sequence[Referral]:
    """List a case's referrals from one unit to another, ended ones too, in the order of their requests.

    unchanged_since: only those that stand where they stood at that time.
    """
    rows = await conn.fetch(
        """
        select * from referral.referral
        where case_id = $1 and from_unit = $2 and to_unit = $3 and ($4::timestamptz is null or changed_at <= $4)
        order by referral_id
        """,
        *direction,
        unchanged_since,
    )
    return [_referral(row) for row in rows]


async def referrals_sent(conn: Connection, unit: UnitId, after: ReferralId | None, limit: int) -> Sequence[Referral]:
    """List up to `limit` referrals that a unit requested, the earliest first."""
    rows = await conn.fetch(
        """
        select * from referral.referral
        where from_unit = $1 and ($2::uuid is null or referral_id > $2) order by referral_id limit $3
        """,
        unit,
        after,
        limit,
    )
    return [_referral(row) for row in rows]


async def referrals_received(
    conn: Connection, unit: UnitId, after: ReferralId | None, limit: int
) -> Sequence[Referral]:
    """List up to `limit` referrals that were addressed to a unit, the earliest first."""
    rows = await conn.fetch(
        """
        select * from referral.referral
        where to_unit = $1 and ($2::uuid is null or referral_id > $2) order by referral_id limit $3
        """,
        unit,
        after,
        limit,
    )
    return [_referral(row) for row in rows]


def _referral(row: Mapping[str, Any]) -> Referral:
    return Referral(
        referral_id=row["referral_id"],
        case_id=row["case_id"],
        consent_id=row["consent_id"],
        offer_id=row["offer_id"],
        from_unit=row["from_unit"],
        to_unit=row["to_unit"],
        requested_at=row["requested_at"],
        state=ReferralState(row["state"]),
        version=row["version"],
        rejection_reason=_code(RejectionReason, row["rejection_reason"]),
        first_contact_on=row["first_contact_on"],
        outcome=_code(Outcome, row["outcome"]),
        end_reason=_code(EndReason, row["end_reason"]),
        closed_by_sender_at=row["closed_by_sender_at"],
        last_shared=_last_shared(row),
    )


def _last_shared(row: Mapping[str, Any]) -> SharedStatus | None:
    if row["shared_status"] is None:
        return None
    return SharedStatus(ReferralState(row["shared_status"]), _code(Outcome, row["shared_outcome"]))


def _code(codes: type[C], stored: str | None) -> C | None:
    return None if stored is None else codes(stored)
