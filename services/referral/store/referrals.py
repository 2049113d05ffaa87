"""Statements on referrals. Writes run under the lock of the case."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from schemas import CaseId, ReferralId, UnitId
from schemas.codes import EndReason, Outcome, ReferralState, RejectionReason
from services.chassis.db import Connection
from services.referral.model.referrals import Referral, SharedStatus

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


async def update_referrals(conn: Connection, moved: Sequence[Referral], now: datetime) -> None:
    """Write the new states of referrals."""
    await conn.execute(
        """
        update referral.referral
        set state = moved.state, version = moved.version, rejection_reason = moved.rejection_reason,
            first_contact_on = moved.first_contact_on, outcome = moved.outcome, end_reason = moved.end_reason,
            changed_at = $8
        from unnest($1::uuid[], $2::text[], $3::integer[], $4::text[], $5::date[], $6::text[], $7::text[])
            as moved (referral_id, state, version, rejection_reason, first_contact_on, outcome, end_reason)
        where referral.referral_id = moved.referral_id
        """,
        [each.referral_id for each in moved],
        [each.state for each in moved],
        [each.version for each in moved],
        [each.rejection_reason for each in moved],
        [each.first_contact_on for each in moved],
        [each.outcome for each in moved],
        [each.end_reason for each in moved],
        now,
    )


async def close_for_sender(conn: Connection, referral_id: ReferralId, now: datetime) -> None:
    """Note that the sender has closed a referral that was completed without its knowledge."""
    await conn.execute("update referral.referral set closed_by_sender_at = $2 where referral_id = $1", referral_id, now)


async def note_shared(conn: Connection, shared: Mapping[ReferralId, SharedStatus]) -> None:
    """Remember what senders were told after the fact."""
    await conn.execute(
        """
        update referral.referral set shared_status = told.status, shared_outcome = told.outcome
        from unnest($1::uuid[], $2::text[], $3::text[]) as told (referral_id, status, outcome)
        where referral.referral_id = told.referral_id
        """,
        list(shared),
        [each.status for each in shared.values()],
        [each.outcome for each in shared.values()],
    )


async def find_referral(conn: Connection, referral_id: ReferralId) -> Referral | None:
    """Return one referral; None where there is none."""
    row = await conn.fetchrow("select * from referral.referral where referral_id = $1", referral_id)
    return _referral(row) if row else None


async def referrals_of(conn: Connection, cases: Collection[CaseId]) -> list[tuple[Referral, datetime]]:
    """List the referrals of some cases in the order of their requests, each with the moment of its last step."""
    rows = await conn.fetch(
        "select * from referral.referral where case_id = any($1::uuid[]) order by referral_id", list(cases)
    )
    return [(_referral(row), row["changed_at"]) for row in rows]


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


async def cases_erased_before(conn: Connection, before: datetime, limit: int) -> Sequence[CaseId]:
    """Cases of persons erased before that time of which there are referrals still."""
    rows = await conn.fetch(
        """
        select case_id from referral.erased_case
        where erased_at < $1 and case_id in (select case_id from referral.referral) order by erased_at limit $2
        """,
        before,
        limit,
    )
    return [CaseId(row["case_id"]) for row in rows]


async def delete_referrals_of(conn: Connection, case_id: CaseId) -> None:
    """Take away all referrals of a case."""
    await conn.execute("delete from referral.referral where case_id = $1", case_id)
