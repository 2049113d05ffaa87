"""The rules: what a clause of the agreement amounts to, given what was counted."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from schemas import (
    EVENTS,
    CaseEvent,
    ContactChanged,
    ContactPublished,
    ContactWithdrawn,
    DirectoryEvent,
    Event,
    InformationCounted,
    PartnerSlug,
    Party,
    PublicState,
    Received,
    TrainingAttended,
    TrainingCountEvent,
    UnitId,
    partner_of,
)
from schemas.agreement_file import (
    AgreementFile,
    Clause,
    Events,
    EventsTold,
    NotMeasured,
    NotYet,
    SumInformation,
    TrainingsAttended,
)
from schemas.calendar import LOCAL_TIME
from schemas.codes import ContactLevel, PartnerRole
from schemas.partner_file import Partners

NOBODY = PartnerSlug("")
LEVELLED = (ContactPublished, ContactChanged, ContactWithdrawn)
"""What says which contacts there are, level by level."""


class Status(StrEnum):
    """Whether a clause is counted."""

    COUNTED = "counted"
    NOT_MEASURED = "not-measured"
    NOT_YET = "not-yet"


class Year(NamedTuple):
    """A calendar year in Koblenz. `ends_at`: its end, or now while it lasts."""

    year: int
    ends_at: datetime
    is_over: bool


class People(NamedTuple):
    """People a unit told of the services' offers."""

    unit: UnitId
    people: int


class Happened(NamedTuple):
    """How often events of a type went from one partner to another; NOBODY where they name none."""

    type: str
    sender: PartnerSlug
    recipient: PartnerSlug
    events: int


class Telling(NamedTuple):
    """How often a partner was told of another's events of a type; `level` is that of a contact."""

    type: str
    by: PartnerSlug
    to: PartnerSlug
    level: str | None
    times: int


class Named(NamedTuple):
    """A partner has a valid contact of a level."""

    partner: PartnerSlug
    level: str


@dataclass(frozen=True)
class Facts:
    """What was counted in one year."""

    information: Sequence[People] = ()
    happened: Sequence[Happened] = ()
    tellings: Sequence[Telling] = ()
    contacts: Sequence[Named] = ()
    trainings_attended: int = 0


@dataclass(frozen=True)
class Result:
    """What one clause amounts to in one year.

    `done`: how often, None when it is not counted. `late`: None without a date in the agreement.
    `missing`: partners that lack what the clause asks of each of them; None where it asks no such thing.
    """

    clause: Clause
    status: Status
    reason: str | None = None
    done: int | None = None
    late: int | None = None
    missing: tuple[PartnerSlug, ...] | None = None


def results(agreement: AgreementFile, partners: Partners, facts: Facts, year: Year) -> list[Result]:
    """The clauses of the agreement in their order, each with what it amounts to."""
    return [result(clause, partners, facts, year) for clause in agreement.clauses]


def result(clause: Clause, partners: Partners, facts: Facts, year: Year) -> Result:
    """What one clause amounts to."""
    counts = clause.counts
    if isinstance(counts, NotMeasured):
        return Result(clause, Status.NOT_MEASURED, counts.reason)
    if isinstance(counts, NotYet):
        return Result(clause, Status.NOT_YET, counts.reason)
    done, missing = times_done(counts, partners, facts), None
    if isinstance(counts, EventsTold) and counts.level is not None:
        missing = without_contact(counts.level, partners, facts)
    return Result(clause, Status.COUNTED, None, done, times_late(clause, done, year), missing)


def times_done(
    counts: SumInformation | Events | EventsTold | TrainingsAttended, partners: Partners, facts: Facts
) -> int:
    """Count as the clause says it is counted."""
    if isinstance(counts, SumInformation):
        units = {unit for unit, file in partners.units.items() if counts.by in file.roles}
        return sum(each.people for each in facts.information if each.unit in units)
    if isinstance(counts, Events):
        return _times_happened(counts, partners, facts.happened)
    if isinstance(counts, TrainingsAttended):
        return facts.trainings_attended
    return _times_told(counts, partners, facts.tellings)


