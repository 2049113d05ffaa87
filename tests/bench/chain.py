"""A part: the bare two hops. `chain write SECONDS RATE`, `chain pass SECONDS`, `chain hear SECONDS`.

Written with one statement, relayed, applied by a second process which writes on, relayed, heard by a third.
"""

import asyncio
import sys
import time
from datetime import UTC, datetime
from typing import Any

import asyncpg
import uvloop
from aiokafka import AIOKafkaConsumer

from services.chassis.config import Settings, load_settings
from services.chassis.outbox import flatten
from services.chassis.relay import make_producer
from tests.bench.bare import apply, batches, relay_pass
from tests.bench.corpus import Written, corpus
from tests.bench.ground import answer

SECOND_TOPIC = "lotse.directory.v1"


async def _relaying(settings: Settings, conn: Any, wake: asyncio.Event) -> None:
    producer = make_producer("bench-chain", settings)
    await producer.start()
    try:
        while True:
            wake.clear()
            if not await relay_pass(settings, conn, producer):
                await wake.wait()
    finally:
        await producer.stop()


async def _insert(conn: Any, topic: str, event: Written, at: bytes) -> None:
    headers = [(name, at if name == "ce_time" else value) for name, value in event.headers]
    await conn.execute(
        "insert into chassis.outbox (event_id, topic, key, headers, value) values (gen_random_uuid(), $1, $2, $3, $4)",
        topic,
        event.key,
        flatten(headers),
        event.value,
    )


def _passed(record: Any) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(dict(record.headers)["ce_time"].decode())).total_seconds()


def _reader(settings: Settings, topic: str, group: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        settings.physical(topic),
        bootstrap_servers=settings.kafka,
        group_id=f"{settings.topic_prefix}.{group}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        **settings.kafka_credentials(),
    )


async def write(seconds: float, rate: float) -> list[float]:
    """Changes at a steady rate."""
    settings, wake = load_settings(), asyncio.Event()
    conn = await asyncpg.connect(str(settings.database_url))
    relay = asyncio.create_task(_relaying(settings, await asyncpg.connect(str(settings.database_url)), wake))
    began = time.monotonic()
    for number, event in enumerate(corpus(int(seconds * rate))):
        await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
        await _insert(conn, event.topic, event, datetime.now(UTC).isoformat().encode())
        wake.set()
    await asyncio.sleep(1)
    relay.cancel()
    await asyncio.gather(relay, return_exceptions=True)
    return []


async def pass_on(seconds: float) -> list[float]:
    """Apply and write on; returns how long each took until applied."""
    settings, wake, took = load_settings(), asyncio.Event(), list[float]()
    conn = await asyncpg.connect(str(settings.database_url))
    relay = asyncio.create_task(_relaying(settings, await asyncpg.connect(str(settings.database_url)), wake))
    reader = _reader(settings, "lotse.cases.v1", "pass")
    await reader.start()
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        for records in await batches(reader):
            async with conn.transaction():
                await apply(conn, records, "set")
                for record in records:
                    event = Written(SECOND_TOPIC, record.key.decode(), list(record.headers), record.value)
                    await _insert(conn, SECOND_TOPIC, event, dict(record.headers)["ce_time"])
            took += [_passed(record) for record in records]
            wake.set()
    relay.cancel()
    await asyncio.gather(relay, return_exceptions=True)
    await reader.stop()
    return took


async def hear(seconds: float) -> list[float]:
    """The end of the second hop; returns how long each took."""
    settings, took = load_settings(), list[float]()
    reader = _reader(settings, SECOND_TOPIC, "hear")
    await reader.start()
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        for records in await batches(reader):
            took += [_passed(record) for record in records]
    await reader.stop()
    return took


if __name__ == "__main__":
    run = {"write": write, "pass": pass_on, "hear": hear}[sys.argv[1]]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        answer(runner.run(run(*map(float, sys.argv[2:]))))  # type: ignore[operator]
