"""What partners publish of themselves: entries of the directory, whatever they are, live by the same rules."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from schemas import (
    Announcement,
    CapacityState,
    ChangeNoticeAnnounced,
    ChangeNoticeAnnouncementRetracted,
    ChangeNoticeChanged,
    ChangeNoticePublished,
    ChangeNoticeState,
    ChangeNoticeWithdrawn,
    ContactAnnounced,
    ContactAnnouncementRetracted,
    ContactAssuranceDue,
    ContactAssured,
    ContactChanged,
    ContactPublished,
    ContactState,
    ContactWithdrawn,
    DirectoryEvent,
    MaterialAnnounced,
    MaterialAnnouncementRetracted,
    MaterialChanged,
    MaterialPublished,
    MaterialState,
    MaterialWithdrawn,
    OfferAnnounced,
    OfferAnnouncementRetracted,
    OfferAssuranceDue,
    OfferAssured,
    OfferChanged,
    OfferPublished,
    OfferState,
    OfferWithdrawn,
    PartnerSlug,
    PublicState,
    UnitId,
    partner_of,
)
from schemas.calendar import months_after
from schemas.codes import Frequency, OfferStatus
from schemas.directory import AnnouncedAct, Capacity
from schemas.hsds import Schedule

State = TypeVar("State", bound=PublicState)
WITHOUT_PLACES = frozenset({Capacity.WAITLIST, Capacity.NO_CAPACITY})


class Fault(NamedTuple):
    """What is wrong with a state whose fields are each right: the field to mend, and how."""

    field: str
    sentence: str


def _no_fault(_state: Any) -> None:
    return None


def _fault_of_offer(state: OfferState) -> Fault | None:
    if state.minimum_age is not None and state.maximum_age is not None and state.maximum_age < state.minimum_age:
        return Fault("maximum_age", "The highest age is not below minimum_age; leave it out where there is none.")
    for place, schedule in enumerate(state.schedules):
        if fault := _fault_of_schedule(schedule):
            return Fault(f"schedules.{place}.{fault.field}", fault.sentence)
    return None


def _fault_of_schedule(schedule: Schedule) -> Fault | None:
    if schedule.closes_at <= schedule.opens_at:
        return Fault("closes_at", "It closes later than it opens; hours over midnight are two schedules.")
    if schedule.valid_from and schedule.valid_to and schedule.valid_to < schedule.valid_from:
        return Fault("valid_to", "The last day is not before valid_from.")
    if schedule.interval > 1 and schedule.valid_from is None:
        return Fault("valid_from", "An interval of more than 1 is counted from valid_from: say when it began.")
    is_placed = {each.lstrip("-")[0].isdigit() for each in schedule.byday.split(",")}
    if is_placed != {schedule.freq is Frequency.MONTHLY}:
        return Fault(
            "byday", "Weekdays stand alone (MO) when freq is WEEKLY, and with a place (1MO) when it is MONTHLY."
        )
    return None


def _fault_of_material(state: MaterialState) -> Fault | None:
    if state.url is None and state.file_name is None and state.quantity_on_hand is None:
        return Fault("url", "Say how it is to be had: by url, file_name or quantity_on_hand.")
    return None


def _fault_of_notice(state: ChangeNoticeState) -> Fault | None:
    if state.valid_until is not None and state.valid_until < state.valid_from:
        return Fault("valid_until", "The last day is not before valid_from; leave it out until further notice.")
    return None


def fault_of_capacity(state: CapacityState, today: date) -> Fault | None:
    """What is wrong with what a unit says about its places."""
    if state.expected_from is None:
        return None
    if state.capacity not in WITHOUT_PLACES:
        return Fault("expected_from", f"Only {' or '.join(sorted(WITHOUT_PLACES))} has such a day; leave it out.")
    if state.expected_from < today:
        return Fault("expected_from", "This day is over; name one that is still to come, or leave it out.")
    return None


@dataclass(frozen=True)
class Kind(Generic[State]):
    """One kind of entry: its public state, the events that tell of it, and what a state of it may not say."""

    name: str
    state: type[State]
    published: type[DirectoryEvent]
    changed: type[DirectoryEvent]
    withdrawn: type[DirectoryEvent]
    fault_of: Callable[[State], Fault | None] = _no_fault

    @property
    def id_field(self) -> str:
        """What the id of such an entry is called, in events and in views."""
        return self.published.key_field


@dataclass(frozen=True, kw_only=True)
class AnnouncedKind(Kind[State]):
    """A kind of entry of which something can be announced for a day to come; some are assured from time to time."""

    announced: type[DirectoryEvent]
    retracted: type[DirectoryEvent]
    assured: type[DirectoryEvent] | None = None
    assurance_due: type[DirectoryEvent] | None = None


OFFERS = AnnouncedKind(
    "offer",
    OfferState,
    OfferPublished,
    OfferChanged,
    OfferWithdrawn,
    _fault_of_offer,
    announced=OfferAnnounced,
    retracted=OfferAnnouncementRetracted,
    assured=OfferAssured,
    assurance_due=OfferAssuranceDue,
)
CONTACTS = AnnouncedKind(
    "contact",
    ContactState,
    ContactPublished,
    ContactChanged,
    ContactWithdrawn,
    announced=ContactAnnounced,
    retracted=ContactAnnouncementRetracted,
    assured=ContactAssured,
    assurance_due=ContactAssuranceDue,
)
MATERIALS = AnnouncedKind(
    "material",
    MaterialState,
    MaterialPublished,
    MaterialChanged,
    MaterialWithdrawn,
    _fault_of_material,
    announced=MaterialAnnounced,
    retracted=MaterialAnnouncementRetracted,
)
CHANGE_NOTICES = AnnouncedKind(
    "notice",
    ChangeNoticeState,
    ChangeNoticePublished,
    ChangeNoticeChanged,
    ChangeNoticeWithdrawn,
    _fault_of_notice,
    announced=ChangeNoticeAnnounced,
    retracted=ChangeNoticeAnnouncementRetracted,
)
KINDS: tuple[AnnouncedKind[Any], ...] = (OFFERS, CONTACTS, MATERIALS, CHANGE_NOTICES)
ASSURED_KINDS = tuple(kind for kind in KINDS if kind.assured is not None)


class AsOf(NamedTuple):
    """What freshness is judged by: the day in Koblenz, and for how many months an assurance holds."""

    today: date
    assured_for_months: int

    def due_on(self, assured_on: date) -> date:
        """The last day on which something counts as right without being assured again."""
        return months_after(assured_on, self.assured_for_months)

    def is_stale(self, assured_on: date) -> bool:
        """Whether nobody has said for too long that it is right."""
        return self.today > self.due_on(assured_on)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which entries of a kind are looked for: those of which all of this is true.

    values: what their state contains, of a list each that is named here.
    usable_on: published, neither withdrawn nor over before this day; None: these too.
    capacities: their unit last said one of these about their places; empty: whatever it said.
    open_at: they have hours at this moment, and their unit is not closed; None: always.
    """

    values: Mapping[str, Any]
    usable_on: date | None
    capacities: frozenset[Capacity] = frozenset()
    open_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Pending(Generic[State]):
    """What is to happen to an entry at the beginning of a day in Koblenz; `state`: what it is to change to."""

    act: AnnouncedAct
    effective_on: date
    state: State | None = None


