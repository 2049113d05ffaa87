"""How far a service is behind, told from beside its consumer, on a real Kafka."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from services.chassis import lag as lag_module
from services.chassis.config import Settings
from services.chassis.db import Database
from services.chassis.lag import LagWatch
from services.chassis.metrics import REGISTRY
from tests.conftest import eventually
from tests.harness import make_settings

TOPIC = "lotse.cases.v1"


@pytest.fixture
def settings(tmp_path, database_url: str, stack: Any, topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """On the real broker, with topics of this test's own; looks follow each other quickly."""
    monkeypatch.setattr(lag_module, "LOOK_SECONDS", 0.05)
    return make_settings(
        tmp_path,
        database_url,
        kafka=stack.kafka.bootstrap,
        kafka_user=stack.kafka.admin,
        kafka_password=stack.kafka.password,
        topic_prefix=topic_prefix,
    )


@pytest.fixture
async def watching(settings: Settings, database: Database) -> AsyncIterator[None]:
    """The watch, beside a consumer that does not run."""
    task = asyncio.create_task(LagWatch("test", settings, database, [TOPIC]).run())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def send(settings: Settings, stack: Any, events: int) -> None:
    async with AIOKafkaProducer(**stack.kafka.asyncio_client()) as producer:
        for _ in range(events):
            await producer.send_and_wait(settings.physical(TOPIC), b"{}", partition=0)


async def read_up_to(database: Database, offset: int) -> None:
    async with database.transaction() as conn:
        await conn.execute("update chassis.next_offset set next_offset = $1 where partition = 0", offset)


def lag() -> float | None:
    return REGISTRY.get_sample_value("lotse_consumer_lag", {"topic": TOPIC})


def stalled() -> float:
    return REGISTRY.get_sample_value("lotse_consumer_stalled_seconds", {"topic": TOPIC}) or 0.0


def test_a_process_that_reads_nothing_says_nothing_about_kafka() -> None:
    """A 0 from a process with the role `api` alone would call somebody for nothing."""
    program = "from services.chassis.metrics import REGISTRY; print(REGISTRY.get_sample_value('lotse_kafka_up'))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "nan"


async def test_what_waits_on_the_bus_is_seen_although_no_consumer_runs(
    settings: Settings, database: Database, stack: Any, watching: None
) -> None:
    """The lag grows with what is sent and shrinks with what is stored as read; it counts as stalled only meanwhile."""
    await send(settings, stack, 3)
    await eventually(lambda: lag() == 3)
    await eventually(lambda: stalled() > 0.3)
    await read_up_to(database, 2)
    await eventually(lambda: lag() == 1)
    assert stalled() < 0.3
    await read_up_to(database, 3)
    await eventually(lambda: lag() == 0)
    assert stalled() == 0
    assert REGISTRY.get_sample_value("lotse_kafka_up") == 1


async def test_a_database_that_is_away_for_a_moment_does_not_end_the_watch(
    settings: Settings, database: Database, stack: Any, watching: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next look finds it again."""
    await send(settings, stack, 1)
    await eventually(lambda: lag() == 1)
    with monkeypatch.context() as away:
        looks = []

        def reading(_database: Database) -> Any:
            looks.append(1)
            raise ConnectionResetError

        away.setattr(Database, "reading", reading)
        await eventually(lambda: len(looks) > 2)
    await read_up_to(database, 1)
    await eventually(lambda: lag() == 0)


async def test_a_broker_that_does_not_answer_is_told_and_the_watch_ends_to_be_started_again(
    settings: Settings, database: Database
) -> None:
    """The supervisor brings it back; until then the gauge says so."""
    away = settings.model_copy(update={"kafka": "127.0.0.1:1"})
    with pytest.raises(KafkaError):
        await LagWatch("test", away, database, [TOPIC]).run()
    assert REGISTRY.get_sample_value("lotse_kafka_up") == 0
