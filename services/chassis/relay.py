"""The relay: outbox rows to Kafka in order, deleted when Kafka has them.

One relay a service (an advisory lock on its own connection). Per partition nothing later is sent before the earlier
is acknowledged, and at the first failure everything stops: what was acknowledged is deleted, and a fresh producer
begins again at the oldest row. A crash in between repeats events, never loses or reorders them.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError
from aiokafka.partitioner import DefaultPartitioner

from services.chassis import db, tracing
from services.chassis.config import Settings
from services.chassis.db import Connection
from services.chassis.latency import observe_streams
from services.chassis.log import describe
from services.chassis.metrics import RELAY_FAILURES, RELAYED, relay_failed
from services.chassis.offsets import Partition

log = structlog.get_logger()

LOCK_ID = 0x4C6F747365  # "Lotse"
ROWS_A_PASS = 2000
POLL_SECONDS = 0.05
LOCK_POLL_SECONDS = 0.5
STOP_SECONDS = 3.0
SEND_SECONDS = 20.0
# aiokafka asks for a missing topic again and again for its whole request timeout; meanwhile nothing else would go out.
METADATA_SECONDS = 1.0
REFUSED_TOPIC_PAUSE_SECONDS = 15.0
# One record may have 256 KiB and must fit a batch together with its key and headers.
BATCH_BYTES = 400 * 1024

_partition_for = DefaultPartitioner()


class SendFailed(Exception):
    """Kafka did not acknowledge a batch in time or refused it; the cause is attached."""


class Row(NamedTuple):
    """One outbox row as the relay sends it."""

    seq: int
    topic: str
    key: bytes
    headers: list[tuple[str, bytes]]
    value: bytes


async def _at_once() -> None:
    return None


class Relay:
    """Moves one service's outbox to Kafka while this process holds the lock."""

    def __init__(self, service: str, settings: Settings, before: Callable[[], Awaitable[None]] = _at_once) -> None:
        """before: what has to be done, under the lock, before anything is sent."""
        self._service = service
        self._settings = settings
        self._before = before
        self._missing: dict[str, float] = {}
        self._waiting_for: asyncio.Event | None = None

    def wake(self) -> bool:
        """Look at the outbox now. Returns False when it is not this process's relay that sends."""
        if self._waiting_for is None:
            return False
        self._waiting_for.set()
        return True

    async def run(self) -> None:
        """Take the lock, then send for ever. Raises on the first failure: the next run starts with a fresh producer."""
        url = str(self._settings.database_url)
        conn = await db.connect(url, f"lotse-{self._service}-relay")
        try:
            await self._take_lock(conn)
            await self._before()
            # A delete that a crash of the database takes back is a row that goes out twice, as after a crash of ours.
            await conn.execute("set synchronous_commit = off")
            wake = asyncio.Event()
            await conn.add_listener("lotse_outbox", lambda *_: wake.set())
            producer = make_producer(self._service, self._settings)
            try:
                await producer.start()
                log.info("relay_started")
                await self._loop(conn, producer, wake)
            finally:
                await stop_producer(producer)
        finally:
            conn.terminate()

    async def _take_lock(self, conn: Connection) -> None:
        """Ask again and again: a statement that waits for the lock would hold back vacuum for as long."""
        while not await conn.fetchval("select pg_try_advisory_lock($1)", LOCK_ID):  # noqa: ASYNC110  # it is in PostgreSQL
            await asyncio.sleep(LOCK_POLL_SECONDS)

    async def _loop(self, conn: Connection, producer: Any, wake: asyncio.Event) -> None:
        self._waiting_for = wake
        try:
            while True:
                wake.clear()
                if await self.send_pass(conn, producer) >= ROWS_A_PASS:
                    continue
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_SECONDS):
                        await wake.wait()
        finally:
            self._waiting_for = None

    async def send_pass(self, conn: Connection, producer: Any) -> int:
        """Send up to 2000 of the oldest rows and delete those acknowledged; returns how many. Raises SendFailed."""
        rows = await oldest_rows(conn, list(self._skipped_topics()))
        if not rows:
            return 0
        partitions = await self._by_partition(producer, rows)
        with tracing.batch("relay", (row.headers for row in rows)):
            results = await asyncio.gather(
                *(self._send_partition(producer, topic, number, part) for (topic, number), part in partitions.items())
            )
        acknowledged = [seq for sent in results for seq in sent.seqs]
        await _delete_sent(conn, acknowledged, self._behind(partitions, results))
        RELAYED.inc(len(acknowledged))
        await observe_streams(conn, rows, acknowledged)
        for (topic, _), sent in zip(partitions, results, strict=True):
            if isinstance(sent.error, TopicAuthorizationFailedError):
                self._skip(self._settings.logical(topic), "topic_refused", REFUSED_TOPIC_PAUSE_SECONDS)
            elif sent.error is not None:
                raise SendFailed from sent.error
        return len(acknowledged)

    def _behind(self, partitions: Iterable[tuple[str, int]], results: Iterable["Sent"]) -> dict[Partition, int]:
        """Behind the last record sent, for each partition in which something was."""
        return {
            Partition(self._settings.logical(topic), number): sent.behind
            for (topic, number), sent in zip(partitions, results, strict=True)
            if sent.behind is not None
        }

    async def _by_partition(self, producer: Any, rows: Sequence[Row]) -> dict[tuple[str, int], list[Row]]:
        """Rows by physical topic and partition, in order; rows of a topic that does not exist stay behind."""
        parts: dict[tuple[str, int], list[Row]] = defaultdict(list)
        numbers: dict[str, list[int]] = {}
        for row in rows:
            if row.topic not in numbers:
                numbers[row.topic] = await self._partition_numbers(producer, row.topic)
            available = numbers[row.topic]
            if available:
                number = _partition_for(row.key, available, available)
                parts[self._settings.physical(row.topic), number].append(row)
        return parts

    async def _partition_numbers(self, producer: Any, topic: str) -> list[int]:
        try:
            async with asyncio.timeout(METADATA_SECONDS):
                return sorted(await producer.partitions_for(self._settings.physical(topic)))
        except (UnknownTopicOrPartitionError, TopicAuthorizationFailedError):
            self._skip(topic, "topic_missing", REFUSED_TOPIC_PAUSE_SECONDS)
        except TimeoutError:
            # Missing, or the broker is slow: look again soon.
            self._skip(topic, "topic_missing", METADATA_SECONDS)
        return []

    def _skip(self, topic: str, event: str, seconds: float) -> None:
        """Leave a topic's rows where they are for a while, and send all others."""
        RELAY_FAILURES.labels(event).inc()
        log.error(event, topic=topic, way_out="lotse apply")
        self._missing[topic] = asyncio.get_running_loop().time() + seconds

    def _skipped_topics(self) -> Sequence[str]:
        moment = asyncio.get_running_loop().time()
        self._missing = {topic: until for topic, until in self._missing.items() if until > moment}
        return list(self._missing)

    async def _send_partition(self, producer: Any, topic: str, number: int, rows: list[Row]) -> "Sent":
        """Send one partition's rows batch by batch, each awaited before the next; stops at the first failure."""
        sent = Sent()
        while rows:
            batch, taken = fill_batch(producer, rows)
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    metadata = await (await producer.send_batch(batch, topic, partition=number))
            except (KafkaError, TimeoutError, OSError) as error:
                relay_failed(error)
                log.warning("send_failed", topic=topic, partition=number, error=describe(error))
                return replace(sent, error=error)
            # A repeat that the broker recognised has no offset.
            behind = metadata.offset + taken if metadata.offset >= 0 else sent.behind
            sent = Sent([*sent.seqs, *(row.seq for row in rows[:taken])], behind)
            rows = rows[taken:]
        return sent


