"""Saying that an entry is still right, and reminding its owner to say so."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from schemas import Assurance, DirectoryEvent, PartnerSlug
from services.chassis import outbox
from services.chassis.db import Connection
from services.referral.model.directory import AnnouncedKind, AsOf, Entry, State, event_of
from services.referral.store import directory as store

REMINDED_BEFORE = timedelta(days=14)


async def assure(
    conn: Connection, kind: AnnouncedKind[State], entry: Entry[State], acted_by: PartnerSlug, as_of: AsOf, now: datetime
) -> Entry[State]:
    """Note that an entry is right as it stands; a second time on one day nothing happens."""
    if kind.assured is None:
        raise ValueError(f"entries of the kind {kind.name} are not assured")
    if entry.assured_on == as_of.today:
        return entry
    assured = replace(entry, version=entry.version + 1, assured_on=as_of.today, reminded_on=None)
    await store.update_entry(conn, assured)
    await outbox.publish(conn, _said(kind.assured, assured, acted_by, as_of), at=now)
    return assured


async def remind(conn: Connection, kind: AnnouncedKind[State], entry_id: UUID, as_of: AsOf, now: datetime) -> None:
    """Remind the owner, once for each assurance, that an entry should be looked at again."""
    entry = await store.find_entry(conn, kind, entry_id)
    if kind.assurance_due is None or entry is None or not _is_to_be_reminded_of(entry, as_of):
        return
    await store.update_entry(conn, replace(entry, reminded_on=as_of.today))
    await outbox.publish(conn, _said(kind.assurance_due, entry, None, as_of), at=now)


def _is_to_be_reminded_of(entry: Entry[State], as_of: AsOf) -> bool:
    is_in_use = entry.withdrawn_at is None and entry.is_published
    is_soon_due = as_of.due_on(entry.assured_on) - REMINDED_BEFORE <= as_of.today
    return is_in_use and entry.reminded_on is None and is_soon_due


def _said(
    event: type[DirectoryEvent], entry: Entry[State], acted_by: PartnerSlug | None, as_of: AsOf
) -> DirectoryEvent:
    said = Assurance(assured_on=entry.assured_on, due_on=as_of.due_on(entry.assured_on))
    return event_of(event, entry, acted_by, said.model_dump())
