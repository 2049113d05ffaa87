"""What a broken or hostile producer can put on a topic, through a real broker and the real consumer."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.producer import message_accumulator
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from services.chassis.config import Settings
from services.chassis.db import Database
from services.chassis.records import MAX_KEY_BYTES, MAX_SOURCE_BYTES, Record
from tests.chassis.probe import EFFECTS, SOURCE, Probe, given, record
from tests.chassis.test_consume import consuming, send
from tests.conftest import eventually
from tests.harness import make_settings

PARTITION = 0


@pytest.fixture
async def fresh(create_database: Any, tmp_path: Any) -> AsyncIterator[Database]:
    """A database that has read nothing yet."""
    opened = await Database.open(await create_database("chassis"), "test")
    async with opened.transaction() as conn:
        await conn.execute(EFFECTS)
    yield opened
    await opened.close()


@pytest.fixture
def settings(tmp_path: Any, stack: Any, topic_prefix: str) -> Settings:
    """On the real broker, with topics of this test's own."""
    return make_settings(
        tmp_path,
        "postgresql://unused",
        kafka=stack.kafka.bootstrap,
        kafka_user=stack.kafka.admin,
        kafka_password=stack.kafka.password,
        topic_prefix=topic_prefix,
    )


async def applied(database: Database) -> int:
    """How many events had an effect."""
    async with database.reading() as conn:
        count: int = await conn.fetchval("select count(*) from effect")
    return count


async def letters(database: Database) -> list[str]:
    """Why records were parked, in the order of the bus."""
    async with database.reading() as conn:
        rows = await conn.fetch("select code from chassis.dead_letter order by record_offset")
    return [row["code"] for row in rows]


def changed(event: Record, headers: Sequence[tuple[str, Any]]) -> Record:
    """The record with other headers."""
    return Record(event.topic, event.partition, event.offset, event.key, event.value, tuple(headers))


def doubled(event: Record, name: str, value: bytes) -> Record:
    """The record with a header of that name once more."""
    return changed(event, [*event.headers, (name, value)])


def big(event: Record, size: int) -> Record:
    """A value of that many bytes that is JSON of its type, most of it in a field that no reader knows."""
    value = (event.value or b"")[:-1] + b',"unknown":"' + b"x" * size + b'"}'
    return Record(event.topic, event.partition, event.offset, event.key, value, event.headers)


async def test_each_kind_of_broken_record_parks_its_own_key_and_nothing_else(settings, fresh, stack) -> None:
    """All of them in one partition, good events between them."""
    fresh_event = lambda: record(given(uuid4()), 1, 0)  # noqa: E731 - a new case each time
    keyless, long_key, far = fresh_event(), fresh_event(), fresh_event()
    noise = random.Random(1).randbytes(3000).hex().encode()  # noqa: S311 - bytes that do not compress
    broken = [
        (doubled(fresh_event(), "ce_id", b"x"), "envelope"),
        (doubled(fresh_event(), "ce_source", SOURCE.encode()), "envelope"),
        (doubled(fresh_event(), "content-type", b"application/json"), "envelope"),
        (changed(fresh_event(), []), "envelope"),
        (record(given(uuid4()), 1, 0, ce_source=b"/" + noise), "envelope"),
        (record(given(uuid4()), 1, 0, ce_type=b"lotse." + noise), "envelope"),
        (Record(far.topic, 0, 0, None, far.value, far.headers), "no-key"),
        (Record(long_key.topic, 0, 0, noise, long_key.value, long_key.headers), "no-key"),
        (Record(keyless.topic, 0, 0, b"", keyless.value, keyless.headers), "no-key"),
        (record(given(uuid4()), 1, 0, value=b"{" * 900_000), "undecodable"),
    ]
    good = [fresh_event() for _ in broken]
    await send(stack, settings, [each for pair in zip((bad for bad, _ in broken), good, strict=True) for each in pair])
    async with consuming(settings, fresh, Probe()) as task:
        await eventually(lambda: _has(fresh, len(good)))
        assert not task.done()
    assert await letters(fresh) == [code for _, code in broken]


async def _has(database: Database, count: int) -> bool:
    return await applied(database) >= count


async def test_the_longest_key_and_source_that_are_taken_can_be_kept(settings, fresh, stack) -> None:
    """The limits stay below what an index of PostgreSQL holds, even of bytes that do not compress."""
    noise = random.Random(2).randbytes(MAX_KEY_BYTES).hex().encode()  # noqa: S311 - only to be incompressible
    key, source = noise[:MAX_KEY_BYTES], b"/" + noise[: MAX_SOURCE_BYTES - 1]
    event = record(given(uuid4()), 1, 0, ce_source=source, ce_partitionkey=key)
    longest = Record(event.topic, 0, 0, key, event.value, event.headers)
    broken = Record(
        event.topic, 0, 0, key, b"{", record(given(uuid4()), 2, 0, ce_source=source, ce_partitionkey=key).headers
    )
    await send(stack, settings, [longest, broken])
    async with consuming(settings, fresh, Probe()):
        await eventually(lambda: _parked(fresh, 1))
    assert await applied(fresh) == 1


