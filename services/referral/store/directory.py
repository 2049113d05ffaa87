"""Statements on the entries of the directory."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from schemas import CapacityState, OfferState, UnitId
from schemas.calendar import local_day
from schemas.codes import READER
from schemas.directory import AnnouncedAct
from services.chassis.db import Connection
from services.referral.model.directory import OFFERS, ContactPerson, Entry, Filter, Kind, Pending, State
from services.referral.model.opening import is_open, minute_of_the_week
from services.referral.model.working_days import is_public_holiday


async def insert_entry(conn: Connection, kind: Kind[State], entry: Entry[State]) -> None:
    """Keep a new entry."""
    await conn.execute(
        """
        insert into referral.entry
            (entry_id, state, version, published_at, changed_at, withdrawn_at, capacity, pending_act, pending_state,
             effective_on, assured_on, reminded_on, person, kind)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
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
            pending_act = $8, pending_state = $9, effective_on = $10, assured_on = $11, reminded_on = $12,
            person = $13
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
        entry.person and {"name": entry.person.name, "agreed_on": entry.person.agreed_on.isoformat()},
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
    conn: Connection, kind: Kind[State], wanted: Filter, after: UUID | None, limit: int
) -> Sequence[Entry[State]]:
    """List up to `limit` of the entries that are looked for, the earliest published first."""
    found: list[Entry[State]] = []
    if wanted.open_at is not None and is_public_holiday(local_day(wanted.open_at)):
        return found
    while len(found) < limit:
        rows = await conn.fetch(*_statement(kind, wanted, after, limit))
        entries = [entry_of_row(kind, row) for row in rows]
        found += [each for each in entries if wanted.open_at is None or _is_open(each, wanted.open_at)]
        if len(rows) < limit:
            break
        after = entries[-1].id
    return found[:limit]


async def offers_with(
    conn: Connection, unit: UnitId, ids: Collection[UUID]
) -> tuple[Mapping[UUID, Entry[OfferState]], Collection[UUID]]:
    """A unit's offers that are not withdrawn and any offer that has one of these ids; which ids are no offer's."""
    rows = await conn.fetch(
        """
        select * from referral.entry
        where entry_id = any($1) or kind = $2 and withdrawn_at is null and state @> $3
        order by entry_id
        """,
        list(ids),
        OFFERS.name,
        {"unit": unit},
    )
    offers = {row["entry_id"]: entry_of_row(OFFERS, row) for row in rows if row["kind"] == OFFERS.name}
    return offers, {row["entry_id"] for row in rows} - offers.keys()


def _is_open(entry: Entry[Any], moment: datetime) -> bool:
    """What the index finds need not hold in this week or month."""
    return isinstance(entry.state, OfferState) and is_open(entry.state.schedules, moment)


def _statement(kind: Kind[Any], wanted: Filter, after: UUID | None, limit: int) -> tuple[Any, ...]:
    """The rows that may be looked for, with what fills its places; only what is asked for stands in it."""
    conditions: dict[str, Any] = {"kind = {}": kind.name}
    if wanted.values:
        conditions["state @> {}"] = dict(wanted.values)
    if after is not None:
        conditions["entry_id > {}"] = after
    if wanted.usable_on is not None:
        conditions[_USABLE] = wanted.usable_on
    if wanted.capacities:
        conditions["capacity ->> 'capacity' = any({})"] = [*wanted.capacities]
    if wanted.open_at is not None:
        conditions["referral.minutes_of_the_week(state -> 'schedules') @> {}::int"] = minute_of_the_week(wanted.open_at)
        conditions[_UNIT_NOT_CLOSED] = local_day(wanted.open_at)
    where = " and ".join(each.format(f"${place}") for place, each in enumerate(conditions, start=1))
    statement = f"select * from referral.entry where {where} order by entry_id limit ${len(conditions) + 1}"  # noqa: S608
    return (statement, *conditions.values(), limit)


_USABLE = """
    withdrawn_at is null and pending_act is distinct from 'publish'
    and coalesce((state ->> 'valid_until')::date >= {}, true)"""
_UNIT_NOT_CLOSED = """
    not exists (
        select from referral.entry as notice
        where notice.kind = 'notice' and notice.state ->> 'category' = 'closed'
          and notice.state ->> 'unit' = entry.state ->> 'unit'
          and notice.withdrawn_at is null and notice.pending_act is distinct from 'publish'
          and {0} between (notice.state ->> 'valid_from')::date
              and coalesce((notice.state ->> 'valid_until')::date, 'infinity'))"""


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
        person=_person(row["person"]) if row["person"] is not None else None,
    )


def _person(said: Mapping[str, str]) -> ContactPerson:
    return ContactPerson(said["name"], date.fromisoformat(said["agreed_on"]))


def _pending(kind: Kind[State], row: Mapping[str, Any]) -> Pending[State]:
    state = _read(kind.state, row["pending_state"]) if row["pending_state"] is not None else None
    return Pending(AnnouncedAct(row["pending_act"]), row["effective_on"], state)


def _read(state: type[State], said: Any) -> State:
    """Newer code may have written the row: read it as an open reader does."""
    return state.model_validate(said, extra="ignore", context=READER)
