"""What waits in the outbox, as recovery needs to see it: which place of which key each row was given."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from schemas import Place, place_of
from services.chassis.db import Connection
from services.chassis.keys import Key


@dataclass(frozen=True)
class Waiting:
    """A row of the outbox: where it stood, and what it followed if it was the first of its epoch."""

    seq: int
    event_id: UUID
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


async def waiting_of_topics(conn: Connection, topics: Sequence[str]) -> dict[Key, list[Waiting]]:
    """All that waits for these topics, by key, in the order in which it goes out."""
    rows = await conn.fetch(
        "select seq, event_id, topic, key, headers from chassis.outbox where topic = any($1::text[]) order by seq",
        list(topics),
    )
    return _by_key(rows)


async def waiting_of_keys(conn: Connection, keys: Collection[Key]) -> dict[Key, list[Waiting]]:
    """All that waits for these keys, in the order in which it goes out."""
    rows = await conn.fetch(
        """
        select seq, event_id, topic, key, headers from chassis.outbox
        join unnest($1::text[], $2::text[]) as wanted (topic, key) using (topic, key) order by seq
        """,
        [key.topic for key in keys],
        [key.key for key in keys],
    )
    return _by_key(rows)


def _by_key(rows: Sequence[Mapping[str, Any]]) -> dict[Key, list[Waiting]]:
    found: dict[Key, list[Waiting]] = defaultdict(list)
    for row in rows:
        headers = dict(zip(row["headers"][::2], row["headers"][1::2], strict=True))
        found[Key(row["topic"], row["key"])].append(Waiting(row["seq"], row["event_id"], headers))
    return found
