"""Publishing, changing and withdrawing an entry of the directory; the key of the entry is locked by the caller."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from schemas import (
    CapacityState,
    ContactId,
    ContactPersonChanged,
    ContactState,
    OfferCapacityChanged,
    OfferId,
    OfferState,
    PartnerSlug,
)
from schemas.calendar import local_day
from schemas.directory import AnnouncedAct
from services.chassis import outbox
from services.chassis.auth import Principal
from services.chassis.db import Connection
from services.chassis.permissions import may
from services.chassis.problems import NOT_FOUND, Refusal
from services.referral.model.directory import ContactPerson, Entry, Fault, Kind, State, event_of, fault_of_capacity
from services.referral.store import directory as store

UNIT_IS_FIXED = Refusal(
    422, "unit-is-fixed", "The unit cannot change; withdraw this and publish it anew.", field="unit"
)
WITHDRAWN = Refusal(409, "withdrawn", "This was withdrawn and cannot change any more; publish it anew.")


ANNOUNCED = Refusal(
    409,
    "change-announced",
    "Something else is announced for a day to come: retract it, or replace it by sending effective_on.",
    field="effective_on",
)


def not_valid(fault: Fault) -> Refusal:
    """Refuse what goes together wrongly."""
    return Refusal(422, "not-valid", fault.sentence, field=fault.field)


async def publish(
    conn: Connection, kind: Kind[State], entry_id: UUID, state: State, acted_by: PartnerSlug | None, now: datetime
) -> Entry[State]:
    """Make an entry known."""
    entry = Entry(entry_id, state, version=1, published_at=now, changed_at=now, assured_on=local_day(now))
    await store.insert_entry(conn, kind, entry)
    await outbox.publish(conn, event_of(kind.published, entry, acted_by), at=now)
    return entry


async def entry_to_change(
    conn: Connection, kind: Kind[State], entry_id: UUID, caller: Principal, action_id: str
) -> Entry[State] | Refusal:
    """Load an entry that the caller may change."""
    entry = await store.find_entry(conn, kind, entry_id)
    if entry is None or not may(caller, action_id, entry.unit):
        return NOT_FOUND
    return entry if entry.withdrawn_at is None else WITHDRAWN


async def change(
    conn: Connection,
    kind: Kind[State],
    entry: Entry[State],
    state: State,
    acted_by: PartnerSlug | None,
    now: datetime,
) -> Entry[State] | Refusal:
    """Replace an entry's state and tell what changed; without a difference nothing happens.

    Whoever changes an entry has looked at it, so that it is assured by that; a change by the clock assures nothing.
    """
    if state.unit != entry.unit:
        return UNIT_IS_FIXED
    if entry.pending is not None and entry.pending.act is not AnnouncedAct.WITHDRAW:
        return ANNOUNCED
    changes = entry.state.changes_to(state)
    if not changes:
        return entry
    changed = replace(entry, state=state, version=entry.version + 1, changed_at=now)
    if acted_by is not None:
        changed = replace(changed, assured_on=local_day(now), reminded_on=None)
    await store.update_entry(conn, changed)
    event = event_of(kind.changed, changed, acted_by, {"changes": changes})
    await outbox.publish(conn, event, at=now)
    return changed


async def withdraw(
    conn: Connection, kind: Kind[State], entry: Entry[State], acted_by: PartnerSlug | None, now: datetime
) -> Entry[State] | Refusal:
    """Take an entry out of use, and with it what was announced of it; it stays readable."""
    if not entry.is_published:
        return ANNOUNCED
    withdrawn = replace(entry, version=entry.version + 1, changed_at=now, withdrawn_at=now, pending=None, person=None)
    await store.update_entry(conn, withdrawn)
    await outbox.publish(conn, event_of(kind.withdrawn, withdrawn, acted_by), at=now)
    return withdrawn


async def set_capacity(
    conn: Connection, offer: Entry[OfferState], said: CapacityState, acted_by: PartnerSlug | None, now: datetime
) -> Entry[OfferState] | Refusal:
    """Say whether an offer has places, and tell what changed; without a difference nothing happens."""
    if fault := fault_of_capacity(said, local_day(now)):
        return not_valid(fault)
    changes = (offer.capacity or CapacityState(unit=offer.unit)).changes_to(said)
    if not changes:
        return offer
    changed = replace(offer, capacity=said, version=offer.version + 1, changed_at=now)
    await store.update_entry(conn, changed)
    told = OfferCapacityChanged(offer_id=OfferId(offer.id), **said.model_dump(), changes=changes, acted_by=acted_by)
    await outbox.publish(conn, told, at=now)
    return changed


async def name_person(
    conn: Connection, contact: Entry[ContactState], person: ContactPerson | None, acted_by: PartnerSlug, now: datetime
) -> Entry[ContactState] | Refusal:
    """Name who holds a contact's function, or nobody, and tell that it changed, if it did."""
    if person is not None and person.agreed_on > local_day(now):
        return not_valid(Fault("agreed_on", "This day is still to come; name the person when they have agreed."))
    if person == contact.person:
        return contact
    changed = replace(contact, person=person, version=contact.version + 1, changed_at=now)
    await store.update_entry(conn, changed)
    told = ContactPersonChanged(
        contact_id=ContactId(contact.id), unit=contact.unit, is_named=person is not None, acted_by=acted_by
    )
    await outbox.publish(conn, told, at=now)
    return changed
