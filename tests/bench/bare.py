"""A part: the bare loops, each the least that could do the same. `bare http PORT`, `bare relay COUNT`,
`bare consumer set|each GROUP`.

They use the same libraries, tables and batch sizes; they have no rules, no parking, no metrics and no other process
to respect.
"""

import asyncio
import sys
import time
from collections import defaultdict
from typing import Any
from uuid import UUID

import asyncpg
import uvicorn
import uvloop
from aiokafka import AIOKafkaConsumer
from aiokafka.partitioner import DefaultPartitioner
from fastapi import FastAPI, Response
from pydantic import BaseModel

from schemas import new_id
from services.chassis.config import Settings, load_settings
from services.chassis.relay import ROWS_A_PASS, fill_batch, make_producer, oldest_rows
from tests.bench.ground import answer
from tests.bench.real import cpu_seconds

TABLES = """
create schema chassis;
create table chassis.outbox (
    seq bigint generated always as identity primary key, event_id uuid not null, topic text not null,
    key text not null, headers text[] not null, value bytea not null,
    created_at timestamptz not null default clock_timestamp()
);
create table chassis.next_offset (topic text, partition integer, next_offset bigint, primary key (topic, partition));
create table version (topic text, key text, source text, version bigint not null, primary key (topic, key, source));
create table effect (key text primary key, type text not null, value bytea not null);
create table thing (id uuid primary key, state text not null, revision bigint not null);
"""
_partition_for = DefaultPartitioner()


class Said(BaseModel):
    """What the request carries."""

    unit: str
    name: str
    service_type: str
    description: str


async def http(port: int) -> None:
    """FastAPI, a validated body, one statement: the row and the outbox row."""
    settings = load_settings()
    pool = await asyncpg.create_pool(str(settings.database_url), min_size=16, max_size=16)
    api = FastAPI()

    @api.put("/v1/offers/{thing_id}")
    async def put(thing_id: UUID, said: Said, response: Response) -> Said:
        text = said.model_dump_json()
        revision = await pool.fetchval(
            """
            with changed as (
                insert into thing (id, state, revision) values ($1, $2, 1)
                on conflict (id) do update set state = excluded.state, revision = thing.revision + 1
                returning revision
            ), told as (
                insert into chassis.outbox (event_id, topic, key, headers, value)
                select $3, 'lotse.directory.v1', $1::text, '{}', $4 from changed
            )
            select revision from changed
            """,
            thing_id,
            text,
            new_id(),
            text.encode(),
        )
        response.headers["ETag"] = f'"{revision}"'
        return said

    config = uvicorn.Config(api, port=port, log_config=None, access_log=False, http="httptools", lifespan="off")
    await uvicorn.Server(config).serve()


async def relay(count: int) -> dict[str, float]:
    """Read, one batch a partition, delete; timed from the first acknowledged pass."""
    settings = load_settings()
    conn = await asyncpg.connect(str(settings.database_url))
    producer = make_producer("bench-bare", settings)
    await producer.start()
    done = await relay_pass(settings, conn, producer)
    began, cpu, first = time.perf_counter(), cpu_seconds(), done
    while done < count:
        done += await relay_pass(settings, conn, producer)
    seconds = time.perf_counter() - began
    await producer.stop()
    await conn.close()
    return {"rate": (count - first) / seconds, "cpu_us": (cpu_seconds() - cpu) / (count - first) * 1e6}


async def relay_pass(settings: Settings, conn: Any, producer: Any) -> int:
    """Move up to 2000 rows; returns how many."""
    rows = await oldest_rows(conn, [])
    parts: dict[tuple[str, int], list[Any]] = defaultdict(list)
    numbers: dict[str, list[int]] = {}
    for row in rows[:ROWS_A_PASS]:
        topic = settings.physical(row.topic)
        if topic not in numbers:
            numbers[topic] = sorted(await producer.partitions_for(topic))
        parts[topic, _partition_for(row.key, numbers[topic], numbers[topic])].append(row)

    async def send(topic: str, number: int, part: list[Any]) -> None:
        while part:
            batch, taken = fill_batch(producer, part)
            await (await producer.send_batch(batch, topic, partition=number))
            part = part[taken:]

    await asyncio.gather(*(send(topic, number, part) for (topic, number), part in parts.items()))
    await conn.execute("delete from chassis.outbox where seq = any($1)", [row.seq for row in rows])
    return len(rows)


