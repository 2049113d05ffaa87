"""Publishing, changing, withdrawing and reading entries of the directory over HTTP: one way for all kinds."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, Any, Generic, TypeAlias
from uuid import UUID

from fastapi.responses import Response
from pydantic import BaseModel, Field

from schemas import Announcement, PartnerSlug, Topic, UnitId, new_id
from schemas.calendar import Day, local_day
from services.chassis import db
from services.chassis.api import Act, Answer, Body, Change, check_version, perform, respond
from services.chassis.context import Context
from services.chassis.db import Connection
from services.chassis.keys import Key
from services.chassis.permissions import may
from services.chassis.problems import NOT_FOUND, Problem, Refusal
from services.referral.commands import announcing, assuring, directory
from services.referral.model.directory import AnnouncedKind, AsOf, Entry, Filter, Kind, State
from services.referral.resources import resources_of
from services.referral.store import directory as store

EffectiveOn: TypeAlias = Annotated[
    Day | None, Field(description="the day in Koblenz with which it takes effect; left out: at once")
]


class Timed(Body):
    """What can be done at once or announced for a day to come."""

    effective_on: EffectiveOn = None


NOT_YOUR_UNIT = Refusal(403, "not-your-unit", "The unit must be one of your own organisation's.", field="unit")


IncludeInactive: TypeAlias = Annotated[bool, Field(description="also what is withdrawn, over or not active now")]


class Listing(BaseModel):
    """What every list can be asked for; what a kind's own list adds are values of its state."""

    unit: UnitId | None = None
    include_inactive: IncludeInactive = False
    after: Annotated[UUID | None, Field(description="`next` of the page before")] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50

    @property
    def wanted(self) -> dict[str, Any]:
        """The values that an entry's state must have."""
        return self.model_dump(mode="json", exclude={"include_inactive", "after", "limit"}, exclude_none=True)

    def filter(self, usable: Mapping[str, str], now: datetime) -> Filter:
        """What is looked for. `usable`: the values that make an entry of the kind one that can be used."""
        if self.include_inactive:
            return Filter(values=self.wanted, usable_on=None)
        return Filter(values={**usable, **self.wanted}, usable_on=local_day(now))


class DatedView(BaseModel):
    """What is shown of everything in the directory beside its state."""

    published_at: datetime
    changed_at: datetime
    withdrawn_at: datetime | None

    @staticmethod
    def times_of(entry: Entry[Any]) -> dict[str, Any]:
        """The values of these fields."""
        return {name: getattr(entry, name) for name in DatedView.model_fields}

    @classmethod
    def facts_of(cls, entry: Entry[Any], as_of: AsOf) -> dict[str, Any]:
        """What is shown beside the state; views with more fields add theirs."""
        return cls.times_of(entry)


class EntryView(DatedView):
    """What is shown of an entry of which something can be announced."""

    announcement: Announcement | None

    @classmethod
    def facts_of(cls, entry: Entry[Any], as_of: AsOf) -> dict[str, Any]:
        """What is announced too."""
        return {**super().facts_of(entry, as_of), "announcement": entry.announcement}


class AssuredView(EntryView):
    """What is shown of entries that their units assure: `is_stale` after `due_on`, until one says that it is right."""

    assured_on: date
    due_on: date
    is_stale: bool

    @classmethod
    def facts_of(cls, entry: Entry[Any], as_of: AsOf) -> dict[str, Any]:
        """How fresh it is too."""
        due_on, is_stale = as_of.due_on(entry.assured_on), as_of.is_stale(entry.assured_on)
        freshness = {"assured_on": entry.assured_on, "due_on": due_on, "is_stale": is_stale}
        return {**super().facts_of(entry, as_of), **freshness}


@dataclass(frozen=True)
class Shelf(Generic[State]):
    """Where a kind of entry is found, how it is shown, what its list can be asked for and what it holds at first.

    reading, writing: the actions that callers must be allowed to do.
    """

    kind: Kind[State]
    path: str
    reading: str
    writing: str
    view: type[DatedView]
    page: type[BaseModel]
    listing: type[Listing]
    usable: Mapping[str, str] = field(default_factory=dict)

    def show(self, entry: Entry[State], as_of: AsOf) -> BaseModel:
        """An entry as every partner sees it."""
        facts = {self.kind.id_field: entry.id, **entry.state.model_dump(), **self.view.facts_of(entry, as_of)}
        return self.view(**facts)

    @property
    def announced_kind(self) -> AnnouncedKind[State]:
        """Its kind. Raises TypeError where nothing is ever announced of it."""
        if not isinstance(self.kind, AnnouncedKind):
            raise TypeError(f"nothing is announced of a {self.kind.name}")
        return self.kind

    def answer(self, entry: Entry[State], as_of: AsOf, *, is_new: bool = False) -> Answer:
        """Show one entry; a new one with the place where it is found from now on."""
        location = f"{self.path}/{entry.id}" if is_new else None
        return Answer(self.show(entry, as_of), version=entry.version, location=location)


def as_of(context: Context, now: datetime) -> AsOf:
    """What freshness is judged by, as the agreement says."""
    return AsOf(local_day(now), resources_of(context).agreement.freshness.assured_for_months)


async def publish(change: Change, shelf: Shelf[State], state: State, effective_on: date | None = None) -> Response:
    """Make an entry of one of the caller's units known."""
    _check_state(change, shelf, state)
    entry_id, partner, kind = new_id(), PartnerSlug(change.caller.partner), shelf.kind

    async def act(conn: Connection, now: datetime) -> Answer | Refusal:
        if effective_on is None:
            entry: Entry[State] | Refusal = await directory.publish(conn, kind, entry_id, state, partner, now)
        else:
            entry = await announcing.announce_publication(
                conn, shelf.announced_kind, entry_id, state, effective_on, partner, now
            )
        if isinstance(entry, Refusal):
            return entry
        return shelf.answer(entry, as_of(change.context, now), is_new=True)

    return await _perform(change, shelf, entry_id, act, status=201)


