"""Offering trainings, registering people for them and counting who came; the training's key is locked by the caller."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from schemas import PartnerSlug, TrainingNeedId, TrainingState, UnitId
from services.chassis import outbox
from services.chassis.auth import Principal
from services.chassis.db import Connection
from services.chassis.problems import NOT_FOUND, Refusal
from services.referral.commands import directory
from services.referral.commands.directory import WITHDRAWN
from services.referral.model.trainings import (
    TRAININGS,
    Counts,
    Training,
    attended,
    end_of,
    registrations_changed,
    takes_registrations,
)
from services.referral.store import directory as entries
from services.referral.store import trainings as store

NO_SUCH_NEED = Refusal(
    422, "no-such-need", "A training answers needs that are stated and not closed; look for them first.", field="needs"
)
OFFERED_TOO_LATE = Refusal(
    422,
    "training-in-past",
    "Units must still be able to register when a training is offered; send later days.",
    field="registration_until",
)
MOVED_TO_PAST = Refusal(
    422, "training-in-past", "Move a training to times of which the last lies ahead.", field="sessions"
)
SESSIONS_FIXED = Refusal(
    409,
    "took-place",
    "The attendance says that this training took place when it did; take the attendance back first.",
    field="sessions",
)
TOOK_PLACE = Refusal(
    409, "took-place", "The attendance says that this training took place; take the attendance back first."
)
NOT_OVER_YET = Refusal(409, "training-not-over", "Count who was there when the last session has ended.")
REGISTRATION_CLOSED = Refusal(
    409, "registration-closed", "Registration has ended; ask the unit that offers the training."
)


async def find(conn: Connection, training_id: UUID) -> Training | None:
    """Load a training with its people; cancelled ones too; None where there is none."""
    entry = await entries.find_entry(conn, TRAININGS, training_id)
    return None if entry is None else Training(entry, await _counts(conn, training_id))


async def training_to_change(
    conn: Connection, training_id: UUID, caller: Principal, action_id: str
) -> Training | Refusal:
    """Load a training that the caller may change."""
    entry = await directory.entry_to_change(conn, TRAININGS, training_id, caller, action_id)
    return entry if isinstance(entry, Refusal) else Training(entry, await _counts(conn, training_id))


async def training_to_attend(conn: Connection, training_id: UUID) -> Training | Refusal:
    """Load a training that is not cancelled; every partner's staff may attend it."""
    training = await find(conn, training_id)
    if training is None:
        return NOT_FOUND
    return training if training.entry.withdrawn_at is None else WITHDRAWN


async def listed(
    conn: Connection,
    wanted: Mapping[str, Any],
    ending_after: datetime | None,
    after: UUID | None,
    limit: int | None,
    *,
    include_cancelled: bool,
) -> list[Training]:
    """List trainings with their people, as `store.trainings_after` says."""
    found = await store.trainings_after(conn, wanted, ending_after, after, limit, include_cancelled=include_cancelled)
    counts = await store.counts_of(conn, [entry.id for entry in found])
    return [Training(entry, counts[entry.id]) for entry in found]


async def _counts(conn: Connection, training_id: UUID) -> Counts:
    return (await store.counts_of(conn, [training_id]))[training_id]


async def offer(
    conn: Connection, training_id: UUID, state: TrainingState, acted_by: PartnerSlug, now: datetime
) -> Training | Refusal:
    """Offer a training for which units can register from now on."""
    if refusal := await _refusal_of(conn, state, state.needs):
        return refusal
    if not takes_registrations(state, now):
        return OFFERED_TOO_LATE
    return Training(await directory.publish(conn, TRAININGS, training_id, state, acted_by, now))


async def change(
    conn: Connection, training: Training, state: TrainingState, acted_by: PartnerSlug, now: datetime
) -> Training | Refusal:
    """Replace what is said of a training; the needs that it has answered so far may have been closed since."""
    if refusal := await _refusal_of(conn, state, set(state.needs) - set(training.state.needs)):
        return refusal
    if state.sessions != training.state.sessions:
        if training.took_place:
            return SESSIONS_FIXED
        if end_of(state) <= now:
            return MOVED_TO_PAST
    if state.seats < training.seats_needed:
        return _no_seats(f"{training.seats_needed} people are registered or were there; as many had seats.", "seats")
    entry = await directory.change(conn, TRAININGS, training.entry, state, acted_by, now)
    return entry if isinstance(entry, Refusal) else replace(training, entry=entry)


async def _refusal_of(conn: Connection, state: TrainingState, new_needs: Collection[TrainingNeedId]) -> Refusal | None:
    fault = TRAININGS.fault_of(state)
    if fault is not None:
        return Refusal(422, "not-valid", fault.sentence, field=fault.field)
    return None if await store.open_needs(conn, new_needs) >= set(new_needs) else NO_SUCH_NEED


async def cancel(conn: Connection, training: Training, acted_by: PartnerSlug, now: datetime) -> Training | Refusal:
    """Call a training off; it stays readable."""
    if training.took_place:
        return TOOK_PLACE
    entry = await directory.withdraw(conn, TRAININGS, training.entry, acted_by, now)
    return entry if isinstance(entry, Refusal) else replace(training, entry=entry)


async def register(
    conn: Connection, training: Training, unit: UnitId, people: int, acted_by: PartnerSlug, now: datetime
) -> Training | Refusal:
    """Set how many people of a unit are registered; 0 takes all of them back."""
    if not takes_registrations(training.state, now):
        return REGISTRATION_CLOSED
    if people == training.counts.registered.get(unit, 0):
        return training
    left = training.seats_left_for(unit)
    if people > left:
        return _no_seats(f"There are seats for {left} people of your unit.", "people")
    given = {each: number for each, number in {**training.counts.registered, unit: people}.items() if number}
    changed = _counted(training, replace(training.counts, registered=given), now)
    await entries.update_entry(conn, changed.entry)
    await store.write_registrations(conn, training.id, given)
    await outbox.publish(conn, registrations_changed(changed, acted_by), at=now)
    return changed


async def note_attendance(
    conn: Connection, training: Training, given: Mapping[PartnerSlug, int], acted_by: PartnerSlug, now: datetime
) -> Training | Refusal:
    """Set how many people of each partner were there; nobody at all takes the attendance back."""
    if now < training.ends_at:
        return NOT_OVER_YET
    if sum(given.values()) > training.state.seats:
        detail = f"There were {training.state.seats} seats; put their number right first if more people came."
        return Refusal(422, "attendance-implausible", detail, field="attendance")
    if given == training.counts.attended:
        return training
    changed = _counted(training, replace(training.counts, attended=given), now)
    await entries.update_entry(conn, changed.entry)
    await store.write_attendance(conn, training.id, given)
    await outbox.publish(conn, attended(changed, acted_by), at=now)
    return changed


def _counted(training: Training, counts: Counts, now: datetime) -> Training:
    entry = replace(training.entry, version=training.entry.version + 1, changed_at=now)
    return Training(entry, counts)


def _no_seats(detail: str, field: str) -> Refusal:
    return Refusal(409, "no-seats", detail, field=field)
