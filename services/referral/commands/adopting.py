"""Taking back from the bus what a restored database has forgotten: its own events carry the state they led to."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from schemas import (
    Announcement,
    CapacityState,
    ContactPersonChanged,
    CooperationEvent,
    CooperationLinked,
    CooperationProposed,
    DirectoryEvent,
    Event,
    OfferCapacityChanged,
    Received,
    ReferralAcceptanceTakenBack,
    ReferralAccepted,
    ReferralCompleted,
    ReferralEnded,
    ReferralEnteredInError,
    ReferralEvent,
    ReferralFailed,
    ReferralLinked,
    ReferralPutOnHold,
    ReferralRejected,
    ReferralReminded,
    ReferralRequested,
    ReferralResumed,
    ReferralStarted,
    ReferralStatusShared,
    TrainingAttended,
    TrainingCountEvent,
    TrainingRegistrationsChanged,
)
from schemas.calendar import local_day, local_midnight
from schemas.directory import AnnouncedAct
from services.chassis.db import Connection
from services.referral.model.cooperations import applied, begun
from services.referral.model.deadlines import Deadline
from services.referral.model.directory import CONTACTS, OFFERS, Entry, Kind, Pending, State
from services.referral.model.referrals import Act, Referral, SharedStatus, moved, stamped, told
from services.referral.model.trainings import TRAININGS
from services.referral.store import clocks, cooperations, directory, drafts, households, referrals, trainings

Facts = dict[str, Any]
FACTS: Mapping[type[Event], Callable[[Received[Any], Referral], Facts]] = {
    ReferralAccepted: lambda received, _: {
        "first_contact_planned_on": received.data.first_contact_planned_on,
        "happened_on": received.data.happened_on,
        "accepted_at": received.time,
        "taken_back_reason": None,
    },
    ReferralAcceptanceTakenBack: lambda received, _: {
        "taken_back_reason": received.data.reason,
        "first_contact_planned_on": None,
        "accepted_at": None,
        "responsible": None,
    },
    ReferralRejected: lambda received, _: {
        "rejection_reason": received.data.reason,
        "happened_on": received.data.happened_on,
    },
    ReferralStarted: lambda received, _: {"first_contact_on": received.data.first_contact_on},
    ReferralPutOnHold: lambda received, before: {
        "hold_reason": received.data.reason,
        "review_on": received.data.review_on,
        **stamped(before, Act.HOLD, received.time),
    },
    ReferralResumed: lambda received, before: {
        "hold_reason": None,
        "review_on": None,
        **stamped(before, Act.RESUME, received.time),
    },
    ReferralCompleted: lambda received, _: {
        "outcome": received.data.outcome,
        "happened_on": received.data.happened_on,
    },
    ReferralFailed: lambda received, _: {
        "failure_reason": received.data.reason,
        "happened_on": received.data.happened_on,
    },
    ReferralEnded: lambda received, _: {"end_reason": received.data.reason},
    ReferralEnteredInError: lambda received, _: {"error_reason": received.data.reason},
}
"""What an event says of a referral beyond its state."""


async def adopt_requested(conn: Connection, received: Received[ReferralRequested]) -> bool:
    """Keep a referral again; False where the offer it went to is not known."""
    said = received.data
    if await directory.find_entry(conn, OFFERS, said.offer_id) is None:
        return False
    if await referrals.find_referral(conn, said.referral_id) is None:
        referral = Referral(
            said.referral_id,
            said.case_id,
            said.consent_id,
            said.offer_id,
            said.from_unit,
            said.to_unit,
            received.time,
            based_on=said.based_on,
        )
        await referrals.insert_referral(conn, referral)
    # What was sent since the backup is no draft any more.
    await drafts.delete_draft(conn, said.referral_id)
    return True


async def adopt_moved(conn: Connection, received: Received[ReferralEvent]) -> bool:
    """Bring a referral to the state that the bus has heard of; False where it is not known."""
    said = received.data
    referral = await referrals.find_referral(conn, said.referral_id)
    if referral is None:
        return False
    facts = FACTS[type(said)](received, referral) if type(said) in FACTS else {}
    await referrals.update_referrals(conn, [moved(referral, said.state, **facts)], received.time)
    return True


async def adopt_reminded(conn: Connection, received: Received[ReferralReminded]) -> bool:
    """Remember that a service was reminded; what it waits for is reckoned anew. False where it is not known."""
    said = received.data
    if await referrals.find_referral(conn, said.referral_id) is None:
        return False
    await clocks.set_deadline(conn, said.referral_id, Deadline(said.clock, said.due_at, reminded=said.level))
    return True


async def adopt_shared(conn: Connection, received: Received[ReferralStatusShared]) -> bool:
    """Remember what the sender was told after the fact; False where the referral is not known."""
    said = received.data
    referral = await referrals.find_referral(conn, said.referral_id)
    if referral is None:
        return False
    shared = told(replace(referral, last_shared=SharedStatus(said.status, said.outcome)))
    await referrals.note_shared(conn, [shared])
    return True


async def adopt_linked(conn: Connection, received: Received[ReferralLinked]) -> bool:
    """Remember to which household the unit that referred says the person belongs; False where it is not known."""
    said = received.data
    if await referrals.find_referral(conn, said.referral_id) is None:
        return False
    await households.put_members(conn, said.from_unit, said.household_id, [said.case_id])
    return True


async def adopt_cooperation_linked(conn: Connection, received: Received[CooperationLinked]) -> bool:
    """Remember to which household the proposer says the person belongs; False where the cooperation is not known."""
    said = received.data
    known = await cooperations.find_cooperation(conn, said.cooperation_id)
    if known is None:
        return False
    await households.put_members(conn, known.proposer, said.household_id, [said.case_id])
    await cooperations.save_cooperations(conn, [applied(known, said)], received.time)
    return True


async def adopt_proposed(conn: Connection, received: Received[CooperationProposed]) -> bool:
    """Keep a cooperation again; which functions take part was never told."""
    if await cooperations.find_cooperation(conn, received.data.cooperation_id) is None:
        begun_again = begun(received.data, received.time)
        await cooperations.save_cooperations(conn, [begun_again], received.time)
    return True


async def adopt_cooperation(conn: Connection, received: Received[CooperationEvent]) -> bool:
    """Bring a cooperation to where the bus has heard of it; False where it is not known."""
    known = await cooperations.find_cooperation(conn, received.data.cooperation_id)
    if known is None:
        return False
    await cooperations.save_cooperations(conn, [applied(known, received.data)], received.time)
    return True


async def adopt_published(conn: Connection, kind: Kind[State], received: Received[DirectoryEvent]) -> bool:
    """Keep an entry again, also one that was announced and has been published since."""
    entry = await directory.find_entry(conn, kind, UUID(received.key))
    if entry is None:
        await directory.insert_entry(conn, kind, _new(kind, received))
    elif not entry.is_published:
        published = replace(
            entry, published_at=received.time, changed_at=received.time, version=entry.version + 1, pending=None
        )
        await directory.update_entry(conn, published)
    return True


async def adopt_changed(conn: Connection, kind: Kind[State], received: Received[DirectoryEvent]) -> bool:
    """Bring an entry to the state that the bus has heard of; False where it is not known.

    Nothing but an announced change itself changes an entry while one is announced.
    """
    entry = await directory.find_entry(conn, kind, UUID(received.key))
    if entry is None:
        return False
    withdrawn_at = received.time if isinstance(received.data, kind.withdrawn) else None
    is_done = withdrawn_at or (entry.pending and entry.pending.act is AnnouncedAct.CHANGE)
    changed = replace(
        entry,
        state=_state(kind, received.data),
        version=entry.version + 1,
        changed_at=received.time,
        withdrawn_at=withdrawn_at,
        pending=None if is_done else entry.pending,
        person=None if withdrawn_at else entry.person,
    )
    if withdrawn_at is None and received.data.acted_by is not None:
        changed = replace(changed, assured_on=local_day(received.time), reminded_on=None)
    await directory.update_entry(conn, changed)
    return True


async def adopt_announced(conn: Connection, kind: Kind[State], received: Received[Any]) -> bool:
    """Remember what is to happen to an entry; False where it is not known, unless it is still to be published."""
    said: Announcement = received.data
    state = _state(kind, received.data)
    then = {each.field: each.new for each in said.changes}
    is_change = said.act is AnnouncedAct.CHANGE
    target = kind.state.model_validate({**state.model_dump(mode="json"), **then}) if is_change else None
    pending = Pending(said.act, said.effective_on, target)
    known = await directory.find_entry(conn, kind, UUID(received.key))
    if known is None and said.act is not AnnouncedAct.PUBLISH:
        return False
    entry = replace(known or _new(kind, received), state=state, pending=pending)
    if said.act is AnnouncedAct.PUBLISH:
        entry = replace(entry, published_at=local_midnight(said.effective_on))
    if known is None:
        await directory.insert_entry(conn, kind, entry)
    else:
        await directory.update_entry(conn, replace(entry, version=entry.version + 1))
    return True


async def adopt_retracted(conn: Connection, kind: Kind[State], received: Received[Any]) -> bool:
    """Forget what was to happen to an entry; False where it is not known."""
    entry = await directory.find_entry(conn, kind, UUID(received.key))
    if entry is None:
        return False
    withdrawn_at = received.time if received.data.act is AnnouncedAct.PUBLISH else entry.withdrawn_at
    await directory.update_entry(
        conn, replace(entry, version=entry.version + 1, withdrawn_at=withdrawn_at, pending=None)
    )
    return True


async def adopt_assured(conn: Connection, kind: Kind[State], received: Received[Any]) -> bool:
    """Remember when an entry was assured; False where it is not known."""
    entry = await directory.find_entry(conn, kind, UUID(received.key))
    if entry is None:
        return False
    assured_on = received.data.assured_on
    assured = replace(entry, version=entry.version + 1, assured_on=assured_on, reminded_on=None)
    await directory.update_entry(conn, assured)
    return True


async def adopt_assurance_due(conn: Connection, kind: Kind[State], received: Received[Any]) -> bool:
    """Remember that the owner was reminded of an entry; False where it is not known."""
    entry = await directory.find_entry(conn, kind, UUID(received.key))
    if entry is None:
        return False
    await directory.update_entry(conn, replace(entry, reminded_on=local_day(received.time)))
    return True


def _new(kind: Kind[State], received: Received[DirectoryEvent]) -> Entry[State]:
    at = received.time
    return Entry(UUID(received.key), _state(kind, received.data), 1, at, at, local_day(at))


async def adopt_capacity(conn: Connection, received: Received[OfferCapacityChanged]) -> bool:
    """Remember what a unit said about an offer's places; False where the offer is not known."""
    offer = await directory.find_entry(conn, OFFERS, received.data.offer_id)
    if offer is None:
        return False
    said = CapacityState(**received.data.model_dump(include=set(CapacityState.model_fields)))
    changed = replace(offer, capacity=said, version=offer.version + 1, changed_at=received.time)
    await directory.update_entry(conn, changed)
    return True


