"""Statements on the entries of the directory."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from schemas.codes import READER
from services.chassis.db import Connection
from services.referral.model.directory import Entry, Kind, State


async def insert_entry(conn: Connection, kind: Kind[State], entry: Entry[State]) -> None:
    """Keep a new entry."""
    await conn.execute(
        """
        insert into referral.entry (entry_id, kind, state, version, published_at, changed_at)
        values ($1, $2, $3, $4, $5, $6)
        """,
        entry.id,
        kind.name,
        entry.state.model_dump(mode="json"),
        entry.version,
        entry.published_at,
        entry.changed_at,
    )


async def update_entry(conn: Connection, entry: Entry[State]) -> None:
    """Write an entry's new state."""
    await conn.execute(
        """
        update referral.entry set state = $2, version = $3, changed_at = $4, withdrawn_at = $5
        where entry_id = $1
        """,
        entry.id,
        entry.state.model_dump(mode="json"),
        entry.version,
        entry.changed_at,
        entry.withdrawn_at,
    )


async def find_entry(conn: Connection, kind: Kind[State], entry_id: UUID) -> Entry[State] | None:
    """Return one entry of a kind, withdrawn ones too; None where there is none."""
    row = await conn.fetchrow("select * from referral.entry where kind = $1 and entry_id = $2", kind.name, entry_id)
    return as_entry(kind, row) if row else None


async def entries_after(
    conn: Connection,
    kind: Kind[State],
    wanted: Mapping[str, str],
    after: UUID | None,
    limit: int,
    *,
    include_withdrawn: bool,
) -> Sequence[Entry[State]]:
    """List up to `limit` entries whose state has all the `wanted` values, the earliest published first."""
    rows = await conn.fetch(
        """
        select * from referral.entry
        where kind = $1 and state @> $2 and ($3::uuid is null or entry_id > $3)
          and ($4 or withdrawn_at is null)
        order by entry_id limit $5
        """,
        kind.name,
        dict(wanted),
        after,
        include_withdrawn,
        limit,
    )
    return [as_entry(kind, row) for row in rows]


def as_entry(kind: Kind[State], row: Mapping[str, Any]) -> Entry[State]:
    """Read a row as an open reader does: newer code may have written it."""
    return Entry(
        id=row["entry_id"],
        state=kind.state.model_validate(row["state"], extra="ignore", context=READER),
        version=row["version"],
        published_at=row["published_at"],
        changed_at=row["changed_at"],
        withdrawn_at=row["withdrawn_at"],
    )
