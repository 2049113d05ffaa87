"""Trainings: what must go together in one, when units can register for it, and how it is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from uuid import UUID

from schemas import (
    PartnerAttended,
    PartnerSlug,
    TrainingAttended,
    TrainingCancelled,
    TrainingChanged,
    TrainingId,
    TrainingNeedChanged,
    TrainingNeedClosed,
    TrainingNeedState,
    TrainingNeedStated,
    TrainingOffered,
    TrainingRegistrationsChanged,
    TrainingState,
    UnitId,
    UnitRegistered,
)
from schemas.calendar import local_day
from services.referral.model.directory import Entry, Fault, Kind


def _fault_of_training(state: TrainingState) -> Fault | None:
    """The first thing that does not go together; None where all does."""
    sessions = state.sessions
    if any(session.ends_at <= session.starts_at for session in sessions):
        return Fault("sessions", "A session must end after it starts.")
    if any(later.starts_at < earlier.ends_at for earlier, later in pairwise(sessions)):
        return Fault("sessions", "Send the sessions in their order; one must end before the next starts.")
    if state.registration_until > local_day(sessions[0].starts_at):
        return Fault("registration_until", "Registration must end on the day of the first session at the latest.")
    if len(set(state.needs)) < len(state.needs):
        return Fault("needs", "Name each need once.")
    if state.place is None and state.url is None:
        return Fault("place", "Send a place, or the url where people take part online.")
    return None


NEEDS = Kind("training-need", TrainingNeedState, TrainingNeedStated, TrainingNeedChanged, TrainingNeedClosed)
TRAININGS = Kind("training", TrainingState, TrainingOffered, TrainingChanged, TrainingCancelled, _fault_of_training)


@dataclass(frozen=True, slots=True)
class Counts:
    """The people of one training: registered by unit, and there by partner; none of them zero."""

    registered: Mapping[UnitId, int] = field(default_factory=dict)
    attended: Mapping[PartnerSlug, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Training:
    """A training as it stands; the version of its entry also counts the changes of its people."""

    entry: Entry[TrainingState]
    counts: Counts = Counts()

    @property
    def id(self) -> UUID:
        """What it is known by."""
        return self.entry.id

    @property
    def state(self) -> TrainingState:
        """What its unit says of it."""
        return self.entry.state

    @property
    def ends_at(self) -> datetime:
        """When its last session ends."""
        return end_of(self.state)

    @property
    def registered(self) -> int:
        """People of all units."""
        return sum(self.counts.registered.values())

    @property
    def seats_needed(self) -> int:
        """What the people who are registered, or who were there, needed."""
        return max(self.registered, sum(self.counts.attended.values()))

    @property
    def took_place(self) -> bool:
        """Whether the offering unit has said that somebody was there."""
        return bool(self.counts.attended)

    def seats_left_for(self, unit: UnitId) -> int:
        """How many people a unit can register at most, those that it has registered included."""
        others = sum(people for each, people in self.counts.registered.items() if each != unit)
        return self.state.seats - others


def end_of(state: TrainingState) -> datetime:
    """When the last session ends."""
    return state.sessions[-1].ends_at


def takes_registrations(state: TrainingState, now: datetime) -> bool:
    """Whether units can still register: the last day is not over and nothing has begun."""
    return local_day(now) <= state.registration_until and now < state.sessions[0].starts_at


def registrations_changed(training: Training, acted_by: PartnerSlug) -> TrainingRegistrationsChanged:
    """Tell who has registered how many."""
    return TrainingRegistrationsChanged(
        training_id=TrainingId(training.id),
        unit=training.state.unit,
        acted_by=acted_by,
        seats=training.state.seats,
        registrations=registrations_of(training),
    )


def attended(training: Training, acted_by: PartnerSlug) -> TrainingAttended:
    """Tell who was there."""
    return TrainingAttended(
        training_id=TrainingId(training.id),
        unit=training.state.unit,
        acted_by=acted_by,
        needs=training.state.needs,
        ended_at=training.ends_at,
        attendance=attendance_of(training),
    )


def registrations_of(training: Training) -> tuple[UnitRegistered, ...]:
    """By unit, in alphabetical order."""
    return tuple(
        UnitRegistered(unit=unit, people=people) for unit, people in sorted(training.counts.registered.items())
    )


def attendance_of(training: Training) -> tuple[PartnerAttended, ...]:
    """By partner, in alphabetical order."""
    return tuple(
        PartnerAttended(partner=partner, people=people) for partner, people in sorted(training.counts.attended.items())
    )
