"""The consumer: FastStream batches in, offsets kept in our own database. All that is FastStream stays in this file.

Kafka's own group offsets are written for monitoring only; where to read on stands in the database, in the
transaction of the effect, and is sought at every assignment.
"""

import asyncio
import ssl
from collections.abc import Iterable, Sequence
from typing import Any

import structlog
from aiokafka import ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaAckableMessage
from faststream.security import BaseSecurity, SASLScram512

from services.chassis import db, offsets, parking
from services.chassis.config import Settings
from services.chassis.db import Database
from services.chassis.handling import Handlers
from services.chassis.inbox import Inbox
from services.chassis.log import describe
from services.chassis.metrics import ABANDONED
from services.chassis.offsets import Partition
from services.chassis.records import Record
from services.chassis.supervise import Backoff

log = structlog.get_logger()

MAX_RECORDS = 1000
# FastStream sleeps this long again after an empty poll: it is latency, so it is short.
BATCH_TIMEOUT_MS = 10
STOP_SECONDS = 10


class Consumer:
    """One process's share of the topics a service reads."""

    def __init__(self, service: str, settings: Settings, database: Database, handlers: Handlers) -> None:
        self._service = service
        self._settings = settings
        self._database = database
        self._handlers = handlers
        self._inbox = Inbox(database, handlers)

    async def run(self) -> None:
        """Try parked keys again, then read until something ends it. Raises what ended it."""
        await parking.retry_all(self._database, self._handlers)
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        broker = self._subscribe(ended)
        try:
            await broker.start()
            log.info("consumer_started", topics=sorted(self._handlers.topics))
            await ended
        finally:
            await self._stop(broker)

    def _subscribe(self, ended: "asyncio.Future[None]") -> KafkaBroker:
        broker = KafkaBroker(
            self._settings.kafka,
            client_id=f"lotse-{self._service}",
            security=kafka_security(self._settings),
            graceful_timeout=STOP_SECONDS,
            consumer_only=True,
            allow_auto_create_topics=False,
            apply_types=False,
            logger=None,
        )
        listener = _SeekToStored(self._settings, self._database)
        subscriber: Any = broker.subscriber(
            *(self._settings.physical(topic) for topic in sorted(self._handlers.topics)),
            group_id=f"{self._settings.topic_prefix}.{self._service}",
            batch=True,
            max_records=MAX_RECORDS,
            batch_timeout_ms=BATCH_TIMEOUT_MS,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,
            parser=_raw_batch,
            decoder=_body,
            listener=listener,
        )
        listener.subscriber = subscriber

        async def on_batch(batch: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
            try:
                await self._apply(subscriber.consumer, batch)
            except Exception as error:
                if not ended.done():
                    ended.set_exception(error)

        subscriber(on_batch)
        return broker

    async def _apply(self, consumer: Any, batch: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        records = [_record(self._settings, record) for record in batch]
        if await self._inbox.apply(records):
            await _commit_for_monitoring(consumer, batch)
            return
        ABANDONED.inc()
        log.info("batch_abandoned", events=len(records))
        partitions = {TopicPartition(record.topic, record.partition) for record in batch}
        await _seek(consumer, partitions, self._settings, self._database)

    async def _stop(self, broker: KafkaBroker) -> None:
        """Bounded: a broker that is dead must not keep this process from ending."""
        try:
            async with asyncio.timeout(STOP_SECONDS + 5):
                await broker.stop()
        except (TimeoutError, KafkaError, OSError) as error:
            log.warning("consumer_stop_cut_short", error=describe(error))


def kafka_security(settings: Settings) -> BaseSecurity | None:
    """FastStream's form of the credentials; None without any."""
    if not settings.kafka_user:
        return None
    tls = ssl.create_default_context(cafile=settings.kafka_tls_ca) if settings.kafka_tls_ca else None
    return SASLScram512(
        settings.kafka_user,
        settings.kafka_password.get_secret_value(),
        ssl_context=tls,
        use_ssl=tls is not None,
    )


class _SeekToStored(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """Puts newly assigned partitions to the offsets of our database before a record of them is handled."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self.subscriber: Any = None

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Nothing to give back: a batch under way notices by its offset row."""

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Pause first: records of the group's own position reach the handler while this callback still waits."""
        consumer = self.subscriber.consumer
        consumer.pause(*assigned)
        await _seek(consumer, assigned, self._settings, self._database)
        consumer.resume(*(assigned & consumer.assignment()))


async def _seek(consumer: Any, partitions: set[TopicPartition], settings: Settings, database: Database) -> None:
    backoff = Backoff()
    while True:
        try:
            positions = await _positions(consumer, partitions, settings, database)
            break
        except Exception as error:
            if not isinstance(error, KafkaError) and not db.is_transient(error):
                raise
            log.warning("offsets_not_readable_yet", error=describe(error))
            await asyncio.sleep(backoff.next())
    for partition, offset in positions.items():
        try:
            consumer.seek(partition, offset)
        except IllegalStateError:
            log.info("partition_gone_before_seek", topic=partition.topic, partition=partition.partition)


async def _positions(
    consumer: Any, partitions: set[TopicPartition], settings: Settings, database: Database
) -> dict[TopicPartition, int]:
    names = {Partition(settings.logical(each.topic), each.partition): each for each in partitions}
    async with database.reading() as conn:
        stored = await offsets.stored(conn, names)
    new = [names[where] for where in names.keys() - stored.keys()]
    if new:
        await _begin(consumer, new, settings, database)
        async with database.reading() as conn:
            stored = await offsets.stored(conn, names)
    return {names[where]: offset for where, offset in stored.items()}


async def _begin(consumer: Any, new: Iterable[TopicPartition], settings: Settings, database: Database) -> None:
    beginnings = await consumer.beginning_offsets(list(new))
    ends = await consumer.end_offsets(list(new))
    async with database.transaction() as conn:
        for each in sorted(beginnings):
            where = Partition(settings.logical(each.topic), each.partition)
            await offsets.begin(conn, where, beginning=beginnings[each], end=ends[each])


async def _commit_for_monitoring(consumer: Any, batch: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
    positions = {TopicPartition(record.topic, record.partition): record.offset + 1 for record in batch}
    try:
        await consumer.commit(positions)
    except (KafkaError, IllegalStateError) as error:
        log.debug("group_offsets_not_written", error=describe(error))


async def _raw_batch(batch: Any) -> KafkaAckableMessage:
    """A one-argument parser replaces FastStream's own, which fails on headers that are not UTF-8."""
    return KafkaAckableMessage(body=batch, raw_message=batch, headers={}, consumer=None)


async def _body(message: KafkaAckableMessage) -> Any:
    return message.body


def _record(settings: Settings, record: ConsumerRecord[bytes, bytes]) -> Record:
    return Record(
        topic=settings.logical(record.topic),
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
    )