async def consumer(how: str, group: str) -> None:
    """Versions locked and compared, effect and offsets in one transaction a batch, until ended from outside."""
    settings = load_settings()
    conn = await asyncpg.connect(str(settings.database_url))
    reader = AIOKafkaConsumer(
        settings.physical("lotse.cases.v1"),
        bootstrap_servers=settings.kafka,
        group_id=f"{settings.topic_prefix}.{group}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        **settings.kafka_credentials(),
    )
    await reader.start()
    while True:
        for records in await batches(reader):
            await apply(conn, records, how)


async def batches(reader: AIOKafkaConsumer) -> list[list[Any]]:
    """What is there, as one batch of up to 1000 records over all partitions."""
    parts = await reader.getmany(timeout_ms=10, max_records=1000)
    together = [record for part in parts.values() for record in part]
    return [together] if together else []


async def apply(conn: Any, records: list[Any], how: str) -> list[Any]:
    """One batch; returns the records that were new."""
    wanted: dict[tuple[str, str, str], int] = {}
    offsets: dict[int, int] = {}
    named = []
    for record in records:
        headers = dict(record.headers)
        stream = (record.topic, record.key.decode(), headers["ce_source"].decode())
        named.append((stream, int(headers["ce_sequence"]), headers["ce_type"].decode(), record))
        wanted[stream] = 0
        offsets[record.partition] = record.offset + 1
    async with conn.transaction():
        columns = [list(column) for column in zip(*sorted(wanted), strict=True)]
        await conn.execute(
            """
            insert into version select t, k, s, 0 from unnest($1::text[], $2::text[], $3::text[]) as g (t, k, s)
            order by t, k, s on conflict do nothing
            """,
            *columns,
        )
        rows = await conn.fetch(
            """
            select topic, key, source, version from version
            join unnest($1::text[], $2::text[], $3::text[]) as g (topic, key, source) using (topic, key, source)
            order by topic, key, source for update of version
            """,
            *columns,
        )
        known = {tuple(row)[:3]: row["version"] for row in rows}
        new = []
        for stream, version, kind, record in named:
            if version == known[stream] + 1:
                known[stream] = version
                new.append((stream[1], kind, record.value))
        await (_effect_of_each(conn, new) if how == "each" else _effect_of_all(conn, new))
        streams = sorted(known)
        await conn.execute(
            """
            update version set version = g.n from unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
            as g (t, k, s, n) where (topic, key, source) = (g.t, g.k, g.s)
            """,
            *[[stream[place] for stream in streams] for place in range(3)],
            [known[stream] for stream in streams],
        )
        await conn.execute(
            """
            insert into chassis.next_offset select $1, * from unnest($2::integer[], $3::bigint[])
            on conflict (topic, partition) do update set next_offset = excluded.next_offset
            """,
            records[0].topic,
            list(offsets),
            list(offsets.values()),
        )
    return new


async def _effect_of_all(conn: Any, new: list[tuple[str, str, bytes]]) -> None:
    last = {key: (key, kind, value) for key, kind, value in new}
    if last:
        await conn.execute(
            """
            insert into effect select * from unnest($1::text[], $2::text[], $3::bytea[])
            on conflict (key) do update set type = excluded.type, value = excluded.value
            """,
            *[list(column) for column in zip(*last.values(), strict=True)],
        )


async def _effect_of_each(conn: Any, new: list[tuple[str, str, bytes]]) -> None:
    for each in new:
        await conn.execute(
            """
            insert into effect values ($1, $2, $3)
            on conflict (key) do update set type = excluded.type, value = excluded.value
            """,
            *each,
        )


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if sys.argv[1] == "http":
            runner.run(http(int(sys.argv[2])))
        elif sys.argv[1] == "relay":
            answer(runner.run(relay(int(sys.argv[2]))))
        else:
            runner.run(consumer(sys.argv[2], sys.argv[3]))
