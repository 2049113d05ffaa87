"""Statements on trainings and their people; the entry itself is the directory's."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from schemas import PartnerSlug, TrainingState, UnitId
from services.chassis.db import Connection
from services.referral.model.directory import Entry
from services.referral.model.trainings import NEEDS, TRAININGS, Counts
from services.referral.store.directory import entry_of_row


async def open_needs(conn: Connection, need_ids: Collection[UUID]) -> set[UUID]:
    """Return those of these needs that are stated and not closed."""
    rows = await conn.fetch(
        "select entry_id from referral.entry where kind = $1 and entry_id = any($2) and withdrawn_at is null",
        NEEDS.name,
        list(need_ids),
    )
    return {row["entry_id"] for row in rows}


async def trainings_after(
    conn: Connection,
    wanted: Mapping[str, Any],
    ending_after: datetime | None,
    after: UUID | None,
    limit: int | None,
    *,
    include_cancelled: bool,
) -> Sequence[Entry[TrainingState]]:
    """List trainings whose state has all the `wanted` values, the earliest offered first.

    ending_after: only those whose last session ends later than that; None: all. limit: None for all.
    """
    rows = await conn.fetch(
        """
        select * from referral.entry
        where kind = $1 and state @> $2 and ($3::uuid is null or entry_id > $3)
          and ($4 or withdrawn_at is null)
          and ($5::timestamptz is null or (state #>> '{sessions,-1,ends_at}')::timestamptz > $5)
        order by entry_id limit $6
        """,
        TRAININGS.name,
        dict(wanted),
        after,
        include_cancelled,
        ending_after,
        limit,
    )
    return [entry_of_row(TRAININGS, row) for row in rows]


async def counts_of(conn: Connection, training_ids: Sequence[UUID]) -> Mapping[UUID, Counts]:
    """The people of each of these trainings."""
    rows = await conn.fetch(
        """
        select wanted.training_id,
               (select jsonb_object_agg(unit, people) from referral.training_registration as each
                where each.training_id = wanted.training_id) as registered,
               (select jsonb_object_agg(partner, people) from referral.training_attendance as each
                where each.training_id = wanted.training_id) as attended
        from unnest($1::uuid[]) as wanted (training_id)
        """,
        list(training_ids),
    )
    return {row["training_id"]: Counts(row["registered"] or {}, row["attended"] or {}) for row in rows}


async def write_registrations(conn: Connection, training_id: UUID, registered: Mapping[UnitId, int]) -> None:
    """Replace who has registered how many people for a training."""
    await conn.execute(
        """
        with gone as (
            delete from referral.training_registration where training_id = $1 and unit <> all ($2)
        )
        insert into referral.training_registration (training_id, unit, people)
        select $1, unit, people from unnest($2::text[], $3::integer[]) as given (unit, people)
        on conflict (training_id, unit) do update set people = excluded.people
        """,
        training_id,
        list(registered),
        list(registered.values()),
    )


async def write_attendance(conn: Connection, training_id: UUID, attended: Mapping[PartnerSlug, int]) -> None:
    """Replace how many people of which partner were there."""
    await conn.execute(
        """
        with gone as (
            delete from referral.training_attendance where training_id = $1 and partner <> all ($2)
        )
        insert into referral.training_attendance (training_id, partner, people)
        select $1, partner, people from unnest($2::text[], $3::integer[]) as given (partner, people)
        on conflict (training_id, partner) do update set people = excluded.people
        """,
        training_id,
        list(attended),
        list(attended.values()),
    )
