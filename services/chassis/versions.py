"""The last version applied per (topic, key, source), and what an incoming version means against it."""

from collections.abc import Collection, Mapping
from enum import Enum, auto
from typing import NamedTuple

from services.chassis.db import Connection
from services.chassis.keys import Key


class Stream(NamedTuple):
    """Whose versions count together: one producer's events on one key."""

    key: Key
    source: str


class Step(Enum):
    """What a version is: the next one, one seen before, or one after a hole."""

    NEXT = auto()
    DUPLICATE = auto()
    GAP = auto()


def compare(last: int | None, version: int, *, baseline_allowed: bool) -> Step:
    """Judge `version` against the last one applied (None: nothing applied yet).

    An unknown key may begin above 1 only where `baseline_allowed`: its earlier events were trimmed before we began.
    """
    if last is None and baseline_allowed:
        return Step.NEXT
    known = last or 0
    if version <= known:
        return Step.DUPLICATE
    return Step.NEXT if version == known + 1 else Step.GAP


async def applied(conn: Connection, keys: Collection[Key]) -> dict[Stream, int]:
    """The versions applied of `keys`. Read them after the keys are locked: an earlier look may be out of date."""
    rows = await conn.fetch(
        """
        select topic, key, source, version from chassis.applied
        join unnest($1::text[], $2::text[]) as wanted (topic, key) using (topic, key)
        """,
        [key.topic for key in keys],
        [key.key for key in keys],
    )
    return {Stream(Key(row["topic"], row["key"]), row["source"]): row["version"] for row in rows}


async def store(conn: Connection, moved: Mapping[Stream, int]) -> None:
    """Write the versions that were advanced."""
    streams = sorted(moved)
    await conn.execute(
        """
        insert into chassis.applied (topic, key, source, version)
        select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
        on conflict (topic, key, source) do update set version = excluded.version
        """,
        [stream.key.topic for stream in streams],
        [stream.key.key for stream in streams],
        [stream.source for stream in streams],
        [moved[stream] for stream in streams],
    )