async def _parked(database: Database, count: int) -> bool:
    return len(await letters(database)) >= count


async def test_an_event_of_nine_hundred_kilobytes_is_applied(settings, fresh, stack) -> None:
    """As large as the broker takes: unknown fields are ignored, however long."""
    await send(stack, settings, [big(record(given(uuid4()), 1, 0), 900_000), record(given(uuid4()), 1, 0)])
    async with consuming(settings, fresh, Probe()):
        await eventually(lambda: _has(fresh, 2))
    assert await letters(fresh) == []


@pytest.mark.parametrize("codec", ["none", "gzip", "lz4", "zstd", "snappy"])
async def test_a_header_name_that_is_not_utf8_holds_up_nothing(
    settings, fresh, stack, monkeypatch: pytest.MonkeyPatch, codec: str
) -> None:
    """aiokafka alone would fail on it for ever; the event behind it is applied, and the one with it as well."""
    before, spoiled, after = (record(given(uuid4()), 1, 0) for _ in range(3))
    torn = record(given(uuid4()), 1, 0, ce_sequence=None)
    batch = [
        before,
        doubled(spoiled, "x-MARK", b"1"),
        doubled(torn, "x-MARK", b"1"),
        after,
    ]
    # The client's fast builder takes plain texts only; its slow one asks the name for its bytes.
    monkeypatch.setattr(message_accumulator, "DefaultRecordBatchBuilder", _DefaultRecordBatchBuilderPy)
    await spoiled_names(stack, settings, batch, codec)
    monkeypatch.undo()
    async with consuming(settings, fresh, Probe()) as task:
        await eventually(lambda: _has(fresh, 3))
        assert not task.done()
    async with fresh.reading() as conn:
        names = await conn.fetchval("select header_names from chassis.dead_letter")
    assert "x-\\xff\\xfe\\xfdK" in names


async def spoiled_names(stack: Any, settings: Settings, batch: Sequence[Record], codec: str) -> None:
    """Send one batch in which the name x-MARK stands as bytes that are no text."""
    producer = AIOKafkaProducer(
        **stack.kafka.asyncio_client(), compression_type=None if codec == "none" else codec, linger_ms=200
    )
    await producer.start()
    try:
        builder = producer.create_batch()
        for each in batch:
            headers = [(_Raw(name), value) for name, value in each.headers]
            assert builder.append(key=each.key, value=each.value, timestamp=None, headers=headers)
        await producer.send_batch(builder, settings.physical(batch[0].topic), partition=PARTITION)
        await producer.flush()
    finally:
        await producer.stop()


class _Raw(str):
    """A text that is written as other bytes."""

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return super().encode(encoding, errors).replace(b"MAR", b"\xff\xfe\xfd")


async def test_a_flood_of_poison_fills_no_table(settings, fresh, stack) -> None:
    """10,000 events that cannot be applied, each of a case of its own: the consumer stops, and says so."""
    await flood(stack, settings, 10_000)
    async with consuming(settings, fresh, Probe()) as task:
        await eventually(task.done, timeout=60)
    assert len(await letters(fresh)) <= 10
    async with fresh.reading() as conn:
        assert await conn.fetchval("select count(*) from chassis.key") <= 10
        assert await conn.fetchval("select pg_total_relation_size('chassis.dead_letter')") < 1_000_000


async def flood(stack: Any, settings: Settings, count: int) -> None:
    """Many broken records at once."""
    model = record(given(uuid4()), 1, 0, value=b"{")
    producer = AIOKafkaProducer(**stack.kafka.asyncio_client(), linger_ms=20)
    await producer.start()
    try:
        topic, sent = settings.physical(model.topic), []
        for _ in range(count):
            key = str(uuid4()).encode()
            headers = [(name, key if name == "ce_partitionkey" else value) for name, value in model.headers]
            sent.append(await producer.send(topic, model.value, key=key, headers=headers, partition=PARTITION))
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


async def test_a_flood_of_one_case_waits_as_one(settings, fresh, stack) -> None:
    """200 broken events of one case are one parked key and no alarm: a case is mended as a whole."""
    case = uuid4()
    await send(stack, settings, [record(given(case), version, 0, value=b"{") for version in range(1, 201)])
    await send(stack, settings, [record(given(uuid4()), 1, 0)])
    async with consuming(settings, fresh, Probe()) as task:
        await eventually(lambda: _has(fresh, 1))
        assert not task.done()
    assert await letters(fresh) == ["undecodable"] + ["waits"] * 199
