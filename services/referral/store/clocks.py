"""Statements on the clocks of referrals. Writes run under the lock of the case."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from schemas import CaseId, ReferralId, UnitId
from schemas.codes import ContactLevel, ReferralClock
from services.chassis.db import Connection
from services.referral.model.deadlines import Deadline

COLUMNS: Mapping[str, str] = {
    "clock": "text",
    "due_at": "timestamptz",
    "escalates_at": "timestamptz",
    "expires_at": "timestamptz",
    "is_proposed": "boolean",
    "reminded": "text",
    "terms": "text",
    "acts_at": "timestamptz",
}
"""The columns of what a referral waits for, with their types."""


def row_of(deadline: Deadline | None) -> tuple[Any, ...]:
    """What is written of it, in the order of `COLUMNS`."""
    if deadline is None:
        return (None, None, None, None, False, None, None, None)
    follows = deadline.next_step
    return (
        deadline.clock,
        deadline.due_at,
        deadline.escalates_at,
        deadline.expires_at,
        deadline.is_proposed,
        deadline.reminded,
        deadline.terms,
        None if follows is None else follows[1],
    )


def deadline_of_row(row: Mapping[str, Any]) -> Deadline | None:
    """Read it from a whole row of the referrals' table."""
    if row["clock"] is None:
        return None
    return Deadline(
        ReferralClock(row["clock"]),
        row["due_at"],
        row["escalates_at"],
        row["expires_at"],
        row["is_proposed"],
        None if row["reminded"] is None else ContactLevel(row["reminded"]),
        row["terms"],
    )


async def set_deadline(conn: Connection, referral_id: ReferralId, deadline: Deadline | None) -> None:
    """Write what a referral waits for, and nothing else."""
    await conn.execute(_SET, referral_id, *row_of(deadline))


_SET = f"""
    update referral.referral set {", ".join(f"{name} = ${place}" for place, name in enumerate(COLUMNS, start=2))}
    where referral_id = $1
    """  # noqa: S608 - the columns named above


async def clocks_due(
    conn: Connection, now: datetime, marks: Mapping[UnitId, str], limit: int
) -> Sequence[tuple[ReferralId, CaseId]]:
    """Referrals whose clock does something by now, or was reckoned under other terms than their unit's present ones.

    marks: those of the present terms, by unit.
    """
    rows = await conn.fetch(
        """
        (select referral_id, case_id from referral.referral where acts_at <= $1 order by acts_at limit $4)
        union
        (select found.referral_id, found.case_id
         from unnest($2::text[], $3::text[]) as wanted (unit, mark), lateral (
            select referral_id, case_id from referral.referral
            where to_unit = unit and state in ('requested', 'received', 'accepted', 'on-hold')
              and (terms is null or terms < mark or terms > mark)
            limit $4) as found
         limit $4)
        limit $4
        """,
        now,
        list(marks),
        list(marks.values()),
        limit,
    )
    return [(ReferralId(row["referral_id"]), CaseId(row["case_id"])) for row in rows]


async def closures_of(conn: Connection, units: Sequence[UnitId]) -> Mapping[UnitId, Sequence[tuple[date, date | None]]]:
    """When units are closed: the first and the last day of each time; None for the last until further notice."""
    rows = await conn.fetch(
        """
        select state ->> 'unit' as unit, (state ->> 'valid_from')::date as first,
            (state ->> 'valid_until')::date as last
        from referral.entry
        where kind = 'notice' and state ->> 'category' = 'closed' and state ->> 'unit' = any($1::text[])
          and withdrawn_at is null and published_at <= chassis.lotse_now()
        order by unit, first, entry_id
        """,
        list(units),
    )
    closures: dict[UnitId, list[tuple[date, date | None]]] = {}
    for row in rows:
        closures.setdefault(UnitId(row["unit"]), []).append((row["first"], row["last"]))
    return closures
