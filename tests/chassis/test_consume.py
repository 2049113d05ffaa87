"""The consumer on a real Kafka: reads where its own database says, whoever else reads and whatever comes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import AdminClient

from services.chassis import client_health
from services.chassis import consume as consume_module
from services.chassis import offsets as offsets_module
from services.chassis.config import Settings
from services.chassis.consume import Consumer
from services.chassis.db import Database
from services.chassis.metrics import REGISTRY
from services.chassis.records import Record
from services.chassis.supervise import supervise
from tests.chassis.probe import EFFECTS, Probe, given, record
from tests.conftest import eventually
from tests.harness import make_settings


@pytest.fixture
async def fresh(database_url: str) -> AsyncIterator[Database]:
    """A database that has read nothing yet."""
    opened = await Database.open(database_url, "test")
    async with opened.transaction() as conn:
        await conn.execute(EFFECTS)
    yield opened
    await opened.close()


@pytest.fixture
def settings(tmp_path, database_url: str, stack: Any, topic_prefix: str) -> Settings:
    """On the real broker, with topics of this test's own."""
    return make_settings(
        tmp_path,
        database_url,
        kafka=stack.kafka.bootstrap,
        kafka_user=stack.kafka.admin,
        kafka_password=stack.kafka.password,
        topic_prefix=topic_prefix,
    )


@asynccontextmanager
async def consuming(settings: Settings, database: Database, probe: Probe) -> AsyncIterator[asyncio.Task[None]]:
    """A supervised consumer."""
    consumer = Consumer("test", settings, database, probe.handlers)
    task = asyncio.create_task(supervise("consumer", consumer.run))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def send(stack: Any, settings: Settings, records: Sequence[Record]) -> None:
    """Put records on the bus as they are."""
    producer = AIOKafkaProducer(**stack.kafka.asyncio_client())
    await producer.start()
    try:
        for each in records:
            await producer.send_and_wait(
                settings.physical(each.topic),
                each.value,
                key=each.key,
                headers=list(each.headers),
                partition=each.partition,
            )
    finally:
        await producer.stop()


async def versions(database: Database) -> list[int]:
    async with database.reading() as conn:
        return [row["version"] for row in await conn.fetch("select version from effect order by n")]


async def test_events_of_all_partitions_arrive_and_broken_headers_stop_nothing(settings, fresh, stack) -> None:
    """FastStream's own parser would fail on a header that is not UTF-8 before any handler; ours parks its case."""
    events = [record(given(uuid4()), 1, 0, partition=number) for number in range(3)]
    broken = record(given(uuid4()), 1, 0, ce_type=b"\xff\xfe")
    await send(stack, settings, [broken, *events])
    async with consuming(settings, fresh, Probe()):
        await eventually(lambda: _has(fresh, 3))
    async with fresh.reading() as conn:
        assert await conn.fetchval("select code from chassis.dead_letter") == "envelope"


async def _has(database: Database, count: int) -> bool:
    return len(await versions(database)) >= count


async def test_a_second_run_reads_nothing_again_and_goes_on(settings, fresh, stack) -> None:
    """The stored offsets decide, not the group's."""
    case = uuid4()
    await send(stack, settings, [record(given(case), 1, 0), record(given(case), 2, 0)])
    async with consuming(settings, fresh, Probe()):
        await eventually(lambda: _has(fresh, 2))
    await send(stack, settings, [record(given(case), 3, 0)])
    async with consuming(settings, fresh, Probe()):
        await eventually(lambda: _has(fresh, 3))
    assert await versions(fresh) == [1, 2, 3]


async def test_the_groups_own_offsets_follow_for_monitoring(settings, fresh, stack) -> None:
    """They are written beside the batches, and tell Kafka's tools how far the service is."""
    await send(stack, settings, [record(given(uuid4()), 1, 0, partition=1) for _ in range(3)])
    async with consuming(settings, fresh, Probe()):
        await eventually(lambda: _group_stands_at(stack, settings, partition=1, offset=3))


async def _group_stands_at(stack: Any, settings: Settings, *, partition: int, offset: int) -> bool:
    admin = AdminClient(stack.kafka.client())
    (asked,) = admin.list_consumer_group_offsets(
        [ConsumerGroupTopicPartitions(f"{settings.topic_prefix}.test")]
    ).values()
    written = (await asyncio.to_thread(asked.result, 10)).topic_partitions
    return (partition, offset) in [(each.partition, each.offset) for each in written]


