"""The key lock: every transaction first locks the row of each key it touches, then reads, decides, writes, publishes.

That row carries the version of the service's own events, so lock order is version order is commit order.
Lock order within one transaction: idempotency row; keys, sorted; partner-stream rows, sorted; log-chain head.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from services.chassis.db import Connection


class Key(NamedTuple):
    """What is ordered together: a record key on a topic (logical name)."""

    topic: str
    key: str


async def lock_keys(conn: Connection, keys: Iterable[Key]) -> Mapping[Key, bool]:
    """Lock the rows of `keys` until the transaction ends, making those that are missing; waits as long as it takes.

    Returns for each key whether it is parked. Two statements on purpose: rows that the first one makes are
    invisible to a statement that began together with it, and both go through the keys in the same order, so
    that two transactions never wait for each other crosswise.
    """
    wanted = sorted(set(keys))
    topics, names = [key.topic for key in wanted], [key.key for key in wanted]
    await conn.execute(
        """
        insert into chassis.key (topic, key)
        select * from unnest($1::text[], $2::text[]) as wanted (topic, key) order by topic, key
        on conflict do nothing
        """,
        topics,
        names,
    )
    rows = await conn.fetch(
        """
        select topic, key, parked_at is not null as parked
        from chassis.key join unnest($1::text[], $2::text[]) as wanted (topic, key) using (topic, key)
        order by topic, key
        for update of key
        """,
        topics,
        names,
    )
    return {Key(row["topic"], row["key"]): row["parked"] for row in rows}


async def parked_among(conn: Connection, keys: Iterable[Key]) -> frozenset[Key]:
    """Return those of `keys` that are parked: what we know about them may be out of date. Locks nothing."""
    wanted = sorted(set(keys))
    rows = await conn.fetch(
        """
        select topic, key from chassis.key
        join unnest($1::text[], $2::text[]) as wanted (topic, key) using (topic, key)
        where parked_at is not null
        """,
        [key.topic for key in wanted],
        [key.key for key in wanted],
    )
    return frozenset(Key(row["topic"], row["key"]) for row in rows)
