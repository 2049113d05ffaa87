"""The last version applied per (topic, key, source), and what an incoming version means against it."""

from collections.abc import Collection, Iterable, Mapping
from enum import Enum, auto
from functools import lru_cache
from typing import NamedTuple

from schemas import Place, place_of
from services.chassis.db import Connection
from services.chassis.keys import Key


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
        self._versions: dict[Stream, int] = {}
        self._places: dict[tuple[Key, str], Place] = {}
        for stream, version in (versions or {}).items():
            self.move(stream, version)

    def move(self, stream: Stream, version: int) -> None:
        """Note a version as applied."""
        self._versions[stream] = version
        producer, place = _place(stream.source, version)
        where = (stream.key, producer)
        self._places[where] = max(place, self._places.get(where, place))

    def last(self, stream: Stream) -> int:
        """The last version applied of the stream, 0 before the first."""
        return self._versions.get(stream, 0)

    def step(self, stream: Stream, version: int, follows: Place | None, *, baseline_allowed: bool) -> Step:
        """Judge `version`. follows: what the first event of an epoch says came before it.

        An unknown key may begin above 1 only where `baseline_allowed`: its earlier events were trimmed before we began.
        """
        if version <= self.last(stream):
            return Step.DUPLICATE
        producer, given = _place(stream.source, version)
        known = self._places.get((stream.key, producer))
        if known is None:
            return Step.NEXT if baseline_allowed or (version == 1 and follows is None) else Step.GAP
        if given.epoch == known.epoch:
            return Step.NEXT if version == known.version + 1 else Step.GAP
        return _first_of_epoch(known, given, follows)


def _first_of_epoch(known: Place, given: Place, follows: Place | None) -> Step:
    """A new epoch begins at 1 and names what it follows; who follows less than is known here has lost events."""
    if given.epoch < known.epoch:
        return Step.OUTRUN
    if given.version != 1:
        return Step.GAP
    if follows == known:
        return Step.NEXT
    return Step.OUTRUN if follows is None or follows < known else Step.GAP


def _place(source: str, version: int) -> tuple[str, Place]:
    producer, epoch = _epoch(source)
    return producer, Place(epoch, version)


@lru_cache(maxsize=1000)
def _epoch(source: str) -> tuple[str, int]:
    producer, place = place_of(source, 0)
    return producer, place.epoch


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
    """Write the versions that were advanced."""
    streams: Iterable[Stream] = sorted(moved)
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
