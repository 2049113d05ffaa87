"""What the routes of the directory have in common."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, TypeAlias
from uuid import UUID

from fastapi import Query
from fastapi.responses import Response
from pydantic import BaseModel

from schemas import PartnerSlug, Topic, UnitId, new_id
from services.chassis.api import Act, Answer, Change, check_version, perform, respond
from services.chassis.context import Context
from services.chassis.db import Connection
from services.chassis.keys import Key
from services.chassis.permissions import may
from services.chassis.problems import NOT_FOUND, Problem, Refusal
from services.referral.commands import directory
from services.referral.model.directory import Entry, Kind, State
from services.referral.store import directory as store

NOT_YOUR_UNIT = Refusal(403, "not-your-unit", "The unit must be one of your own organisation's.", field="unit")

IncludeInactive: TypeAlias = Annotated[bool, Query(description="also what is withdrawn or not active now")]


@dataclass(frozen=True)
class Shelf(Generic[State]):
    """Where a kind of entry is found, what who changes it must be allowed to do, and how it is shown."""

    kind: Kind[State]
    path: str
    writing: str
    view: Callable[[Entry[State]], BaseModel]

    def answer(self, entry: Entry[State], *, is_new: bool = False) -> Answer:
        """Show one entry; a new one with the place where it is found from now on."""
        location = f"{self.path}/{entry.id}" if is_new else None
        return Answer(self.view(entry), version=entry.version, location=location)


def dated(entry: Entry[State]) -> dict[str, Any]:
    """The fields that every entry's view has beside its id."""
    times = {"published_at": entry.published_at, "changed_at": entry.changed_at, "withdrawn_at": entry.withdrawn_at}
    return {**entry.state.model_dump(), **times}


async def publish(change: Change, shelf: Shelf[State], state: State) -> Response:
    """Make an entry of one of the caller's units known."""
    check_own_unit(change, shelf.writing, state.unit)
    entry_id, partner = new_id(), PartnerSlug(change.caller.partner)

    async def act(conn: Connection, now: datetime) -> Answer:
        entry = await directory.publish(conn, shelf.kind, entry_id, state, partner, now)
        return shelf.answer(entry, is_new=True)

    return await _perform(change, shelf, entry_id, act, status=201)


async def replace(change: Change, shelf: Shelf[State], entry_id: UUID, state: State) -> Response:
    """Change an entry to a new full state; If-Match is required."""
    check_own_unit(change, shelf.writing, state.unit)
    partner = PartnerSlug(change.caller.partner)

    async def act(conn: Connection, now: datetime) -> Answer | Refusal:
        entry = await directory.entry_to_change(conn, shelf.kind, entry_id, change.caller, shelf.writing)
        if isinstance(entry, Refusal):
            return entry
        if stale := check_version(change, entry.version, required=True):
            return stale
        changed = await directory.change(conn, shelf.kind, entry, state, partner, now)
        return changed if isinstance(changed, Refusal) else shelf.answer(changed)

    return await _perform(change, shelf, entry_id, act)


async def withdraw(change: Change, shelf: Shelf[State], entry_id: UUID) -> Response:
    """Take an entry out of use."""
    partner = PartnerSlug(change.caller.partner)

    async def act(conn: Connection, now: datetime) -> Answer | Refusal:
        entry = await directory.entry_to_change(conn, shelf.kind, entry_id, change.caller, shelf.writing)
        if isinstance(entry, Refusal):
            return entry
        if stale := check_version(change, entry.version, required=False):
            return stale
        return shelf.answer(await directory.withdraw(conn, shelf.kind, entry, partner, now))

    return await _perform(change, shelf, entry_id, act)


def check_own_unit(change: Change, writing: str, unit: UnitId) -> None:
    """The unit that the body names is one of the agreement's, for which the caller may do this; else a problem 403."""
    if unit not in change.context.partners.units or not may(change.caller, writing, unit):
        raise Problem(NOT_YOUR_UNIT)


async def _perform(change: Change, shelf: Shelf[State], entry_id: UUID, act: Act, *, status: int = 200) -> Response:
    async def keys(_conn: Connection) -> Sequence[Key]:
        return [Key(Topic.DIRECTORY, str(entry_id))]

    async def again(conn: Connection, ids: Sequence[str], _now: datetime) -> Answer:
        return shelf.answer(await _found(conn, shelf, UUID(ids[0])), is_new=status == 201)

    return await perform(change, ids=[entry_id], keys=keys, act=act, again=again, status=status)


async def show(context: Context, shelf: Shelf[State], entry_id: UUID) -> Response:
    """One entry, withdrawn ones too."""
    async with context.database.reading() as conn:
        return respond(shelf.answer(await _found(conn, shelf, entry_id)))


async def _found(conn: Connection, shelf: Shelf[State], entry_id: UUID) -> Entry[State]:
    entry = await store.find_entry(conn, shelf.kind, entry_id)
    if entry is None:
        raise Problem(NOT_FOUND)
    return entry


async def listed(
    context: Context,
    shelf: Shelf[State],
    wanted: Mapping[str, str | None],
    after: UUID | None,
    limit: int,
    *,
    include_withdrawn: bool,
) -> tuple[list[Any], UUID | None]:
    """One page of views and where the next begins (None: this is the last); `wanted` values of None are left out."""
    given = {name: value for name, value in wanted.items() if value is not None}
    async with context.database.reading() as conn:
        entries = await store.entries_after(
            conn, shelf.kind, given, after, limit + 1, include_withdrawn=include_withdrawn
        )
    page = entries[:limit]
    return [shelf.view(entry) for entry in page], page[-1].id if len(entries) > limit else None
