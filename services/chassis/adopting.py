"""Taking back what the bus has of this service's own: statements and rules, one batch at a time."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

import structlog

from schemas import EVENTS, InvalidEvent, Place, UnknownEventType, place_of
from services.chassis import db, dead_letters
from services.chassis.adoption import Adoption
from services.chassis.db import Connection
from services.chassis.keys import Key, lock_keys
from services.chassis.records import Fault, Incoming

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
        await delete_sent_already(conn, [incoming for _, _, incoming in own])
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
    """The last place of each key that this database gave before the present epoch; nowhere for one it does not know."""
    rows = await conn.fetch(
        """
        select k.topic, k.key,
               case when k.epoch = i.epoch then coalesce(k.follows_epoch, 0) else k.epoch end as epoch,
               case when k.epoch = i.epoch then coalesce(k.follows_version, 0) else k.version end as version
        from chassis.identity as i, chassis.key as k
        join unnest($1::text[], $2::text[]) as wanted (topic, key) using (topic, key)
        """,
        [key.topic for key in keys],
        [key.key for key in keys],
    )
    found = {Key(row["topic"], row["key"]): Place(row["epoch"], row["version"]) for row in rows}
    return {key: found.get(key, NOWHERE) for key in keys}


async def given_places(conn: Connection, keys: Collection[Key]) -> dict[Key, Place]:
    """The last place of each key that this database has given; nowhere for one it does not know."""
    rows = await conn.fetch(
        """
        select topic, key, epoch, version from chassis.key
        join unnest($1::text[], $2::text[]) as wanted (topic, key) using (topic, key)
        """,
        [key.topic for key in keys],
        [key.key for key in keys],
    )
    found = {Key(row["topic"], row["key"]): Place(row["epoch"], row["version"]) for row in rows}
    return {key: found.get(key, NOWHERE) for key in keys}


async def _move_keys(conn: Connection, moved: Mapping[Key, Place]) -> None:
    """Go on from these places: a key that has spoken in the present epoch already follows them."""
    await conn.execute(
        """
        update chassis.key as k
        set epoch = case when k.epoch = i.epoch then k.epoch else met.epoch end,
            version = case when k.epoch = i.epoch then k.version else met.version end,
            follows_epoch = case when k.epoch = i.epoch then met.epoch end,
            follows_version = case when k.epoch = i.epoch then met.version end
        from chassis.identity as i, unnest($1::text[], $2::text[], $3::integer[], $4::bigint[])
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
