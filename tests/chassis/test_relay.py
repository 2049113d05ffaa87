"""The relay on a real Kafka: in order, at least once, through its own crashes and the broker's refusals."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaTimeoutError, TopicAuthorizationFailedError

from schemas import parse_headers
from services.chassis import relay as relay_module
from services.chassis.config import Settings
from services.chassis.db import Database, connect
from services.chassis.identity import check_identity
from services.chassis.keys import Key, lock_keys
from services.chassis.outbox import publish
from services.chassis.relay import LOCK_ID, Relay, SendFailed, make_producer, stop_producer
from services.chassis.supervise import supervise
from services.chassis.wake import Waker
from tests.chassis.probe import given
from tests.conftest import eventually
from tests.harness import make_settings

# Other services of this run hold the same lock in databases of their own.
OURS = f"""
    locktype = 'advisory' and granted and objid = {LOCK_ID & 0xFFFFFFFF}
    and database = (select oid from pg_database where datname = current_database())
"""  # noqa: S608  # our own words


@pytest.fixture
async def settings(tmp_path, database: Database, database_url: str, stack: Any, topic_prefix: str) -> Settings:
    """On the real broker, with topics of this test's own."""
    async with database.transaction() as conn:
        await check_identity(conn, "intake", "koblenz")
    return make_settings(
        tmp_path,
        database_url,
        kafka=stack.kafka.bootstrap,
        kafka_user=stack.kafka.admin,
        kafka_password=stack.kafka.password,
        topic_prefix=topic_prefix,
    )


@pytest.fixture
async def producer(settings: Settings) -> AsyncIterator[Any]:
    """A started producer."""
    made = make_producer("test", settings)
    await made.start()
    yield made
    await stop_producer(made)


@pytest.fixture
async def conn(database_url: str) -> AsyncIterator[Any]:
    """The relay's own connection."""
    opened = await connect(database_url, "test-relay")
    yield opened
    await opened.close()


async def write(database: Database, *cases: UUID) -> None:
    """One event per case, in one transaction each."""
    for case in cases:
        async with database.transaction() as conn:
            await lock_keys(conn, [Key("lotse.cases.v1", str(case))])
            await publish(conn, given(case), at=datetime.now(UTC))


