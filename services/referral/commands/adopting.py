"""Taking back from the bus what a restored database has forgotten: its own events carry the state they led to."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from schemas import (
    CooperationEvent,
    CooperationProposed,
    DirectoryEvent,
    Event,
    Received,
    ReferralAcceptanceTakenBack,
    ReferralAccepted,
    ReferralCompleted,
    ReferralEnded,
    ReferralEnteredInError,
    ReferralEvent,
    ReferralFailed,
    ReferralPutOnHold,
    ReferralRejected,
    ReferralRequested,
    ReferralResumed,
    ReferralStarted,
    ReferralStatusShared,
)
from services.chassis.db import Connection
from services.referral.model.cooperations import applied, begun
from services.referral.model.directory import OFFERS, Entry, Kind, State
from services.referral.model.referrals import Referral, SharedStatus
from services.referral.store import cooperations, directory, referrals

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
        "held_from": before.state,
    },
    ReferralResumed: lambda received, _: {"hold_reason": None, "review_on": None},
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
    return True


async def adopt_moved(conn: Connection, received: Received[ReferralEvent]) -> bool:
    """Bring a referral to the state that the bus has heard of; False where it is not known."""
    said = received.data
    referral = await referrals.find_referral(conn, said.referral_id)
    if referral is None:
        return False
    facts = FACTS[type(said)](received, referral) if type(said) in FACTS else {}
    fixed: Facts = {"state": said.state, "version": referral.version + 1, "held_from": None, "happened_on": None}
    moved = replace(referral, **fixed | facts)
    await referrals.update_referrals(conn, [moved], received.time)
    return True


async def adopt_shared(conn: Connection, received: Received[ReferralStatusShared]) -> bool:
    """Remember what the sender was told after the fact; False where the referral is not known."""
    said = received.data
    if await referrals.find_referral(conn, said.referral_id) is None:
        return False
    await referrals.note_shared(conn, {said.referral_id: SharedStatus(said.status, said.outcome)})
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
    """Keep an entry again."""
    entry_id = UUID(received.key)
    if await directory.find_entry(conn, kind, entry_id) is None:
        entry = Entry(entry_id, _state(kind, received.data), 1, received.time, received.time)
        await directory.insert_entry(conn, kind, entry)
    return True


async def adopt_changed(conn: Connection, kind: Kind[State], received: Received[DirectoryEvent]) -> bool:
    """Bring an entry to the state that the bus has heard of; False where it is not known."""
    entry = await directory.find_entry(conn, kind, UUID(received.key))
    if entry is None:
        return False
    changed = replace(entry, state=_state(kind, received.data), version=entry.version + 1, changed_at=received.time)
    if isinstance(received.data, kind.withdrawn):
        changed = replace(changed, withdrawn_at=received.time)
    await directory.update_entry(conn, changed)
    return True


def _state(kind: Kind[State], event: DirectoryEvent) -> State:
    return kind.state.model_validate({name: getattr(event, name) for name in kind.state.model_fields})