async def test_a_database_restored_to_an_older_state_reads_again_what_it_lost(settings, fresh, stack) -> None:
    """History c: offsets and effects are of one transaction, so both are older, and the bus still has the rest."""
    case = uuid4()
    await send(stack, settings, [record(given(case), version, 0) for version in (1, 2, 3)])
    async with consuming(settings, fresh, Probe()):
        await eventually(lambda: _has(fresh, 3))
    async with fresh.transaction() as conn:
        await conn.execute("delete from effect where version > 1")
        await conn.execute("update chassis.applied set version = 1")
        await conn.execute("update chassis.next_offset set next_offset = 1 where partition = 0")
    async with consuming(settings, fresh, Probe()):
        await eventually(lambda: _has(fresh, 3))
    assert await versions(fresh) == [1, 2, 3]


async def test_history_g_a_partition_moves_while_a_batch_is_under_way(settings, fresh, database_url, stack) -> None:
    """Two processes: the first is in the middle of a batch when its partitions move; each event is applied once."""
    case = uuid4()
    slow, quick = Probe(), Probe()
    entered, leave = asyncio.Event(), asyncio.Event()
    original = slow._each

    async def each(conn, event, now):
        await original(conn, event, now)
        entered.set()
        await leave.wait()

    slow._each = each  # type: ignore[method-assign]  # holds its transaction open until it is let go
    other = await Database.open(database_url, "other")
    await send(stack, settings, [record(given(case), version, 0) for version in (1, 2, 3)])
    async with consuming(settings, fresh, slow):
        await entered.wait()
        async with consuming(settings, other, quick):
            await eventually(lambda: _two_members(stack, settings))
            leave.set()
            await send(stack, settings, [record(given(case), version, 0) for version in (4, 5)])
            await eventually(lambda: _has(fresh, 5))
    await other.close()
    assert await versions(fresh) == [1, 2, 3, 4, 5]
    async with fresh.reading() as conn:
        assert await conn.fetchval("select count(*) from chassis.dead_letter") == 0


async def _two_members(stack: Any, settings: Settings) -> bool:
    group = f"{settings.topic_prefix}.test"
    admin = AdminClient(stack.kafka.client())
    described = await asyncio.to_thread(admin.describe_consumer_groups([group])[group].result, 10)
    return len(described.members) == 2


async def test_a_batch_that_another_process_has_gone_past_is_not_applied(settings, fresh, stack) -> None:
    """A zombie seeks to where its database is, and goes on from there."""
    case = uuid4()
    probe = Probe()
    async with consuming(settings, fresh, probe):
        await send(stack, settings, [record(given(case), 1, 0)])
        await eventually(lambda: _has(fresh, 1))
        async with fresh.transaction() as conn:
            await conn.execute("update chassis.next_offset set next_offset = 2 where partition = 0")
            await conn.execute("update chassis.applied set version = 2")
        await send(stack, settings, [record(given(case), 2, 0), record(given(case), 3, 0)])
        await eventually(lambda: _has(fresh, 2))
    assert await versions(fresh) == [1, 3]


async def test_a_flood_of_poison_stops_the_consumer(settings, fresh, stack) -> None:
    """More than ten cases parked within a minute: the consumer stops, the process does not."""
    await send(stack, settings, [record(given(uuid4()), 9, 0) for _ in range(30)])
    async with consuming(settings, fresh, Probe()) as task:
        await eventually(task.done)
    async with fresh.reading() as conn:
        assert await conn.fetchval("select count(*) from chassis.dead_letter") <= 10


async def test_a_batch_that_fails_is_not_overtaken_by_the_next(settings, fresh, stack, monkeypatch) -> None:
    """FastStream hands over the next batch before it notices the end: nothing of it may move the offset."""
    monkeypatch.setattr(consume_module, "MAX_RECORDS", 20)
    poison = [record(given(uuid4()), 9, 0) for _ in range(20)]
    await send(stack, settings, [*poison, *(record(given(uuid4()), 1, 0) for _ in range(40))])
    async with consuming(settings, fresh, Probe()) as task:
        await eventually(task.done)
    async with fresh.reading() as conn:
        assert await conn.fetchval("select next_offset from chassis.next_offset where partition = 0") == 0
    assert await versions(fresh) == []


