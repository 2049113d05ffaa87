"""What waits in the outbox of a restored database gets its versions anew, behind what the bus already has."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schemas import Place, place_of
from services.chassis.adopting import known_places
from services.chassis.db import Connection
from services.chassis.keys import Key, lock_keys


@dataclass(frozen=True)
class Waiting:
    """A row of the outbox: where it stood, and what it followed if it was the first of its epoch."""

    seq: int
    headers: Mapping[str, str]

    @property
    def place(self) -> Place:
        """Epoch and version it was given."""
        return place_of(self.headers["ce_source"], int(self.headers["ce_sequence"]))[1]

    @property
    def follows(self) -> Place | None:
        """The place right before it."""
        if self.place.version > 1:
            return Place(self.place.epoch, self.place.version - 1)
        named = self.headers.get("ce_follows")
        return Place(*map(int, named.split(":"))) if named else None


async def renumber(conn: Connection, topics: Sequence[str], met: Mapping[Key, Place]) -> int:
    """Give every waiting event of these topics a version of the present epoch; returns how many there were.

    met: the last place of each key found on the bus. Per key the order stays, and the first names the last place
    that was sent. Waits for transactions that hold one of the keys.
    """
    source, epoch = await conn.fetchrow("select source, epoch from chassis.identity")
    await lock_keys(conn, (await _waiting(conn, topics)).keys())
    waiting = await _waiting(conn, topics)
    known = await known_places(conn, waiting.keys())
    for key, rows in waiting.items():
        # A row of an old epoch says itself what was sent before it; one of this epoch, what was known when it was made.
        before = rows[0].follows if rows[0].place.epoch < epoch else known[key]
        last = max((place for place in (before, met.get(key)) if place and place.version), default=None)
        for version, row in enumerate(rows, 1):
            await _rewrite(conn, row, source, version, last if version == 1 else None)
        await _go_on(conn, key, Place(epoch, len(rows)), last)
    return sum(map(len, waiting.values()))


async def _waiting(conn: Connection, topics: Sequence[str]) -> dict[Key, list[Waiting]]:
    rows = await conn.fetch(
        "select seq, topic, key, headers from chassis.outbox where topic = any($1::text[]) order by seq", list(topics)
    )
    found: dict[Key, list[Waiting]] = defaultdict(list)
    for row in rows:
        headers = dict(zip(row["headers"][::2], row["headers"][1::2], strict=True))
        found[Key(row["topic"], row["key"])].append(Waiting(row["seq"], headers))
    return found


async def _rewrite(conn: Connection, row: Waiting, source: str, version: int, follows: Place | None) -> None:
    headers = {**row.headers, "ce_source": source, "ce_sequence": f"{version:012d}"}
    headers.pop("ce_follows", None)
    if follows is not None:
        headers["ce_follows"] = f"{follows.epoch}:{follows.version}"
    flat = [text for pair in headers.items() for text in pair]
    await conn.execute("update chassis.outbox set headers = $2 where seq = $1", row.seq, flat)


async def _go_on(conn: Connection, key: Key, place: Place, follows: Place | None) -> None:
    await conn.execute(
        """
        update chassis.key set epoch = $3, version = $4, follows_epoch = $5, follows_version = $6
        where topic = $1 and key = $2
        """,
        key.topic,
        key.key,
        place.epoch,
        place.version,
        follows.epoch if follows else None,
        follows.version if follows else None,
    )
