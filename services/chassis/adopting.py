"""Taking back what the bus has of this service's own: statements and rules, one batch at a time."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog

from schemas import EVENTS, InvalidEvent, Place, UnknownEventType, place_of
from services.chassis import db, dead_letters
from services.chassis.adoption import Adoption
from services.chassis.db import Connection
from services.chassis.keys import Key, lock_keys
from services.chassis.records import Fault, Incoming
from services.chassis.waiting import waiting_of_keys

log = structlog.get_logger()

NOWHERE = Place(0, 0)


class Adopting:
    """One pass over a service's own events. `met`: the last place of each key that the bus holds."""

    def __init__(self, producer: str, adoption: Adoption) -> None:
        self._producer = producer
        self._adoption = adoption
        self.met: dict[Key, Place] = {}
        self.adopted = 0
        self.lost = 0

    async def take(self, conn: Connection, batch: Sequence[Incoming]) -> None:
        """Adopt what is new in a batch of one topic; what cannot be adopted parks its key as lost."""
        own = [(_key(incoming), place, incoming) for incoming, place in own_events(self._producer, batch)]
        keys = {key for key, _, _ in own}
        await lock_keys(conn, keys)
        # First what the bus has goes from the outbox: what still waits then was never sent.
        await delete_sent_already(conn, [incoming for _, _, incoming in own])
        known, now = await known_places(conn, keys), await db.now(conn)
        letters: list[tuple[Incoming, Fault]] = []
        moved: dict[Key, Place] = {}
        for key, place, incoming in own:
            self.met[key] = max(place, self.met.get(key, NOWHERE))
            if place <= moved.get(key, known[key]):
                continue
            moved[key] = place
            fault = await self._adopt(conn, incoming, now)
            if fault is None:
                self.adopted += 1
            else:
                letters.append((incoming, fault))
        await _move_keys(conn, moved)
        await self._list_lost(conn, letters, now)

    async def _adopt(self, conn: Connection, incoming: Incoming, now: datetime) -> Fault | None:
        event_class = EVENTS.get(incoming.type or "")
        adopt = self._adoption.events.get(event_class) if event_class and not incoming.fault else None
        if adopt is None:
            return Fault(dead_letters.LOST, f"the restored database cannot take back {incoming.type}")
        try:
            event = incoming.decoded()
        except (UnknownEventType, InvalidEvent) as error:
            return Fault(dead_letters.LOST, str(error))
        if await adopt(conn, event, now):
            return None
        return Fault(dead_letters.LOST, f"the restored database lacks what {incoming.type} was about")

    async def _list_lost(self, conn: Connection, letters: Sequence[tuple[Incoming, Fault]], now: datetime) -> None:
        for incoming, fault in letters:
            await dead_letters.insert(conn, incoming, fault, now)
            log.error("own_event_lost", topic=incoming.record.topic, key=incoming.key, type=incoming.type)
        await dead_letters.park(conn, {_key(incoming) for incoming, _ in letters}, now)
        self.lost += len(letters)


def own_events(producer: str, batch: Iterable[Incoming]) -> list[tuple[Incoming, Place]]:
    """Those records of a batch that this service published, in any epoch."""
    found = []
    for incoming in batch:
        if incoming.key is None or incoming.source is None or incoming.version is None:
            continue
        name, place = place_of(incoming.source, incoming.version)
        if name == producer:
            found.append((incoming, place))
    return found


def _key(incoming: Incoming) -> Key:
    return Key(incoming.record.topic, incoming.key or "")


async def known_places(conn: Connection, keys: Collection[Key]) -> dict[Key, Place]:
    """The last place of each key that this database knows as sent, before the present epoch; nowhere for none.

    What waits in the outbox has a place, but the bus may hold something else there.
    """
    epoch = await conn.fetchval("select epoch from chassis.identity")
    waiting = await waiting_of_keys(conn, keys)
    known = {}
    for row in await _key_rows(conn, keys):
        key, is_new = Key(row["topic"], row["key"]), row["epoch"] == epoch
        before = Place(row["follows_epoch"] or 0, row["follows_version"] or 0)
        known[key] = before if is_new else Place(row["epoch"], row["version"])
        oldest = waiting.get(key, [])[:1]
        if oldest and oldest[0].place.epoch < epoch:
            known[key] = oldest[0].follows or NOWHERE
    return {key: known.get(key, NOWHERE) for key in keys}


async def first_unknown(conn: Connection, producer: str, batch: Iterable[Incoming]) -> Incoming | None:
    """The first of our own events on the bus that this database does not know; None when it knows all of them.

    An event is known by its place, or by its row that still waits: relayed, and not deleted when the relay died.
    """
    own = own_events(producer, batch)
    keys = {_key(incoming) for incoming, _ in own}
    waiting = await waiting_of_keys(conn, keys)
    known = {Key(row["topic"], row["key"]): Place(row["epoch"], row["version"]) for row in await _key_rows(conn, keys)}
    known |= {key: rows[0].follows or NOWHERE for key, rows in waiting.items()}
    ids = {row.event_id for rows in waiting.values() for row in rows}
    for incoming, place in own:
        is_waiting = incoming.envelope is not None and incoming.envelope.id in ids
        if place > known.get(_key(incoming), NOWHERE) and not is_waiting:
            return incoming
    return None


async def _key_rows(conn: Connection, keys: Collection[Key]) -> Sequence[Mapping[str, Any]]:
    rows: Sequence[Mapping[str, Any]] = await conn.fetch(
        """
        select topic, key, epoch, version, follows_epoch, follows_version from chassis.key
        join unnest($1::text[], $2::text[]) as wanted (topic, key) using (topic, key)
        """,
        [key.topic for key in keys],
        [key.key for key in keys],
    )
    return rows


async def _move_keys(conn: Connection, moved: Mapping[Key, Place]) -> None:
    """Go on from these places: a key that has spoken in the present epoch already follows them."""
    await conn.execute(
        """
        update chassis.key as k
        set epoch = case when k.epoch = i.epoch then k.epoch else met.epoch end,
            version = case when k.epoch = i.epoch then k.version else met.version end,
            follows_epoch = case when k.epoch = i.epoch then met.epoch end,
            follows_version = case when k.epoch = i.epoch then met.version end
        from chassis.identity as i, unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[])
            as met (topic, key, epoch, version)
        where k.topic = met.topic and k.key = met.key
        """,
        [key.topic for key in moved],
        [key.key for key in moved],
        [place.epoch for place in moved.values()],
        [place.version for place in moved.values()],
    )


async def delete_sent_already(conn: Connection, found: Sequence[Incoming]) -> None:
    """Drop what waits in the outbox although the bus has it."""
    ids = [incoming.envelope.id for incoming in found if incoming.envelope is not None]
    await conn.execute("delete from chassis.outbox where event_id = any($1::uuid[])", ids)