async def test_an_error_of_the_fetch_loses_no_record_of_another_partition(settings, fresh, stack, monkeypatch) -> None:
    """The client had taken out records when it failed: the run begins again where the database is."""
    events = [record(given(uuid4()), 1, 0, partition=number % 3) for number in range(6)]
    failures, original = [RuntimeError("corrupt")], AIOKafkaConsumer.getmany

    async def getmany(self, *args, **kwargs):
        taken = await original(self, *args, **kwargs)
        if taken and failures:
            raise failures.pop()
        return taken

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", getmany)
    await send(stack, settings, events)
    async with consuming(settings, fresh, Probe()):
        await eventually(lambda: _has(fresh, 6))
    assert await versions(fresh) == [1] * 6


async def test_a_hole_in_what_is_read_is_read_again(settings, fresh, stack, monkeypatch) -> None:
    """Records that the client lost on the way are fetched once more before anything later is applied."""
    case, losses, polls = uuid4(), [1], []
    original = AIOKafkaConsumer.getmany

    async def getmany(self, *args, **kwargs):
        polls.append(1)
        taken = await original(self, *args, **kwargs)
        if taken and losses:
            losses.pop()
            return {}
        return taken

    async with consuming(settings, fresh, Probe()):
        await send(stack, settings, [record(given(case), 1, 0)])
        await eventually(lambda: _has(fresh, 1))
        monkeypatch.setattr(AIOKafkaConsumer, "getmany", getmany)
        await eventually(lambda: polls)
        await send(stack, settings, [record(given(case), 2, 0)])
        await eventually(lambda: not losses)
        await send(stack, settings, [record(given(case), 3, 0)])
        await eventually(lambda: _has(fresh, 3))
    assert await versions(fresh) == [1, 2, 3]


@pytest.mark.parametrize(
    ("part", "task"),
    [("_client", "_sync_task"), ("_fetcher", "_fetch_task"), ("_coordinator", "_coordination_task")],
)
async def test_a_client_that_breaks_inside_is_replaced(settings, fresh, stack, monkeypatch, part, task) -> None:
    """aiokafka says nothing when a task of its own ends, and would then wait for ever: a fresh client reads on."""
    clients: list[Any] = []
    check = client_health.check
    monkeypatch.setattr(client_health, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(client_health, "check", lambda consumer: (clients.append(consumer), check(consumer)))
    probe, key = Probe(), uuid4()
    await send(stack, settings, [record(given(key), 1, 0)])
    async with consuming(settings, fresh, probe):
        await eventually(lambda: _has(fresh, 1))
        # The event may be applied before anybody has looked at the client.
        await eventually(lambda: clients and clients[-1])
        broken = clients[-1]
        inner = getattr(getattr(broken, part), task)
        inner.cancel()
        await eventually(inner.done)
        await eventually(lambda: clients[-1] is not None and clients[-1] is not broken)
        await send(stack, settings, [record(given(key), 2, 1)])
        await eventually(lambda: _has(fresh, 2))


async def test_an_error_while_partitions_are_assigned_ends_the_run(settings, fresh, stack, monkeypatch) -> None:
    """aiokafka would swallow it and leave the partitions paused for ever; the next run reads."""
    failures, original = [RuntimeError("not transient")], offsets_module.stored

    async def stored(*args):
        if failures:
            raise failures.pop()
        return await original(*args)

    monkeypatch.setattr(offsets_module, "stored", stored)
    await send(stack, settings, [record(given(uuid4()), 1, 0)])
    async with consuming(settings, fresh, Probe()):
        await eventually(lambda: _has(fresh, 1))


async def test_a_bus_that_ends_before_what_was_read_stops_the_consumer(settings, fresh, stack) -> None:
    """The topic was made anew: going on in silence would apply nothing for ever."""
    async with fresh.transaction() as conn:
        await conn.execute("insert into chassis.next_offset values ('lotse.cases.v1', 0, 500, 0)")
    async with consuming(settings, fresh, Probe()) as task:
        await eventually(task.done)


async def test_without_a_broker_the_consumer_waits_and_can_be_stopped(settings, fresh) -> None:
    """Kafka's outage at our start is waited out, and does not keep the process from ending."""
    dark = settings.model_copy(update={"kafka": "127.0.0.1:1"})
    async with consuming(dark, fresh, Probe()) as task:
        await asyncio.sleep(0)
        await eventually(lambda: _restarted("consumer"))
        assert not task.done()


def _restarted(name: str) -> bool:
    return bool(REGISTRY.get_sample_value("lotse_task_restarts_total", {"task": name}))