@dataclass(frozen=True, slots=True)
class Entry(Generic[State]):
    """One thing that a unit published as it stands; `version` counts its states from 1.

    assured_on: when its unit last said that it is right, or changed it; reminded_on: when it was reminded since then.
    published_at: of one that is still to be published, when it will be.
    capacity: of an offer whose unit has said whether it has places.
    """

    id: UUID
    state: State
    version: int
    published_at: datetime
    changed_at: datetime
    assured_on: date
    withdrawn_at: datetime | None = None
    capacity: CapacityState | None = None
    pending: Pending[State] | None = None
    reminded_on: date | None = None

    @property
    def unit(self) -> UnitId:
        """The unit that published it."""
        return self.state.unit

    @property
    def is_published(self) -> bool:
        """Whether it is there to be used, or was; one that is still to come is not."""
        return self.pending is None or self.pending.act is not AnnouncedAct.PUBLISH

    @property
    def announcement(self) -> Announcement | None:
        """What is to happen to it, as the others are told."""
        if self.pending is None:
            return None
        changes = () if self.pending.state is None else self.state.changes_to(self.pending.state)
        return Announcement(act=self.pending.act, effective_on=self.pending.effective_on, changes=changes)

    def belongs_to(self, partner: PartnerSlug) -> bool:
        """Whether one of the partner's units published it."""
        return partner_of(self.unit) == partner


def can_be_used(offer: Entry[OfferState]) -> bool:
    """Whether people can be referred to this offer now."""
    return offer.withdrawn_at is None and offer.is_published and offer.state.status is OfferStatus.ACTIVE


def event_of(
    event_class: type[DirectoryEvent],
    entry: Entry[State],
    acted_by: PartnerSlug | None,
    more: Mapping[str, Any] | None = None,
) -> DirectoryEvent:
    """Tell the full state of an entry; `more` holds the fields that only this event has."""
    said = {event_class.key_field: entry.id, "acted_by": acted_by, **(more or {})}
    return event_class.model_validate({**entry.state.model_dump(), **said})
