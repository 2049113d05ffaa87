"""The next offset of each partition, stored in the transaction of the effect: one is never without the other."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from services.chassis.config import StartError
from services.chassis.db import Connection
from services.chassis.records import Record


class Partition(NamedTuple):
    """A partition of a topic (logical name)."""

    topic: str
    partition: int


class Abandoned(Exception):
    """Another process has already gone past this batch's first offset; its work must not be applied again."""


class WentBack(StartError):
    """The database has forgotten what this process applied: it was set back behind our back."""


async def advance(
    conn: Connection, batch: Sequence[Record], believed: Mapping[Partition, int] | None = None
) -> Mapping[Partition, int]:
    """Move the offsets of the batch's partitions past it. Raises Abandoned when one is already further on.

    believed: where this process knows the offsets to stand at least. Raises WentBack when one stands before that.
    Returns the baselines of these partitions (see `baselines`).
    """
    first: dict[tuple[str, int], int] = {}
    last: dict[tuple[str, int], int] = {}
    for record in batch:
        place = (record.topic, record.partition)
        first.setdefault(place, record.offset)
        last[place] = record.offset
    partitions = sorted(itertools.starmap(Partition, first))
    least = believed or {}
    moved = await conn.fetch(
        """
        update chassis.next_offset as stored set next_offset = batch.last_offset + 1
        from (select * from unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[])
              as given (topic, partition, first_offset, last_offset, least) order by topic, partition) as batch
        where stored.topic = batch.topic and stored.partition = batch.partition
          and stored.next_offset between batch.least and batch.first_offset
        returning stored.topic, stored.partition, stored.baseline_until
        """,
        [where.topic for where in partitions],
        [where.partition for where in partitions],
        [first[where] for where in partitions],
        [last[where] for where in partitions],
        [least.get(where, 0) for where in partitions],
    )
    if len(moved) == len(partitions):
        return _baselines(moved)
    now = await stored(conn, partitions)
    if any(now.get(where, 0) < offset for where, offset in least.items() if where in first):
        raise WentBack("The database has forgotten what was applied: it went back to an older state while we ran.")
    raise Abandoned


async def stored(conn: Connection, partitions: Iterable[Partition]) -> Mapping[Partition, int]:
    """The next offsets of those partitions that this service has read before."""
    wanted = list(partitions)
    rows = await conn.fetch(
        """
        select topic, partition, next_offset from chassis.next_offset
        join unnest($1::text[], $2::int[]) as wanted (topic, partition) using (topic, partition)
        """,
        [where.topic for where in wanted],
        [where.partition for where in wanted],
    )
    return {Partition(row["topic"], row["partition"]): row["next_offset"] for row in rows}


async def lower_to(conn: Connection, ends: Mapping[Partition, int]) -> None:
    """Go back to the end of a bus that came back older than what was read; positions below it stay."""
    await conn.execute(
        """
        update chassis.next_offset as stored set next_offset = least(stored.next_offset, given.offset_)
        from unnest($1::text[], $2::int[], $3::bigint[]) as given (topic, partition, offset_)
        where stored.topic = given.topic and stored.partition = given.partition
        """,
        [where.topic for where in ends],
        [where.partition for where in ends],
        list(ends.values()),
    )


async def begin(conn: Connection, where: Partition, *, beginning: int, end: int) -> None:
    """Note a partition met for the first time; a trimmed one accepts first versions above 1 up to its present end."""
    await conn.execute(
        """
        insert into chassis.next_offset (topic, partition, next_offset, baseline_until) values ($1, $2, $3, $4)
        on conflict do nothing
        """,
        where.topic,
        where.partition,
        beginning,
        end if beginning > 0 else 0,
    )


async def baselines(conn: Connection, batch: Sequence[Record]) -> Mapping[Partition, int]:
    """Up to which offset an unknown key may begin above version 1, for the partitions where it may at all."""
    rows = await conn.fetch(
        "select topic, partition, baseline_until from chassis.next_offset where topic = any($1)",
        list({record.topic for record in batch}),
    )
    return _baselines(rows)


def _baselines(rows: Iterable[Mapping[str, Any]]) -> Mapping[Partition, int]:
    return {
        Partition(row["topic"], row["partition"]): row["baseline_until"] for row in rows if row["baseline_until"] > 0
    }