@dataclass(frozen=True)
class Sent:
    """What became of one partition's rows: those acknowledged, the offset behind them, and what stopped the rest."""

    seqs: list[int] = field(default_factory=list)
    behind: int | None = None
    error: BaseException | None = None


async def _delete_sent(conn: Connection, seqs: list[int], behind: Mapping[Partition, int]) -> None:
    """Delete what Kafka has, and note how far it goes: a database restored later knows by that what it lost."""
    places = sorted(behind)
    await conn.execute(
        """
        with gone as (delete from chassis.outbox where seq = any($1))
        insert into chassis.sent_offset (topic, partition, next_offset)
        select * from unnest($2::text[], $3::integer[], $4::bigint[])
        on conflict (topic, partition) do update
        set next_offset = greatest(sent_offset.next_offset, excluded.next_offset)
        """,
        seqs,
        [where.topic for where in places],
        [where.partition for where in places],
        [behind[where] for where in places],
    )


async def oldest_rows(conn: Connection, skipped_topics: list[str]) -> list[Row]:
    """The oldest outbox rows in order, without those of `skipped_topics`."""
    rows = await conn.fetch(
        """
        select seq, topic, key, headers, value from chassis.outbox
        where topic <> all($1::text[]) order by seq limit $2
        """,
        skipped_topics,
        ROWS_A_PASS,
    )
    return [
        Row(
            seq,
            topic,
            key.encode(),
            list(zip(flat[::2], (text.encode() for text in flat[1::2]), strict=True)),
            value,
        )
        for seq, topic, key, flat, value in rows
    ]


def fill_batch(producer: Any, rows: Sequence[Row]) -> tuple[Any, int]:
    """A batch of as many leading rows as fit, and how many those are (at least one)."""
    batch = producer.create_batch()
    taken = 0
    for row in rows:
        if batch.append(key=row.key, value=row.value, timestamp=None, headers=row.headers) is None:
            break
        taken += 1
    if taken == 0:
        raise ValueError(f"outbox row {rows[0].seq} does not fit an empty batch")
    batch.close()
    return batch, taken


def make_producer(service: str, settings: Settings) -> Any:
    """A producer that repeats nothing by itself and is acknowledged by all replicas."""
    return AIOKafkaProducer(
        bootstrap_servers=settings.kafka,
        client_id=f"lotse-{service}-relay",
        acks="all",
        enable_idempotence=True,
        compression_type="lz4",
        max_batch_size=BATCH_BYTES,
        max_request_size=1024 * 1024,
        request_timeout_ms=10_000,
        **settings.kafka_credentials(),
    )


async def stop_producer(producer: Any) -> None:
    """Bounded: `stop` flushes, and a dead broker would keep it for ever.

    What could not be flushed must not go out later beside a fresh producer: then sender and client are closed by hand.
    """
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await producer.stop()
    except (TimeoutError, KafkaError, OSError) as error:
        log.warning("producer_stop_cut_short", error=describe(error))
        await _cut(producer)


async def _cut(producer: Any) -> None:
    # Private, but there is no other way to end a producer without its flush; a test pins it.
    for close in (producer._sender.close, producer.client.close):
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await close()
        except (TimeoutError, KafkaError, OSError) as error:
            log.warning("producer_not_closed", error=describe(error))
