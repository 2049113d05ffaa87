"""The key lock: every transaction first locks the row of each key it touches, then reads, decides, writes, publishes.

That row carries the version of the service's own events, so lock order is version order is commit order.
Lock order within one transaction: idempotency row; keys, sorted; partner-stream rows, sorted; log-chain head.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from services.chassis.db import Connection


class Key(NamedTuple):
    """What is ordered together: a record key on a topic (logical name)."""

    topic: str
    key: str


def as_columns(keys: Iterable[Key]) -> tuple[list[str], list[str]]:
    """The keys as statements take them: each once, sorted, topics and names apart."""
    wanted = sorted(set(keys))
    return [key.topic for key in wanted], [key.key for key in wanted]


async def lock_keys(conn: Connection, keys: Iterable[Key]) -> Mapping[Key, bool]:
    """Lock the rows of `keys` until the transaction ends, making those that are missing; waits as long as it takes.

    Returns for each key whether it is parked.
    """
    rows = await conn.fetch("select topic, key, parked from chassis.lock_keys($1, $2)", *as_columns(keys))
    return {Key(row["topic"], row["key"]): row["parked"] for row in rows}


class Held(NamedTuple):
    """What is known of a key that this transaction has locked, and the time of its decisions (UTC)."""

    parked: bool
    now: datetime


async def hold_key(conn: Connection, key: Key) -> Held:
    """Lock one key as `lock_keys` does, then read the clock; one round trip."""
    row = await conn.fetchrow(
        "select parked, chassis.lotse_now() as now from chassis.lock_keys($1, $2)", *as_columns([key])
    )
    return Held(**row)


async def parked_among(conn: Connection, keys: Iterable[Key]) -> frozenset[Key]:
    """Return those of `keys` that are parked: what we know about them may be out of date. Locks nothing."""
    rows = await conn.fetch(
        """
        select topic, key from chassis.key
        join unnest($1::text[], $2::text[]) as wanted (topic, key) using (topic, key)
        where parked_at is not null
        """,
        *as_columns(keys),
    )
    return frozenset(Key(row["topic"], row["key"]) for row in rows)
