"""Statements for readers of HSDS: pages of offers by number, with how many there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from schemas import ContactState, OfferState, UnitId
from schemas.codes import ContactLevel
from services.chassis.db import Connection
from services.referral.model.directory import CONTACTS, OFFERS, Entry
from services.referral.store.directory import entry_of_row


@dataclass(frozen=True)
class Wanted:
    """Which offers. Withdrawn ones only for a reader that asks what has changed, who must learn that they are gone.

    state, capacity: what an offer's state, and what is said of its places, must contain; partner: whose; text: in name
    or description, whatever the case; with_needs, with_accessibility, with_location, with_capacity: that it says any.
    """

    modified_after: datetime | None = None
    state: Mapping[str, Any] = field(default_factory=dict)
    capacity: Mapping[str, Any] = field(default_factory=dict)
    partner: str | None = None
    text: str | None = None
    with_needs: bool = False
    with_accessibility: bool = False
    with_location: bool = False
    with_capacity: bool = False


_WHERE = r"""
    kind = 'offer' and published_at <= chassis.lotse_now()
    and case when $1::timestamptz is null then withdrawn_at is null else changed_at >= $1 end
    and state @> $2::jsonb
    and ($3::text is null or split_part(state ->> 'unit', '/', 1) = $3)
    and ($4::text is null or state ->> 'name' ilike $4 or state ->> 'description' ilike $4)
    and (not $5 or state -> 'needs' ->> 0 is not null)
    and (not $6 or state -> 'location' -> 'accessibility' ->> 0 is not null)
    and (not $7 or state ->> 'location' is not null)
    and coalesce(capacity, '{}') @> $8::jsonb
    and (not $9 or capacity ->> 'capacity' is not null)
    """


async def count(conn: Connection, wanted: Wanted) -> int:
    """How many there are."""
    statement = f"select count(*) from referral.entry where {_WHERE}"  # noqa: S608 - the condition above
    counted: int = await conn.fetchval(statement, *_arguments(wanted))
    return counted


async def page(conn: Connection, wanted: Wanted, skip: int, limit: int) -> Sequence[Entry[OfferState]]:
    """Some of them, the earliest published first."""
    statement = f"select * from referral.entry where {_WHERE} order by entry_id offset $10 limit $11"  # noqa: S608 - the same
    rows = await conn.fetch(statement, *_arguments(wanted), skip, limit)
    return [entry_of_row(OFFERS, row) for row in rows]


async def daily_contacts(conn: Connection, units: Sequence[UnitId]) -> Mapping[UnitId, Sequence[Entry[ContactState]]]:
    """Whom these units name for daily work."""
    rows = await conn.fetch(
        """
        select * from referral.entry
        where kind = 'contact' and withdrawn_at is null and published_at <= chassis.lotse_now()
          and state ->> 'level' = $1
          and state ->> 'unit' = any($2::text[])
        order by entry_id
        """,
        ContactLevel.OPERATIONAL,
        list(units),
    )
    found: dict[UnitId, list[Entry[ContactState]]] = {}
    for row in rows:
        entry = entry_of_row(CONTACTS, row)
        found.setdefault(entry.unit, []).append(entry)
    return found


def _arguments(wanted: Wanted) -> tuple[Any, ...]:
    return (
        wanted.modified_after,
        dict(wanted.state),
        wanted.partner,
        None if wanted.text is None else f"%{_escaped(wanted.text)}%",
        wanted.with_needs,
        wanted.with_accessibility,
        wanted.with_location,
        dict(wanted.capacity),
        wanted.with_capacity,
    )


def _escaped(text: str) -> str:
    """For `like`, where three characters mean something."""
    return text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
