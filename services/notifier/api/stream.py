"""What a partner may ask the notifier: where its stream is, and what it was told."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from schemas import partner_topic
from services.chassis.api import Caller, context_of
from services.chassis.auth import Principal
from services.chassis.config import Settings
from services.chassis.context import Context
from services.chassis.permissions import allowed
from services.chassis.problems import documented
from services.notifier import store

LARGEST_NUMBER = 2**63 - 1

router = APIRouter(prefix="/v1", tags=["stream"], responses=documented(401, 403, 422))


class KafkaAccess(BaseModel):
    """How a partner reads its stream with a Kafka client; addresses and password come from the operator."""

    user: str
    consumer_groups: str = Field(description="A consumer group of yours begins with this.")
    security_protocol: Literal["SASL_SSL", "SASL_PLAINTEXT"]
    sasl_mechanism: Literal["SCRAM-SHA-512"] = "SCRAM-SHA-512"
    partitions: Literal[1] = Field(
        1, description="One partition: the order of the numbers is the order of the records."
    )
    retention_days: Literal[90] = 90


class StreamDocument(BaseModel):
    """A partner's own stream."""

    topic: str
    next_number: int = Field(
        description="The ce_sequence that the next record will have; it starts at 1, without gaps."
    )
    kafka: KafkaAccess


class ToldEvent(BaseModel):
    """One event the partner was told."""

    event_id: UUID = Field(description="The ce_id of the record on the partner's own stream.")
    type: str
    number: int = Field(description="The ce_sequence of the record.")
    told_at: datetime


class ToldPage(BaseModel):
    """What the partner was told, in the order of its stream."""

    events: list[ToldEvent]
    next_after: int | None = Field(description="Ask again with this `after`; null when this was all.")


@router.get("/stream", **allowed("read-own-stream"), response_model=StreamDocument)
async def read_stream(request: Request, caller: Caller) -> StreamDocument:
    """The topic of the caller's stream, its next number, and how it is read."""
    context = context_of(request)
    async with context.database.reading() as conn:
        number = await store.next_number(conn, caller.partner)
    topic = context.settings.physical(partner_topic(caller.partner))
    return StreamDocument(topic=topic, next_number=number, kafka=_access(context, caller))


@router.get("/told", **allowed("read-own-stream"), response_model=ToldPage)
async def read_told(
    request: Request,
    caller: Caller,
    after: Annotated[int, Query(ge=0, le=LARGEST_NUMBER, description="The last number you have seen.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> ToldPage:
    """What the caller's partner was told, each event with the number it has in the stream."""
    context = context_of(request)
    async with context.database.reading() as conn:
        rows = await store.told_after(conn, caller.partner, after, limit)
    events = [_shown(context, caller.partner, row) for row in rows]
    return ToldPage(events=events, next_after=events[-1].number if len(events) == limit else None)


def _access(context: Context, caller: Principal) -> KafkaAccess:
    file = context.partners.partner(caller.partner)
    return KafkaAccess(
        user=file.kafka_user, consumer_groups=file.kafka_user, security_protocol=_protocol(context.settings)
    )


def _protocol(settings: Settings) -> Literal["SASL_SSL", "SASL_PLAINTEXT"]:
    return "SASL_SSL" if settings.kafka_tls_ca else "SASL_PLAINTEXT"


def _shown(context: Context, partner: str, row: store.ToldRow) -> ToldEvent:
    own_id = UUID(hex=context.references.reference(partner, row.event_id))
    return ToldEvent(event_id=own_id, type=row.type, number=row.number, told_at=row.told_at)