async def replace(
    change: Change, shelf: Shelf[State], entry_id: UUID, state: State, effective_on: date | None = None
) -> Response:
    """Change an entry to a new full state; If-Match is required."""
    _check_state(change, shelf, state)
    partner, kind = PartnerSlug(change.caller.partner), shelf.kind

    async def alter(conn: Connection, entry: Entry[State], now: datetime) -> Entry[State] | Refusal:
        if effective_on is None:
            return await directory.change(conn, kind, entry, state, partner, now)
        return await announcing.announce_change(conn, shelf.announced_kind, entry, state, effective_on, partner, now)

    return await act_on(change, shelf, entry_id, alter, needs_version=True)


async def withdraw(change: Change, shelf: Shelf[State], entry_id: UUID, effective_on: date | None = None) -> Response:
    """Take an entry out of use."""
    partner, kind = PartnerSlug(change.caller.partner), shelf.kind

    async def alter(conn: Connection, entry: Entry[State], now: datetime) -> Entry[State] | Refusal:
        if effective_on is None:
            return await directory.withdraw(conn, kind, entry, partner, now)
        return await announcing.announce_withdrawal(conn, shelf.announced_kind, entry, effective_on, partner, now)

    return await act_on(change, shelf, entry_id, alter)


async def assure(change: Change, shelf: Shelf[State], entry_id: UUID) -> Response:
    """Say that an entry is still right."""
    partner = PartnerSlug(change.caller.partner)

    async def alter(conn: Connection, entry: Entry[State], now: datetime) -> Entry[State]:
        return await assuring.assure(conn, shelf.announced_kind, entry, partner, as_of(change.context, now), now)

    return await act_on(change, shelf, entry_id, alter)


async def retract(change: Change, shelf: Shelf[State], entry_id: UUID) -> Response:
    """Take back what was announced of an entry."""
    partner = PartnerSlug(change.caller.partner)

    async def alter(conn: Connection, entry: Entry[State], now: datetime) -> Entry[State] | Refusal:
        return await announcing.retract(conn, shelf.announced_kind, entry, partner, now)

    return await act_on(change, shelf, entry_id, alter)


Alter: TypeAlias = Callable[[Connection, Entry[State], datetime], Awaitable[Entry[State] | Refusal]]


async def act_on(
    change: Change, shelf: Shelf[State], entry_id: UUID, alter: Alter[State], *, needs_version: bool = False
) -> Response:
    """Do something to an entry that the caller may change and that still stands."""

    async def act(conn: Connection, now: datetime) -> Answer | Refusal:
        entry = await directory.entry_to_change(conn, shelf.kind, entry_id, change.caller, shelf.writing)
        if isinstance(entry, Refusal):
            return entry
        if stale := check_version(change, entry.version, required=needs_version):
            return stale
        altered = await alter(conn, entry, now)
        return altered if isinstance(altered, Refusal) else shelf.answer(altered, as_of(change.context, now))

    return await _perform(change, shelf, entry_id, act)


def _check_state(change: Change, shelf: Shelf[State], state: State) -> None:
    """The caller may write for the unit, and the fields go together."""
    check_own_unit(change, shelf.writing, state.unit)
    if fault := shelf.kind.fault_of(state):
        raise Problem(directory.not_valid(fault))


def check_own_unit(change: Change, writing: str, unit: UnitId) -> None:
    """The unit that the body names is one of the agreement's, for which the caller may do this; else a problem 403."""
    if unit not in change.context.partners.units or not may(change.caller, writing, unit):
        raise Problem(NOT_YOUR_UNIT)


async def _perform(change: Change, shelf: Shelf[State], entry_id: UUID, act: Act, *, status: int = 200) -> Response:
    async def keys(_conn: Connection) -> Sequence[Key]:
        return [Key(Topic.DIRECTORY, str(entry_id))]

    async def again(conn: Connection, ids: Sequence[str], now: datetime) -> Answer:
        entry = await _found(conn, shelf, UUID(ids[0]))
        return shelf.answer(entry, as_of(change.context, now), is_new=status == 201)

    return await perform(change, ids=[entry_id], keys=keys, act=act, again=again, status=status)


async def show(context: Context, shelf: Shelf[State], entry_id: UUID) -> Response:
    """One entry, withdrawn ones too."""
    async with context.database.reading() as conn:
        seen = as_of(context, await db.now(conn))
        return respond(shelf.answer(await _found(conn, shelf, entry_id), seen))


async def _found(conn: Connection, shelf: Shelf[State], entry_id: UUID) -> Entry[State]:
    entry = await store.find_entry(conn, shelf.kind, entry_id)
    if entry is None:
        raise Problem(NOT_FOUND)
    return entry


async def listed(context: Context, shelf: Shelf[State], asked: Listing) -> BaseModel:
    """One page, and where the next begins."""
    async with context.database.reading() as conn:
        now = await db.now(conn)
        wanted = asked.filter(shelf.usable, now)
        entries = await store.entries_after(conn, shelf.kind, wanted, asked.after, asked.limit + 1)
    seen = as_of(context, now)
    page = entries[: asked.limit]
    following = page[-1].id if len(entries) > asked.limit else None
    return shelf.page(items=[shelf.show(entry, seen) for entry in page], next=following)
