"""The consumer: FastStream batches in, offsets kept in our own database. All that is FastStream stays in this file.

Kafka's own group offsets are written for monitoring only, once a second; where to read on stands in the database, in
the transaction of the effect, and is sought at every assignment.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import structlog
from aiokafka import ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaAckableMessage
from faststream.security import BaseSecurity, SASLScram512

from services.chassis import db, offsets, parking
from services.chassis.client_health import stay_whole
from services.chassis.config import Settings
from services.chassis.db import Database
from services.chassis.foreign_headers import read_any_header_name
from services.chassis.handling import Handlers
from services.chassis.inbox import Inbox
from services.chassis.log import describe
from services.chassis.metrics import ABANDONED
from services.chassis.offsets import Partition
from services.chassis.records import Record
from services.chassis.supervise import Backoff, Final
from services.chassis.watchdog import Progress

log = structlog.get_logger()

MAX_RECORDS = 1000
# How long to wait for records before looking again whether the run has ended.
POLL_MS = 1000
GROUP_OFFSETS_SECONDS = 1.0
STOP_SECONDS = 10

Batch: TypeAlias = Sequence[ConsumerRecord[bytes, bytes]]


class Consumer:
    """One process's share of the topics a service reads."""

    def __init__(self, service: str, settings: Settings, database: Database, handlers: Handlers) -> None:
        self._service = service
        self._settings = settings
        self._database = database
        self._handlers = handlers
        self.progress = Progress()
        self._inbox = Inbox(database, handlers, progress=self.progress)
        self._places = _Places(settings, database)
        read_any_header_name()

    async def run(self) -> None:
        """Try parked keys again, then read until something ends it. Raises what ended it."""
        await parking.retry_all(self._database, self._handlers)
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        group_offsets = _GroupOffsets()
        broker, subscriber = self._subscribe(ended, group_offsets)
        beside = [
            asyncio.create_task(_or_end(group_offsets.run(), ended)),
            asyncio.create_task(_or_end(stay_whole(lambda: subscriber.consumer), ended)),
        ]
        try:
            await broker.start()
            log.info("consumer_started", topics=sorted(self._handlers.topics))
            await ended
        finally:
            self.progress.rest()
            ended.cancel()
            for task in beside:
                task.cancel()
            await self._stop(broker)

    def _subscribe(self, ended: "asyncio.Future[None]", group_offsets: "_GroupOffsets") -> tuple[KafkaBroker, Any]:
        broker = KafkaBroker(
            # One text with commas would be taken for one host.
            self._settings.kafka.split(","),
            client_id=f"lotse-{self._service}",
            security=kafka_security(self._settings),
            graceful_timeout=STOP_SECONDS,
            consumer_only=True,
            allow_auto_create_topics=False,
            apply_types=False,
            logger=None,
        )
        listener = _SeekToStored(self._places, ended)
        subscriber: Any = broker.subscriber(
            *(self._settings.physical(topic) for topic in sorted(self._handlers.topics)),
            group_id=f"{self._settings.topic_prefix}.{self._service}",
            batch=True,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,
            parser=_raw_batch,
            decoder=_body,
            listener=listener,
        )
        listener.subscriber = subscriber
        self.progress.begin(lambda: subscriber.consumer.assignment() if subscriber.consumer else ())

        async def on_batch(batch: Batch) -> None:
            """FastStream hands over the next batch before it notices our end: that one must not overtake."""
            if ended.done():
                return
            try:
                await self._apply(subscriber.consumer, batch, group_offsets)
            except Exception as error:
                _end(ended, error)

        subscriber(on_batch)
        subscriber.get_msg = _fetching(ended)
        return broker, subscriber

    async def _apply(self, consumer: Any, batch: Batch, group_offsets: "_GroupOffsets") -> None:
        extent = _extent(batch)
        if self._places.reread_after_hole(consumer, extent):
            return
        records = _records(self._settings, batch)
        if await self._inbox.apply(records, self._places.believed()):
            self._places.passed(extent)
            self.progress.sign()
            group_offsets.passed(consumer, extent)
            return
        ABANDONED.inc()
        log.info("batch_abandoned", events=len(records))
        await self._places.seek(consumer, set(extent))

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
    tls = settings.kafka_tls()
    return SASLScram512(
        settings.kafka_user,
        settings.kafka_password.get_secret_value(),
        ssl_context=tls,
        use_ssl=tls is not None,
    )


