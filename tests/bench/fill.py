"""A part: write a corpus to the topics of a prefix, or into an outbox. `fill topic|outbox COUNT all|consents`."""

import asyncio
import sys
from itertools import islice

import asyncpg
from aiokafka.partitioner import DefaultPartitioner

from services.chassis.config import Settings, load_settings
from services.chassis.outbox import flatten
from services.chassis.relay import Row, fill_batch, make_producer
from tests.bench.corpus import Written, corpus
from tests.bench.ground import answer

PASS = 5000
_partition_for = DefaultPartitioner()


async def fill_topic(settings: Settings, count: int, with_referral: bool) -> None:
    """Write with the relay's own batches, partition by partition."""
    producer = make_producer("bench", settings)
    await producer.start()
    events = corpus(count, with_referral=with_referral)
    try:
        while chunk := list(islice(events, PASS)):
            await _send(settings, producer, chunk)
    finally:
        await producer.stop()


async def _send(settings: Settings, producer: object, chunk: list[Written]) -> None:
    parts: dict[tuple[str, int], list[Row]] = {}
    for each in chunk:
        topic, key = settings.physical(each.topic), each.key.encode()
        numbers = sorted(await producer.partitions_for(topic))  # type: ignore[attr-defined]
        number = _partition_for(key, numbers, numbers)
        parts.setdefault((topic, number), []).append(Row(0, topic, key, each.headers, each.value))
    for (topic, number), rows in parts.items():
        while rows:
            batch, taken = fill_batch(producer, rows)
            await (await producer.send_batch(batch, topic, partition=number))  # type: ignore[attr-defined]
            rows = rows[taken:]


async def fill_outbox(settings: Settings, count: int, with_referral: bool) -> None:
    """Copy into the outbox of LOTSE_DATABASE_URL."""
    conn = await asyncpg.connect(str(settings.database_url))
    try:
        await conn.copy_records_to_table(
            "outbox",
            schema_name="chassis",
            columns=["event_id", "topic", "key", "headers", "value"],
            records=[
                (dict(each.headers)["ce_id"].decode(), each.topic, each.key, flatten(each.headers), each.value)
                for each in corpus(count, with_referral=with_referral)
            ],
        )
        await conn.execute("analyze chassis.outbox")
    finally:
        await conn.close()


if __name__ == "__main__":
    where, how_many, which = sys.argv[1:]
    fill = fill_topic if where == "topic" else fill_outbox
    asyncio.run(fill(load_settings(), int(how_many), which == "all"))
    answer({"filled": int(how_many)})
