"""Statements on what operators see of parked keys, and on what they did."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.chassis.db import Connection
from services.chassis.keys import Key


class Note(NamedTuple):
    """What an operator did to a key, why, and what came of it."""

    at: datetime
    author: str
    act: str
    topic: str
    key: str | None
    reason: str
    outcome: dict[str, Any]


async def parked_page(conn: Connection, after: tuple[datetime, str, str] | None, limit: int) -> Sequence[Any]:
    """Parked keys, the longest parked first, each with its first waiting record and how many wait."""
    rows: Sequence[Any] = await conn.fetch(
        """
        select page.*, first.type, first.code, first.reason,
               (select count(*) from chassis.dead_letter as waiting
                where waiting.topic = page.topic and waiting.key = page.key) as waiting
        from (
            select topic, key, parked_at from chassis.key
            where parked_at is not null
              and ($1::timestamptz is null or (parked_at, topic, key) > ($1::timestamptz, $2::text, $3::text))
            order by parked_at, topic, key limit $4
        ) as page
        left join lateral (
            select type, code, reason from chassis.dead_letter as letter
            where letter.topic = page.topic and letter.key = page.key order by partition, record_offset limit 1
        ) as first on true
        order by parked_at, topic, key
        """,
        *(after or (None, None, None)),
        limit,
    )
    return rows


async def without_key(conn: Connection) -> Sequence[Any]:
    """Records without a key: how many, and the oldest, by topic."""
    rows: Sequence[Any] = await conn.fetch(
        """
        select topic, count(*) as records, min(parked_at) as oldest from chassis.dead_letter
        where key is null group by topic order by topic
        """
    )
    return rows


async def waiting_page(
    conn: Connection, topic: str, key: str | None, after: tuple[int, int], limit: int
) -> Sequence[Any]:
    """What waits behind a key (None: records without one) after a partition and offset, without the values."""
    rows: Sequence[Any] = await conn.fetch(
        """
        select partition, record_offset, source, version, type, code, reason, header_names,
               octet_length(value) as value_bytes, parked_at
        from chassis.dead_letter
        where topic = $1 and key is not distinct from $2 and (partition, record_offset) > ($3::int, $4::bigint)
        order by partition, record_offset limit $5
        """,
        topic,
        key,
        *after,
        limit,
    )
    return rows


async def waiting_count(conn: Connection, key: Key) -> int:
    """How many records wait behind a key."""
    count: int = await conn.fetchval(
        "select count(*) from chassis.dead_letter where topic = $1 and key = $2", key.topic, key.key
    )
    return count


async def delete_without_key(conn: Connection, topic: str, partition: int, offset: int) -> Any:
    """Let go of one record that has no key; returns what it was, None when there is no such record."""
    return await conn.fetchrow(
        """
        delete from chassis.dead_letter
        where topic = $1 and partition = $2 and record_offset = $3 and key is null
        returning partition, record_offset, source, version, type, code, reason
        """,
        topic,
        partition,
        offset,
    )


async def insert_act(conn: Connection, act_id: UUID, note: Note) -> None:
    """Note what an operator did."""
    await conn.execute(
        """
        insert into chassis.operator_act (act_id, at, author, act, topic, key, reason, outcome)
        values ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        act_id,
        *note,
    )


async def act(conn: Connection, act_id: UUID) -> Any:
    """One note."""
    return await conn.fetchrow("select * from chassis.operator_act where act_id = $1", act_id)


async def acts_page(conn: Connection, before: UUID | None, limit: int) -> Sequence[Any]:
    """What operators did, the latest first. `before`: the last one of the page before."""
    rows: Sequence[Any] = await conn.fetch(
        """
        select * from chassis.operator_act
        where $1::uuid is null
           or (at, act_id) < (select at, act_id from chassis.operator_act where act_id = $1)
        order by at desc, act_id desc limit $2
        """,
        before,
        limit,
    )
    return rows