def _times_happened(counts: Events, partners: Partners, happened: Iterable[Happened]) -> int:
    senders, recipients = _with_role(partners, counts.sent_by), _with_role(partners, counts.sent_to)
    return sum(
        each.events
        for each in happened
        if each.type in counts.types
        and (senders is None or each.sender in senders)
        and (recipients is None or each.recipient in recipients)
    )


def _times_told(counts: EventsTold, partners: Partners, tellings: Iterable[Telling]) -> int:
    tellers, hearers = _with_role(partners, counts.by), _with_role(partners, counts.to)
    return sum(
        each.times
        for each in tellings
        if each.type in counts.types
        and (tellers is None or each.by in tellers)
        and (hearers is None or each.to in hearers)
        and counts.level in (None, each.level)
    )


def _with_role(partners: Partners, role: PartnerRole | None) -> Collection[PartnerSlug] | None:
    """The partners with a role; None for all, whoever they are."""
    return None if role is None else partners.with_role(role)


def without_contact(level: ContactLevel, partners: Partners, facts: Facts) -> tuple[PartnerSlug, ...]:
    """The partners without a valid contact of a level."""
    named = {each.partner for each in facts.contacts if each.level == level}
    return tuple(slug for slug in partners.slugs if slug not in named)


def times_late(clause: Clause, done: int, year: Year) -> int | None:
    """A yearly duty is late once, when its year is over and it was not done; without a date nothing is late."""
    if clause.due is None:
        return None
    return int(year.is_over and done == 0)


def is_counted(event_class: type[Event]) -> bool:
    """Whether single events of a class can be counted exactly: an end is applied a second time after a repair."""
    return issubclass(event_class, CaseEvent | DirectoryEvent | InformationCounted) and not event_class.terminal


def names_parties(event_class: type[Event]) -> bool:
    """Whether events of a class say which partner they go from and to."""
    return issubclass(event_class, CaseEvent) and event_class.parties is not Event.parties


def year_of(at: datetime) -> int:
    """The year of the calendar in Koblenz."""
    return at.astimezone(LOCAL_TIME).year


def partners_of(event: Event) -> tuple[PartnerSlug, PartnerSlug]:
    """The partner an event came from and the one it went to; NOBODY where it names none."""
    if isinstance(event, PublicState | TrainingCountEvent | InformationCounted):
        return partner_of(event.unit), NOBODY
    parties = event.parties()
    if parties:
        return parties.get(Party.SENDER, NOBODY), parties.get(Party.RECIPIENT, NOBODY)
    return NOBODY, NOBODY


def level_of(event: Event) -> ContactLevel | None:
    """The level of a contact; None of anything else, also of what is only announced of a contact."""
    return event.level if isinstance(event, LEVELLED) else None


def ends(event: Event) -> bool:
    """Whether a contact is no longer to be used, or the attendance that is told of is none.

    Of other entries only what happened to them is counted.
    """
    if isinstance(event, TrainingAttended):
        return not event.attendance
    return isinstance(event, ContactWithdrawn)


def counts_at(event: Received[Event]) -> datetime:
    """For when an event of the directory counts: a training for its own end, whenever its attendance is entered."""
    return event.data.ended_at if isinstance(event.data, TrainingAttended) else event.time


def uncountable(agreement: AgreementFile) -> str | None:
    """Name what this code cannot count of an agreement, in one sentence; None when it can count all of it."""
    for clause in agreement.clauses:
        counts = clause.counts
        if isinstance(counts, Events):
            wrong = [each for each in counts.types if not is_counted(EVENTS[each])]
            why = "events that end something for good, and those about deliveries, cannot be counted"
            if not wrong and counts.sent_to is not None:
                wrong = [each for each in counts.types if not names_parties(EVENTS[each])]
                why = "it names no recipient, so that sent_to would count none of it"
        elif isinstance(counts, EventsTold):
            kinds = DirectoryEvent if counts.level is None else LEVELLED
            wrong = [each for each in counts.types if not issubclass(EVENTS[each], kinds)]
            what = "the directory" if counts.level is None else "contacts as they stand"
            why = f"only events of {what} can be counted so"
        else:
            continue
        if wrong:
            return f"clause {clause.id}, counts, types has {wrong[0]}; {why}"
    return None
