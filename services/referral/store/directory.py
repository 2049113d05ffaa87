"""Statements on the entries of the directory."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from schemas import CapacityState
from schemas.calendar import local_day
from schemas.codes import READER
from schemas.directory import AnnouncedAct
from services.chassis.db import Connection
from services.referral.model.directory import Entry, Kind, Pending, State


async def insert_entry(conn: Connection, kind: Kind[State], entry: Entry[State]) -> None:
    """Keep a new entry."""
    await conn.execute(
        """
        insert into referral.entry
            (entry_id, state, version, published_at, changed_at, withdrawn_at, capacity, pending_act, pending_state,
             effective_on, assured_on, reminded_on, kind)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        """,
        *_columns(entry),
        kind.name,
    )


async def update_entry(conn: Connection, entry: Entry[State]) -> None:
    """Write an entry as it stands now."""
    await conn.execute(
        """
        update referral.entry
        set state = $2, version = $3, published_at = $4, changed_at = $5, withdrawn_at = $6, capacity = $7,
            pending_act = $8, pending_state = $9, effective_on = $10, assured_on = $11, reminded_on = $12
        where entry_id = $1
        """,
        *_columns(entry),
    )


def _columns(entry: Entry[State]) -> Sequence[Any]:
    pending = entry.pending
    return (
        entry.id,
        entry.state.model_dump(mode="json"),
        entry.version,
        entry.published_at,
        entry.changed_at,
        entry.withdrawn_at,
        entry.capacity and entry.capacity.model_dump(mode="json"),
        pending and pending.act,
        pending and pending.state and pending.state.model_dump(mode="json"),
        pending and pending.effective_on,
        entry.assured_on,
        entry.reminded_on,
    )


class Due(NamedTuple):
    """An entry of which something is due, by the name of its kind."""

    kind: str
    entry_id: UUID


async def due_by(conn: Connection, today: date, limit: int) -> Sequence[Due]:
    """List up to `limit` entries to which something was to happen on this day or before, the earliest day first."""
    rows = await conn.fetch(
        """
        select kind, entry_id from referral.entry
        where effective_on <= $1
        order by effective_on, entry_id limit $2
        """,
        today,
        limit,
    )
    return [Due(*row) for row in rows]


async def to_be_reminded_of(conn: Connection, kinds: Collection[str], until: date, limit: int) -> Sequence[Due]:
    """List up to `limit` entries in use that were last assured on this day or before, and not reminded of since."""
    rows = await conn.fetch(
        """
        select kind, entry_id from referral.entry
        where kind = any($1) and withdrawn_at is null and pending_act is distinct from 'publish'
          and reminded_on is null and coalesce(assured_on, (changed_at at time zone 'Europe/Berlin')::date) <= $2
        order by entry_id limit $3
        """,
        list(kinds),
        until,
        limit,
    )
    return [Due(*row) for row in rows]


async def find_entry(conn: Connection, kind: Kind[State], entry_id: UUID) -> Entry[State] | None:
    """Return one entry of a kind, withdrawn ones too; None where there is none."""
    row = await conn.fetchrow("select * from referral.entry where kind = $1 and entry_id = $2", kind.name, entry_id)
    return entry_of_row(kind, row) if row else None


async def entries_after(
    conn: Connection,
    kind: Kind[State],
    wanted: Mapping[str, Any],
    after: UUID | None,
    limit: int,
    usable_on: date | None,
) -> Sequence[Entry[State]]:
    """List up to `limit` entries whose state has all the `wanted` values, the earliest published first.

    usable_on: only what is published, and neither withdrawn nor over before that day; None: all.
    """
    rows = await conn.fetch(
        """
        select * from referral.entry
        where kind = $1 and state @> $2 and ($3::uuid is null or entry_id > $3)
          and ($4::date is null or withdrawn_at is null and pending_act is distinct from 'publish'
               and coalesce((state ->> 'valid_until')::date >= $4, true))
        order by entry_id limit $5
        """,
        kind.name,
        dict(wanted),
        after,
        usable_on,
        limit,
    )
    return [entry_of_row(kind, row) for row in rows]


def entry_of_row(kind: Kind[State], row: Mapping[str, Any]) -> Entry[State]:
    """Read a whole row of the table."""
    return Entry(
        id=row["entry_id"],
        state=_read(kind.state, row["state"]),
        version=row["version"],
        published_at=row["published_at"],
        changed_at=row["changed_at"],
        assured_on=row["assured_on"] or local_day(row["changed_at"]),
        withdrawn_at=row["withdrawn_at"],
        capacity=_read(CapacityState, row["capacity"]) if row["capacity"] is not None else None,
        pending=_pending(kind, row) if row["pending_act"] else None,
        reminded_on=row["reminded_on"],
    )


def _pending(kind: Kind[State], row: Mapping[str, Any]) -> Pending[State]:
    state = _read(kind.state, row["pending_state"]) if row["pending_state"] is not None else None
    return Pending(AnnouncedAct(row["pending_act"]), row["effective_on"], state)


def _read(state: type[State], said: Any) -> State:
    """Newer code may have written the row: read it as an open reader does."""
    return state.model_validate(said, extra="ignore", context=READER)
