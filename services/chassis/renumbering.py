"""What waits in the outbox of a restored database gets its versions anew, behind what the bus already has."""

from collections.abc import Mapping, Sequence

from schemas import Place
from services.chassis.adopting import known_places
from services.chassis.db import Connection
from services.chassis.keys import Key, lock_keys
from services.chassis.waiting import Waiting, waiting_of_topics


async def renumber(conn: Connection, topics: Sequence[str], met: Mapping[Key, Place]) -> int:
    """Give every waiting event of these topics a version of the present epoch; returns how many there were.

    met: the last place of each key found on the bus. Per key the order stays, and the first names the last place
    that was sent. Waits for transactions that hold one of the keys.
    """
    source, epoch = await conn.fetchrow("select source, epoch from chassis.identity")
    waiting = await _locked(conn, topics)
    known = await known_places(conn, waiting.keys())
    for key, rows in waiting.items():
        last = max((place for place in (known[key], met.get(key)) if place and place.version), default=None)
        for version, row in enumerate(rows, 1):
            await _rewrite(conn, row, source, version, last if version == 1 else None)
        await _go_on(conn, key, Place(epoch, len(rows)), last)
    return sum(map(len, waiting.values()))


async def _locked(conn: Connection, topics: Sequence[str]) -> dict[Key, list[Waiting]]:
    """All that waits, with its keys locked: what commits while one is waited for is looked at again."""
    locked: set[Key] = set()
    while new := (waiting := await waiting_of_topics(conn, topics)).keys() - locked:
        await lock_keys(conn, new)
        locked |= new
    return waiting


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
