"""What partners publish of themselves: entries of the directory, whatever they are, live by the same rules."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from schemas import (
    ContactChanged,
    ContactPublished,
    ContactState,
    ContactWithdrawn,
    DirectoryEvent,
    OfferChanged,
    OfferPublished,
    OfferState,
    OfferWithdrawn,
    PartnerSlug,
    TrainingNeedState,
    TrainingState,
    UnitId,
    partner_of,
)
from schemas.codes import OfferStatus

State = TypeVar("State", OfferState, ContactState, TrainingNeedState, TrainingState)


@dataclass(frozen=True)
class Kind(Generic[State]):
    """One kind of entry: its public state, and the events that tell of it."""

    name: str
    state: type[State]
    published: type[DirectoryEvent]
    changed: type[DirectoryEvent]
    withdrawn: type[DirectoryEvent]


OFFERS = Kind("offer", OfferState, OfferPublished, OfferChanged, OfferWithdrawn)
CONTACTS = Kind("contact", ContactState, ContactPublished, ContactChanged, ContactWithdrawn)


@dataclass(frozen=True, slots=True)
class Entry(Generic[State]):
    """One thing that a unit published as it stands; `version` counts its states from 1."""

    id: UUID
    state: State
    version: int
    published_at: datetime
    changed_at: datetime
    withdrawn_at: datetime | None = None

    @property
    def unit(self) -> UnitId:
        """The unit that published it."""
        return self.state.unit

    def belongs_to(self, partner: PartnerSlug) -> bool:
        """Whether one of the partner's units published it."""
        return partner_of(self.unit) == partner


def can_be_used(offer: Entry[OfferState]) -> bool:
    """Whether people can be referred to this offer now."""
    return offer.withdrawn_at is None and offer.state.status is OfferStatus.ACTIVE


def event_of(
    event_class: type[DirectoryEvent],
    entry: Entry[State],
    acted_by: PartnerSlug,
    more: Mapping[str, Any] | None = None,
) -> DirectoryEvent:
    """Tell the full state of an entry; `more` holds the fields that only this event has."""
    said = {event_class.key_field: entry.id, "acted_by": acted_by, **(more or {})}
    return event_class.model_validate({**entry.state.model_dump(), **said})
