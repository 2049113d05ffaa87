"""The last version applied per (topic, key, source), and what an incoming version means against it."""

from collections.abc import Collection, Mapping
from datetime import datetime
from enum import Enum, auto
from functools import lru_cache
from typing import NamedTuple

from schemas import Place, place_of
from services.chassis.db import Connection
from services.chassis.keys import Key, as_columns


class Stream(NamedTuple):
    """Whose versions count together: one producer's events on one key."""

    key: Key
    source: str


class Step(Enum):
    """What a version is: the next one, one seen before, one after a hole, or one whose producer was set back.

    OUTRUN: the producer's database was restored, and it goes on without events that were applied here.
    """

    NEXT = auto()
    DUPLICATE = auto()
    GAP = auto()
    OUTRUN = auto()


class Applied:
    """The versions applied of some keys, moving on while a batch is judged."""

    def __init__(self, versions: Mapping[Stream, int] | None = None) -> None:
        # By key and producer, since an epoch is judged by what the same producer said before.
        self._versions: dict[tuple[Key, str], dict[int, int]] = {}
        for stream, version in (versions or {}).items():
            self.move(stream, version)

    def move(self, stream: Stream, version: int) -> None:
        """Note a version as applied; what was applied before stays applied."""
        producer, epoch = _epoch(stream.source)
        versions = self._versions.setdefault((stream.key, producer), {})
        versions[epoch] = max(version, versions.get(epoch, 0))

    def last(self, stream: Stream) -> int:
        """The last version applied of the stream, 0 before the first."""
        producer, epoch = _epoch(stream.source)
        return self._versions.get((stream.key, producer), {}).get(epoch, 0)

    def step(self, stream: Stream, version: int, follows: Place | None, *, baseline_allowed: bool) -> Step:
        """Judge `version`. follows: what the first event of an epoch says came before it.

        An unknown key may begin above 1 only where `baseline_allowed`: its earlier events were trimmed before we began.
        """
        producer, epoch = _epoch(stream.source)
        versions = self._versions.get((stream.key, producer))
        if versions is None:
            return Step.NEXT if baseline_allowed or (version == 1 and follows is None) else Step.GAP
        last, newest = versions.get(epoch, 0), max(versions)
        if version <= last:
            return Step.DUPLICATE
        if epoch == newest:
            return Step.NEXT if version == last + 1 else Step.GAP
        return _first_of_epoch(Place(newest, versions[newest]), Place(epoch, version), follows)


def _first_of_epoch(known: Place, given: Place, follows: Place | None) -> Step:
    """A new epoch begins at 1 and names what it follows; who follows less than is known here has lost events."""
    if given.epoch < known.epoch:
        return Step.OUTRUN
    if given.version != 1:
        return Step.GAP
    if follows == known:
        return Step.NEXT
    return Step.OUTRUN if follows is None or follows < known else Step.GAP


@lru_cache(maxsize=1000)
def _epoch(source: str) -> tuple[str, int]:
    producer, place = place_of(source, 0)
    return producer, place.epoch


class Locked(NamedTuple):
    """What is known of keys that this transaction has locked, and the time of its decisions (UTC)."""

    parked: frozenset[Key]
    applied: Applied
    now: datetime


async def lock(conn: Connection, keys: Collection[Key]) -> Locked:
    """Lock `keys` as `lock_keys` does, and read in the same round trip what a batch is judged by."""
    row = await conn.fetchrow("select * from chassis.open_batch($1, $2)", *as_columns(keys))
    moment, parked_topics, parked_keys, topics, names, sources, versions = row
    applied = {
        Stream(Key(topic, name), source): version
        for topic, name, source, version in zip(topics, names, sources, versions, strict=True)
    }
    return Locked(frozenset(map(Key, parked_topics, parked_keys)), Applied(applied), moment)


async def applied(conn: Connection, keys: Collection[Key]) -> Applied:
    """The versions applied of `keys`. Read them after the keys are locked: an earlier look may be out of date."""
    rows = await conn.fetch(
        """
        select topic, key, source, version from chassis.applied
        join unnest($1::text[], $2::text[]) as wanted (topic, key) using (topic, key)
        """,
        [key.topic for key in keys],
        [key.key for key in keys],
    )
    return Applied({Stream(Key(row["topic"], row["key"]), row["source"]): row["version"] for row in rows})


async def store(conn: Connection, moved: Mapping[Stream, int]) -> None:
    """Write the versions that were advanced; their keys are locked, so that they need no order."""
    if not moved:
        return
    await conn.execute(
        """
        insert into chassis.applied (topic, key, source, version)
        select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
        on conflict (topic, key, source) do update set version = excluded.version
        """,
        [stream.key.topic for stream in moved],
        [stream.key.key for stream in moved],
        [stream.source for stream in moved],
        list(moved.values()),
    )
