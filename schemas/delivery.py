"""Who was told of which events."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from schemas.envelope import TYPE_PATTERN, DeliveryEvent
from schemas.ids import EventId, PartnerSlug
from schemas.visibility import NOBODY


class Told(BaseModel):
    """One event as it was told; `number` is its place in the partner's stream, from 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_id: EventId
    """The event's own id, not the partner's."""
    type: Annotated[str, StringConstraints(pattern=TYPE_PATTERN)]
    number: int = Field(ge=1)


class PartnerInformed(DeliveryEvent, type="lotse.partner.informed.v1", audience=NOBODY, key="partner"):
    """A batch of events was numbered for one partner's stream."""

    partner: PartnerSlug
    events: tuple[Told, ...]