class LogLost(Final):
    """The bus ends before the place we have read up to: it is not the log we knew."""


def _end(ended: "asyncio.Future[None]", error: Exception) -> None:
    if not ended.done():
        ended.set_exception(error)


async def _or_end(task: Awaitable[None], ended: "asyncio.Future[None]") -> None:
    """A task beside the batches; its error ends the run."""
    try:
        await task
    except Exception as error:
        _end(ended, error)


def _fetching(ended: "asyncio.Future[None]") -> Callable[[Any], Awaitable[Batch]]:
    """What takes the place of FastStream's own fetch, which sleeps after every empty one, and reads on after an error,
    past records that the client had taken out already.
    """

    async def fetch_or_end(consumer: Any) -> Batch:
        try:
            found = await consumer.getmany(timeout_ms=POLL_MS, max_records=MAX_RECORDS)
        except Exception as error:
            _end(ended, error)
            raise
        return tuple(itertools.chain.from_iterable(found.values()))

    return fetch_or_end


class Extent(NamedTuple):
    """What a batch holds of one partition: its first offset, and the one behind its last."""

    first: int
    behind: int


def _extent(batch: Batch) -> dict[TopicPartition, Extent]:
    first: dict[tuple[str, int], int] = {}
    last: dict[tuple[str, int], int] = {}
    for record in batch:
        where = (record.topic, record.partition)
        first.setdefault(where, record.offset)
        last[where] = record.offset
    return {TopicPartition(*where): Extent(offset, last[where] + 1) for where, offset in first.items()}


