"""What is to happen to an entry on a day to come: told when it is entered, and again when it takes effect."""

from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from schemas import DirectoryEvent, PartnerSlug
from schemas.calendar import local_day, local_midnight
from schemas.directory import AnnouncedAct
from services.chassis import outbox
from services.chassis.db import Connection
from services.chassis.problems import Refusal
from services.referral.commands import directory
from services.referral.commands.directory import ANNOUNCED, UNIT_IS_FIXED
from services.referral.model.directory import AnnouncedKind, Entry, Pending, State, event_of
from services.referral.store import directory as store

NOT_TO_COME = Refusal(
    422, "not-in-future", "Name a day that is still to come, or leave it out to do it now.", field="effective_on"
)
NOTHING_CHANGES = Refusal(
    422, "nothing-changes", "This is the state as it stands; to take back what is announced, retract it."
)
NOTHING_ANNOUNCED = Refusal(409, "nothing-announced", "Nothing is announced of this, or it has taken effect already.")


async def announce_publication(
    conn: Connection,
    kind: AnnouncedKind[State],
    entry_id: UUID,
    state: State,
    effective_on: date,
    acted_by: PartnerSlug,
    now: datetime,
) -> Entry[State] | Refusal:
    """Make known that an entry will be published; nobody can use it before."""
    if effective_on <= local_day(now):
        return NOT_TO_COME
    pending: Pending[State] = Pending(AnnouncedAct.PUBLISH, effective_on)
    entry = Entry(entry_id, state, 1, local_midnight(effective_on), now, local_day(now), pending=pending)
    await store.insert_entry(conn, kind, entry)
    await _tell(conn, kind.announced, entry, acted_by, now)
    return entry


async def announce_change(
    conn: Connection,
    kind: AnnouncedKind[State],
    entry: Entry[State],
    state: State,
    effective_on: date,
    acted_by: PartnerSlug,
    now: datetime,
) -> Entry[State] | Refusal:
    """Make known to what an entry will change, or as what it will be published, instead of what was announced."""
    if state.unit != entry.unit:
        return UNIT_IS_FIXED
    if entry.is_published:
        if not entry.state.changes_to(state):
            return NOTHING_CHANGES
        pending = Pending(AnnouncedAct.CHANGE, effective_on, state)
        return await _announce(conn, kind, entry, replace(entry, pending=pending), acted_by, now)
    later = replace(
        entry,
        state=state,
        published_at=local_midnight(effective_on),
        pending=Pending(AnnouncedAct.PUBLISH, effective_on),
    )
    return await _announce(conn, kind, entry, later, acted_by, now)


async def announce_withdrawal(
    conn: Connection,
    kind: AnnouncedKind[State],
    entry: Entry[State],
    effective_on: date,
    acted_by: PartnerSlug,
    now: datetime,
) -> Entry[State] | Refusal:
    """Make known that an entry will be withdrawn, instead of what was announced."""
    if not entry.is_published:
        return ANNOUNCED
    pending: Pending[State] = Pending(AnnouncedAct.WITHDRAW, effective_on)
    return await _announce(conn, kind, entry, replace(entry, pending=pending), acted_by, now)


async def _announce(
    conn: Connection,
    kind: AnnouncedKind[State],
    before: Entry[State],
    entry: Entry[State],
    acted_by: PartnerSlug,
    now: datetime,
) -> Entry[State] | Refusal:
    if entry.pending is None or entry.pending.effective_on <= local_day(now):
        return NOT_TO_COME
    if entry == before:
        return entry
    announced = replace(entry, version=entry.version + 1)
    await store.update_entry(conn, announced)
    await _tell(conn, kind.announced, announced, acted_by, now)
    return announced


async def retract(
    conn: Connection, kind: AnnouncedKind[State], entry: Entry[State], acted_by: PartnerSlug, now: datetime
) -> Entry[State] | Refusal:
    """Take back what was announced; an entry that was to be published never will be."""
    if entry.pending is None:
        return NOTHING_ANNOUNCED
    withdrawn_at = None if entry.is_published else now
    retracted = replace(entry, version=entry.version + 1, withdrawn_at=withdrawn_at, pending=None)
    await store.update_entry(conn, retracted)
    await _tell(conn, kind.retracted, entry, acted_by, now)
    return retracted


async def take_effect(conn: Connection, kind: AnnouncedKind[State], entry_id: UUID, now: datetime) -> None:
    """Do what was announced, if its day has come; the owner is told too, since the clock did it."""
    entry = await store.find_entry(conn, kind, entry_id)
    if entry is None or entry.pending is None or entry.pending.effective_on > local_day(now):
        return
    pending, entry = entry.pending, replace(entry, pending=None)
    if pending.act is AnnouncedAct.WITHDRAW:
        await directory.withdraw(conn, kind, entry, None, now)
    elif pending.state is not None:
        await directory.change(conn, kind, entry, pending.state, None, now)
    else:
        published = replace(entry, version=entry.version + 1, published_at=now, changed_at=now)
        await store.update_entry(conn, published)
        await outbox.publish(conn, event_of(kind.published, published, None), at=now)


async def _tell(
    conn: Connection, event: type[DirectoryEvent], entry: Entry[State], acted_by: PartnerSlug, now: datetime
) -> None:
    """Tell an announcement with the state as it stands; of a publication that is the state to come."""
    said = entry.announcement.model_dump() if entry.announcement else {}
    await outbox.publish(conn, event_of(event, entry, acted_by, said), at=now)