async def adopt_person(conn: Connection, received: Received[ContactPersonChanged]) -> bool:
    """Forget whom a contact named, since the name that came after was never told; False where it is not known."""
    contact = await directory.find_entry(conn, CONTACTS, received.data.contact_id)
    if contact is None:
        return False
    changed = replace(contact, person=None, version=contact.version + 1, changed_at=received.time)
    await directory.update_entry(conn, changed)
    return True


async def adopt_registrations(conn: Connection, received: Received[TrainingRegistrationsChanged]) -> bool:
    """Remember who had registered how many people for a training; False where it is not known."""
    if not await _adopt_counted(conn, received):
        return False
    given = {each.unit: each.people for each in received.data.registrations}
    await trainings.write_registrations(conn, received.data.training_id, given)
    return True


async def adopt_attended(conn: Connection, received: Received[TrainingAttended]) -> bool:
    """Remember how many people of each partner were at a training; False where it is not known."""
    if not await _adopt_counted(conn, received):
        return False
    given = {each.partner: each.people for each in received.data.attendance}
    await trainings.write_attendance(conn, received.data.training_id, given)
    return True


async def _adopt_counted(conn: Connection, received: Received[TrainingCountEvent]) -> bool:
    """Count the version that a change of a training's people was."""
    entry = await directory.find_entry(conn, TRAININGS, received.data.training_id)
    if entry is None:
        return False
    await directory.update_entry(conn, replace(entry, version=entry.version + 1, changed_at=received.time))
    return True


def _state(kind: Kind[State], event: DirectoryEvent) -> State:
    return kind.state.model_validate({name: getattr(event, name) for name in kind.state.model_fields})