async def read_all(settings: Settings, stack: Any) -> list[tuple[str, int]]:
    """(key, version) of everything on the cases topic, in order within each partition."""
    consumer = AIOKafkaConsumer(**stack.kafka.asyncio_client(), auto_offset_reset="earliest")
    await consumer.start()
    try:
        topic = settings.physical("lotse.cases.v1")
        partitions = [TopicPartition(topic, number) for number in range(3)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        seen: list[tuple[str, int]] = []
        for partition in partitions:
            await consumer.seek_to_beginning(partition)
        while any([await consumer.position(each) < ends[each] for each in partitions]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for each in records:
                    envelope = parse_headers(each.headers)
                    seen.append((envelope.key, envelope.sequence))
        return seen
    finally:
        await consumer.stop()


async def depth(database: Database) -> int:
    async with database.reading() as conn:
        count: int = await conn.fetchval("select count(*) from chassis.outbox")
    return count


async def test_rows_reach_kafka_in_order_and_leave(settings, database, producer, conn, stack) -> None:
    """Every version of every key, in order, and an empty outbox afterwards."""
    cases = [uuid4() for _ in range(7)]
    await write(database, *cases * 5)
    assert await Relay("test", settings).send_pass(conn, producer) == 35
    assert await depth(database) == 0
    seen = await read_all(settings, stack)
    for case in cases:
        assert [version for key, version in seen if key == str(case)] == [1, 2, 3, 4, 5]


async def test_a_crash_between_ack_and_delete_repeats_and_loses_nothing(
    settings, database, producer, conn, stack
) -> None:
    """The rows are still there and go out again, with the same versions."""
    case = uuid4()
    await write(database, case, case)

    class Dies:
        """A connection that is lost right before the delete."""

        fetch = conn.fetch

        async def execute(self, *_: Any) -> None:
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await Relay("test", settings).send_pass(Dies(), producer)
    await write(database, case)
    await Relay("test", settings).send_pass(conn, producer)
    assert await read_all(settings, stack) == [
        (str(case), 1),
        (str(case), 2),
        (str(case), 1),
        (str(case), 2),
        (str(case), 3),
    ]


async def test_a_send_that_fails_in_the_middle_stops_its_partition(
    settings, database, producer, conn, stack, monkeypatch
):
    """Nothing later overtakes: what was acknowledged leaves, the rest stays in order for a fresh producer."""
    case = uuid4()
    await write(database, *[case] * 6)
    monkeypatch.setattr(relay_module, "fill_batch", _two_at_a_time(relay_module.fill_batch))

    class Fails:
        """The second batch is refused, whatever would come after it."""

        calls = 0
        partitions_for = producer.partitions_for
        create_batch = producer.create_batch

        async def send_batch(self, *args: Any, **kwargs: Any) -> Any:
            Fails.calls += 1
            if Fails.calls == 2:
                raise KafkaTimeoutError
            return await producer.send_batch(*args, **kwargs)

    with pytest.raises(SendFailed):
        await Relay("test", settings).send_pass(conn, Fails())
    assert Fails.calls == 2
    assert await depth(database) == 4
    await Relay("test", settings).send_pass(conn, producer)
    assert await read_all(settings, stack) == [(str(case), version) for version in range(1, 7)]


def _two_at_a_time(original: Any) -> Any:
    return lambda producer, rows: original(producer, rows[:2])


async def test_a_topic_that_does_not_exist_holds_back_only_itself(settings, database, producer, conn) -> None:
    """A partner's stream that was never provisioned must not stop the others."""
    async with database.transaction() as writing:
        await writing.execute(
            "insert into chassis.outbox (event_id, topic, key, headers, value) values ($1, $2, 'k', '{}', 'x')",
            uuid4(),
            "lotse.partner.nobody.v1",
        )
    await write(database, uuid4())
    relay = Relay("test", settings)
    assert await relay.send_pass(conn, producer) == 1
    assert await depth(database) == 1
    assert await relay.send_pass(conn, producer) == 0


async def test_a_topic_that_is_refused_holds_back_only_itself(settings, database, producer, conn) -> None:
    """A lost ACL of one topic must not stop the others, whether it is noticed before the send or by it."""
    await write(database, uuid4())
    async with database.transaction() as writing:
        await writing.execute("update chassis.outbox set topic = 'lotse.circle.v1'")
    await write(database, uuid4(), uuid4())

    class Refuses:
        """No Describe, or no Write, on the circle."""

        create_batch = producer.create_batch
        at_metadata = True

        async def partitions_for(self, topic: str) -> Any:
            if self.at_metadata and "circle" in topic:
                raise TopicAuthorizationFailedError
            return await producer.partitions_for(topic)

        async def send_batch(self, batch: Any, topic: str, **kwargs: Any) -> Any:
            if "circle" in topic:
                raise TopicAuthorizationFailedError
            return await producer.send_batch(batch, topic, **kwargs)

    refusing = Refuses()
    assert await Relay("test", settings).send_pass(conn, refusing) == 2
    await write(database, uuid4())
    refusing.at_metadata = False
    assert await Relay("test", settings).send_pass(conn, refusing) == 1
    assert await depth(database) == 1


async def test_a_producer_that_cannot_flush_is_cut(settings, producer, monkeypatch) -> None:
    """What it still holds must not go out later beside a fresh one."""
    monkeypatch.setattr(relay_module, "STOP_SECONDS", 0.5)

    async def never() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(producer, "stop", never)
    await stop_producer(producer)
    assert producer._sender.sender_task.done()


async def test_a_dead_hosts_lock_is_noticed_by_the_server(conn) -> None:
    """Keepalives, and the user timeout for when a NOTIFY is unacknowledged."""
    shown = [await conn.fetchval(f"show {name}") for name in ("tcp_keepalives_idle", "tcp_user_timeout")]
    assert shown == ["10", "25000"]


async def test_one_process_relays_and_the_next_takes_over(settings, database, conn, stack) -> None:
    """Two processes of one service: the second waits for the lock, and goes on when the first is gone."""
    first, second = (asyncio.create_task(supervise(name, Relay("test", settings).run)) for name in ("a", "b"))
    case = uuid4()
    try:
        await write(database, case)
        await eventually(lambda: _empty(database))
        holders = await conn.fetchval(f"select count(*) from pg_locks where {OURS}")  # noqa: S608  # our own words
        assert holders == 1
        pid = await conn.fetchval(f"select pid from pg_locks where {OURS}")  # noqa: S608  # our own words
        first.cancel()
        second_alone = await conn.fetchval("select true")
        assert second_alone
        await conn.execute("select pg_terminate_backend($1)", pid)
        await write(database, case)
        await eventually(lambda: _empty(database))
        assert await read_all(settings, stack) == [(str(case), 1), (str(case), 2)]
    finally:
        for task in (first, second):
            task.cancel()
        await asyncio.gather(first, second, return_exceptions=True)


async def _empty(database: Database) -> bool:
    return await depth(database) == 0


async def test_a_commit_wakes_the_relay(settings, database, database_url, monkeypatch) -> None:
    """NOTIFY after the commit: with polling as good as off, the event still goes out."""
    monkeypatch.setattr(relay_module, "POLL_SECONDS", 3600)
    waker = Waker(database_url, "test")
    database.on_commit = waker.wake
    tasks = [asyncio.create_task(supervise("relay", Relay("test", settings).run)), asyncio.create_task(waker.run())]
    try:
        await eventually(lambda: _relay_listens(database))
        await write(database, uuid4())
        await eventually(lambda: _empty(database))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_commit_wakes_the_relay_of_its_own_process_at_once(
    settings, database, database_url, monkeypatch
) -> None:
    """No NOTIFY and no poll: where both are missing, the event still goes out."""
    monkeypatch.setattr(relay_module, "POLL_SECONDS", 3600)
    relay = Relay("test", settings)
    assert not relay.wake()
    database.on_commit = Waker(database_url, "test", relay.wake).wake
    task = asyncio.create_task(supervise("relay", relay.run))
    try:
        await eventually(relay.wake)
        await write(database, uuid4())
        await eventually(lambda: _empty(database))
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert not relay.wake()


async def _relay_listens(database: Database) -> bool:
    async with database.reading() as conn:
        held: bool = await conn.fetchval(
            "select exists (select 1 from pg_locks where objid = $1)", LOCK_ID & 0xFFFFFFFF
        )
    return held


async def test_more_than_a_batch_holds_goes_out_in_order_all_the_same(
    settings, database, producer, conn, stack
) -> None:
    """`append` returns None when a batch is full: what did not fit begins the next one, after the first is acked."""
    case = uuid4()
    await write(database, *[case] * 6)
    async with database.transaction() as writing:
        await writing.execute("update chassis.outbox set value = value || $1", os.urandom(150 * 1024))
    assert await Relay("test", settings).send_pass(conn, producer) == 6
    assert [version for _, version in await read_all(settings, stack)] == [1, 2, 3, 4, 5, 6]


async def test_one_record_of_the_largest_size_fits_a_batch(settings, database, producer, conn) -> None:
    """What `publish` takes, the relay can send."""
    async with database.transaction() as writing:
        await writing.execute(
            "insert into chassis.outbox (event_id, topic, key, headers, value) values ($1, $2, 'k', '{}', $3)",
            uuid4(),
            "lotse.cases.v1",
            bytes(256 * 1024),
        )
    assert await Relay("test", settings).send_pass(conn, producer) == 1
