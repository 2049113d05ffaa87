"""Who was told of which events, and what became of it when a consent or a record ended."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from schemas.codes import RecallAction
from schemas.envelope import TYPE_PATTERN, DeliveryEvent
from schemas.ids import CaseId, ConsentId, EventId, PartnerSlug
from schemas.visibility import NOBODY

EventType = Annotated[str, StringConstraints(pattern=TYPE_PATTERN)]


class Told(BaseModel):
    """One event as it was told; `number` is its place in the partner's stream, from 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_id: EventId
    """The event's own id, not the partner's."""
    type: EventType
    number: int = Field(ge=1)
    case_id: CaseId | None = None
    """The person's case that the event was about; None for what is about nobody, and in events from before."""


class PartnerInformed(DeliveryEvent, type="lotse.partner.informed.v1", audience=NOBODY, key="partner"):
    """A batch of events was numbered for one partner's stream."""

    partner: PartnerSlug
    events: tuple[Told, ...]


class RecallOpened(DeliveryEvent, type="lotse.recall.opened.v1", audience=NOBODY, key="partner"):
    """A partner has to say until `due_at` what it did with what it had been told or had fetched."""

    partner: PartnerSlug
    event_id: EventId
    """The event that asks for it: the end of a consent, or an erasure; one recall an event and partner."""
    closing_type: EventType
    case_id: CaseId
    consent_id: ConsentId | None
    """None for an erasure."""
    due_at: AwareDatetime


class RecallAcknowledged(DeliveryEvent, type="lotse.recall.acknowledged.v1", audience=NOBODY, key="partner"):
    """A partner said what it did."""

    partner: PartnerSlug
    event_id: EventId
    action: RecallAction
