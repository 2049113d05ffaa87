"""What has been kept for long enough."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from schemas import CaseId
from services.chassis.db import Connection

ERASED_KEPT = timedelta(days=35)
"""How long the bare record of somebody who never consented stays after the erasure: as long as any backup."""

# $1: now, $2: months. Persons who consented once, of whom nothing is in force or open, and for whom the last thing that
# happened is that long ago. A consent that nobody has ended yet is in force, whatever its date says.
_CLOSED = """
    first_consent_at is not null and erased_at is null
    and first_consent_at <= $1::timestamptz - make_interval(months => $2)
    and not exists (select 1 from intake.consent as c
                    where c.case_id = person.case_id
                      and (c.state in ('given', 'renewed')
                           or c.ended_at > $1::timestamptz - make_interval(months => $2)))
    and not exists (select 1 from intake.referral as r
                    where r.case_id = person.case_id
                      and (r.state in ('requested', 'received', 'accepted', 'in-progress', 'on-hold')
                           or r.changed_at > $1::timestamptz - make_interval(months => $2)))
    and case_id not in (select case_id from intake.held)
"""


async def closed_since(conn: Connection, months: int, now: datetime, limit: int) -> Sequence[CaseId]:
    """Persons who are to be erased because nothing has been going on for that long, the earliest first."""
    rows = await conn.fetch(
        f"select case_id from intake.person where {_CLOSED} order by first_consent_at limit $3",  # noqa: S608  # a constant
        now,
        months,
        limit,
    )
    return [CaseId(row["case_id"]) for row in rows]


async def is_closed_since(conn: Connection, case_id: CaseId, months: int, now: datetime) -> bool:
    """The same of one person, under the lock of the case."""
    found = await conn.fetchval(
        f"select 1 from intake.person where {_CLOSED} and case_id = $3",  # noqa: S608  # a constant
        now,
        months,
        case_id,
    )
    return found is not None


async def with_old_proof(conn: Connection, border: datetime, limit: int) -> Sequence[CaseId]:
    """Persons of whom a consent ended before the border, and who are not on hold."""
    rows = await conn.fetch(
        """
        select case_id from intake.consent
        where ended_at < $1
          and case_id not in (select case_id from intake.held)
        group by case_id order by min(ended_at) limit $2
        """,
        border,
        limit,
    )
    return [CaseId(row["case_id"]) for row in rows]


async def delete_proof(conn: Connection, case_id: CaseId, border: datetime) -> None:
    """Take away a person's consents that ended before the border, with what happened to them and what was to do."""
    await conn.execute("select set_config('lotse.retention', 'on', true)")
    await conn.execute(
        """
        with gone as (delete from intake.consent where case_id = $1 and ended_at < $2 returning consent_id),
             tasks as (delete from intake.task using gone where task.consent_id = gone.consent_id),
             recalls as (delete from intake.recall using gone where recall.consent_id = gone.consent_id)
        delete from intake.consent_event using gone where consent_event.consent_id = gone.consent_id
        """,
        case_id,
        border,
    )
    await conn.execute("select set_config('lotse.retention', 'off', true)")


async def erased_without_proof(
    conn: Connection, border: datetime, now: datetime, limit: int = 1, only: CaseId | None = None
) -> Sequence[CaseId]:
    """Erased persons of whom no consent is left, and whose erasure itself is proof for long enough.

    only: look at this person alone.
    """
    rows = await conn.fetch(
        """
        select case_id from intake.person
        where erased_at < case when first_consent_at is null then $2::timestamptz else $1::timestamptz end
          and ($4::uuid is null or case_id = $4)
          and not exists (select 1 from intake.consent as c where c.case_id = person.case_id)
          and case_id not in (select case_id from intake.held)
        order by erased_at limit $3
        """,
        border,
        now - ERASED_KEPT,
        limit,
        only,
    )
    return [CaseId(row["case_id"]) for row in rows]


async def delete_person(conn: Connection, case_id: CaseId) -> None:
    """Take away the bare record of an erased person, with everything that still names the case."""
    for table in ("recall", "referral", "cooperation", "legal_hold", "told", "person"):
        await conn.execute(f"delete from intake.{table} where case_id = $1", case_id)  # noqa: S608  # fixed names
