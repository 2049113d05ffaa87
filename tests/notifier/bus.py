"""Services on a real Kafka: events in on the shared topics, and what partners read on their streams."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord

from deploy.local.kafka import Kafka
from schemas import Event, Headers, dataschema, event_headers, new_id, parse_headers
from services.chassis.app import open_context, running_tasks
from services.chassis.context import Service
from tests.harness import REFERRAL, make_settings


def on_broker(kafka: Kafka, topic_prefix: str) -> dict[str, Any]:
    """The settings that lead a service to the test's own topics."""
    return {
        "kafka": kafka.bootstrap,
        "kafka_user": kafka.admin,
        "kafka_password": kafka.password,
        "topic_prefix": topic_prefix,
    }


@asynccontextmanager
async def at_work(service: Service, folder: Path, url: str, settings: dict[str, Any]) -> AsyncIterator[None]:
    """A service with its consumer and relay, without its API."""
    async with (
        open_context(service, make_settings(folder, url, **settings)) as context,
        running_tasks(service, context),
    ):
        yield


async def send(kafka: Kafka, topic_prefix: str, *events: Event) -> None:
    """Put events on the bus as one producer does, the first of each key with version 1."""
    versions: Counter[str] = Counter()
    async with AIOKafkaProducer(**kafka.asyncio_client()) as producer:
        for event in events:
            versions[event.key] += 1
            await producer.send_and_wait(
                f"{topic_prefix}.{event.topic.removeprefix('lotse.')}",
                event.encode(),
                key=event.key.encode(),
                headers=_headers(event, versions[event.key]),
            )


def _headers(event: Event, version: int) -> Headers:
    return event_headers(
        id=new_id(),
        source=REFERRAL,
        type=event.event_type,
        time=datetime.now(UTC),
        subject=event.subject,
        dataschema=dataschema(type(event), partner=False),
        sequence=version,
        key=event.key,
        correlation_id=str(new_id()),
        causation_id=None,
    )


async def read_to(kafka: Kafka, topic: str, number: int) -> Sequence[ConsumerRecord[bytes, bytes]]:
    """The records of a stream up to the one of that number, waiting until it is there."""
    records = []
    async with AIOKafkaConsumer(topic, auto_offset_reset="earliest", **kafka.asyncio_client()) as consumer:
        while not records or parse_headers(records[-1].headers).sequence < number:
            records.append(await consumer.getone())
    return records