class _SeekToStored(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """Puts newly assigned partitions to the offsets of our database before a record of them is handled."""

    def __init__(self, places: "_Places", ended: "asyncio.Future[None]") -> None:
        self._places = places
        self._ended = ended
        self.subscriber: Any = None

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Nothing to give back: a batch under way notices by its offset row."""

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Pause first: records of the group's own position reach the handler while this callback still waits.

        aiokafka swallows what a callback raises, with the partitions paused for ever: an error ends the run instead.
        """
        consumer = self.subscriber.consumer
        try:
            consumer.pause(*assigned)
            await self._places.seek(consumer, assigned)
            consumer.resume(*(assigned & consumer.assignment()))
        except Exception as error:
            _end(self._ended, error)


class _Places:
    """Where this process reads on in each partition, as the database says."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._next: dict[TopicPartition, int] = {}
        self._holes: dict[TopicPartition, int] = {}

    async def seek(self, consumer: Any, partitions: set[TopicPartition]) -> None:
        """Go to the stored offsets, waiting until they can be read. Raises LogLost where the bus ends before."""
        backoff = Backoff()
        while True:
            try:
                positions = await self._stored(consumer, partitions)
                break
            except Exception as error:
                if isinstance(error, Final) or not (isinstance(error, KafkaError) or db.is_transient(error)):
                    raise
                log.warning("offsets_not_readable_yet", error=describe(error))
                await asyncio.sleep(backoff.next())
        self._go_to(consumer, positions)

    def reread_after_hole(self, consumer: Any, batch: Mapping[TopicPartition, Extent]) -> bool:
        """Read again from where a batch should have begun; a hole that comes back is the bus's own and is accepted."""
        holes = {
            partition: first
            for partition, (first, _) in batch.items()
            if first > self._next.get(partition, first) and self._holes.get(partition) != first
        }
        if not holes:
            return False
        self._holes |= holes
        log.warning("offsets_skipped_reading_again", partitions=len(holes))
        self._go_to(consumer, {partition: self._next.get(partition, first) for partition, (first, _) in batch.items()})
        return True

    def believed(self) -> dict[Partition, int]:
        """Where the database stood when this process last read or moved it; others can only have moved it further."""
        return {
            Partition(self._settings.logical(each.topic), each.partition): offset for each, offset in self._next.items()
        }

    def passed(self, batch: Mapping[TopicPartition, Extent]) -> None:
        """The batch is applied."""
        self._next |= {partition: behind for partition, (_, behind) in batch.items()}

    def _go_to(self, consumer: Any, positions: Mapping[TopicPartition, int]) -> None:
        self._next |= positions
        for partition, offset in positions.items():
            try:
                consumer.seek(partition, offset)
            except IllegalStateError:
                log.info("partition_gone_before_seek", topic=partition.topic, partition=partition.partition)

    async def _stored(self, consumer: Any, partitions: set[TopicPartition]) -> dict[TopicPartition, int]:
        names = {Partition(self._settings.logical(each.topic), each.partition): each for each in partitions}
        ends = await consumer.end_offsets(list(partitions))
        stored = await self._read(names)
        new = [where for where in names if where not in stored]
        if new:
            await self._begin(consumer, {where: names[where] for where in new}, ends)
            stored = await self._read(names)
        for where, offset in stored.items():
            if offset > ends[names[where]]:
                raise LogLost(
                    f"{where.topic} partition {where.partition} ends at {ends[names[where]]}, but {offset} was read: "
                    "the bus is not the one this service knew"
                )
        return {names[where]: offset for where, offset in stored.items()}

    async def _read(self, names: Iterable[Partition]) -> Mapping[Partition, int]:
        async with self._database.reading() as conn:
            return await offsets.stored(conn, names)

    async def _begin(
        self, consumer: Any, new: Mapping[Partition, TopicPartition], ends: Mapping[TopicPartition, int]
    ) -> None:
        beginnings = await consumer.beginning_offsets(list(new.values()))
        async with self._database.transaction() as conn:
            for where, each in sorted(new.items()):
                await offsets.begin(conn, where, beginning=beginnings[each], end=ends[each])


class _GroupOffsets:
    """The group's offsets on the broker, which only monitoring reads: written beside the batches, not in their way."""

    def __init__(self) -> None:
        self._consumer: Any = None
        self._positions: dict[TopicPartition, int] = {}

    def passed(self, consumer: Any, batch: Mapping[TopicPartition, Extent]) -> None:
        """The batch is applied: to be written soon."""
        self._consumer = consumer
        self._positions |= {partition: behind for partition, (_, behind) in batch.items()}

    async def run(self) -> None:
        """Write once a second until cancelled; what has moved to another process is left to it."""
        while True:
            await asyncio.sleep(GROUP_OFFSETS_SECONDS)
            positions, self._positions = self._positions, {}
            try:
                assigned = self._consumer.assignment() if positions else ()
                if ours := {partition: positions[partition] for partition in assigned if partition in positions}:
                    await self._consumer.commit(ours)
            except (KafkaError, IllegalStateError) as error:
                log.debug("group_offsets_not_written", error=describe(error))


async def _raw_batch(batch: Any) -> KafkaAckableMessage:
    """A one-argument parser replaces FastStream's own, which fails on headers that are not UTF-8."""
    return KafkaAckableMessage(body=batch, raw_message=batch, headers={}, consumer=None)


async def _body(message: KafkaAckableMessage) -> Any:
    return message.body


def _records(settings: Settings, batch: Batch) -> list[Record]:
    names = {topic: settings.logical(topic) for topic in {record.topic for record in batch}}
    return [
        Record(names[record.topic], record.partition, record.offset, record.key, record.value, tuple(record.headers))
        for record in batch
    ]
