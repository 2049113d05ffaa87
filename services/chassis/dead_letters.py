"""Statements on parked keys and the records that wait behind them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from services.chassis.db import Connection
from services.chassis.keys import Key
from services.chassis.records import Fault, Incoming, Record, read

LOST = "lost"
"""The code of an event that this service published and its restored database cannot have back."""


async def insert(conn: Connection, incoming: Incoming, fault: Fault, now: datetime) -> None:
    """Keep the record with its reason; the same record twice is one row."""
    record = incoming.record
    await conn.execute(
        """
        insert into chassis.dead_letter (topic, partition, record_offset, key, source, version, type, code, reason,
                                         record_key, header_names, header_values, value, parked_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
        on conflict do nothing
        """,
        record.topic,
        record.partition,
        record.offset,
        incoming.key,
        incoming.source,
        incoming.version,
        incoming.type,
        fault.code,
        fault.reason,
        record.key,
        [name.replace("\0", "\\0") for name, _ in record.headers],
        [value for _, value in record.headers],
        record.value,
        now,
    )


async def park(conn: Connection, keys: Iterable[Key], now: datetime) -> None:
    """Mark keys as parked; those already parked keep their time."""
    wanted = list(keys)
    await conn.execute(
        """
        update chassis.key set parked_at = coalesce(parked_at, $3)
        from unnest($1::text[], $2::text[]) as wanted (topic, name)
        where key.topic = wanted.topic and key.key = wanted.name
        """,
        [key.topic for key in wanted],
        [key.key for key in wanted],
        now,
    )


async def unpark(conn: Connection, key: Key) -> None:
    """The key is in order again."""
    await conn.execute("update chassis.key set parked_at = null where topic = $1 and key = $2", key.topic, key.key)


async def parked_keys(conn: Connection) -> Sequence[Key]:
    """All parked keys, the longest parked first."""
    rows = await conn.fetch("select topic, key from chassis.key where parked_at is not null order by parked_at")
    return [Key(row["topic"], row["key"]) for row in rows]


async def queue(conn: Connection, key: Key, limit: int) -> Sequence[Incoming]:
    """The first `limit` records that wait behind a key, in the order of the bus."""
    rows = await conn.fetch(
        "select * from chassis.dead_letter where topic = $1 and key = $2 order by partition, record_offset limit $3",
        key.topic,
        key.key,
        limit,
    )
    return [_incoming(row) for row in rows]


def _incoming(row: Mapping[str, Any]) -> Incoming:
    """The record as it was read; one of our own that a restored database lost stays lost however readable it is."""
    incoming = read(
        Record(
            topic=row["topic"],
            partition=row["partition"],
            offset=row["record_offset"],
            key=row["record_key"],
            value=row["value"],
            headers=tuple(zip(row["header_names"], row["header_values"], strict=True)),
        )
    )
    return incoming._replace(fault=Fault(LOST, row["reason"])) if row["code"] == LOST else incoming


async def delete(conn: Connection, record: Record) -> None:
    """The record was applied after all."""
    await conn.execute(
        "delete from chassis.dead_letter where topic = $1 and partition = $2 and record_offset = $3",
        record.topic,
        record.partition,
        record.offset,
    )


async def update_reason(conn: Connection, record: Record, fault: Fault) -> None:
    """A retry failed for this reason."""
    await conn.execute(
        """
        update chassis.dead_letter set code = $4, reason = $5
        where topic = $1 and partition = $2 and record_offset = $3
        """,
        record.topic,
        record.partition,
        record.offset,
        fault.code,
        fault.reason,
    )
