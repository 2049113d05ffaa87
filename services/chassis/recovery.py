"""After a restore: a service takes back what it said itself, hears what the others said since, and only then speaks.

Until then nothing leaves by the relay, changes and the gate are refused, and jobs wait. At every other start the same
look at the bus tells whether somebody restored the database without saying so.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import structlog

from schemas import partner_topic
from services.chassis import identity, offsets
from services.chassis.admission import Admission
from services.chassis.adopting import Adopting, delete_sent_already, given_places, own_events
from services.chassis.adoption import Adoption
from services.chassis.config import Settings, StartError
from services.chassis.db import Connection, Database
from services.chassis.keys import Key
from services.chassis.offsets import Partition
from services.chassis.records import Incoming, Record, read
from services.chassis.renumbering import renumber
from services.chassis.tail import Tail, open_tail, sent_offsets, set_sent_offsets

log = structlog.get_logger()

LOOK_SECONDS = 0.2
TELL_SECONDS = 5.0


class Batch(NamedTuple):
    """Records of one topic of ours; `slug`: the partner, where it is a stream."""

    records: list[Incoming]
    slug: str | None


class Recovery:
    """One process's part in it. `topics`: the topics that the service consumes."""

    def __init__(
        self,
        service: str,
        settings: Settings,
        database: Database,
        topics: Collection[str],
        adoption: Adoption,
        admission: Admission,
    ) -> None:
        self._service = service
        self._settings = settings
        self._database = database
        self._topics = sorted(topics)
        self._adoption = adoption
        self._admission = admission
        self._producer = f"/{settings.agreement}/{service}"
        self._checking = asyncio.Lock()
        self._is_checked = False

    async def begin(self) -> None:
        """Refuse changes from the first moment on, if this is a restored database."""
        if await self._stage():
            self._admission.close("recovering")

    async def watch(self) -> None:
        """Take changes again once whichever process recovers has finished; then there is nothing more to watch."""
        await self.finished()
        self._admission.open("recovering")
        await asyncio.Event().wait()

    async def finished(self) -> None:
        """Wait until the service is in order."""
        while await self._stage():  # noqa: ASYNC110  # it is in PostgreSQL
            await asyncio.sleep(LOOK_SECONDS)

    async def before_reading(self) -> None:
        """What a consumer waits for: its own side first, so that nothing is said a second time."""
        while (stage := await self._stage()) == "adopting":  # noqa: ASYNC110  # it is in PostgreSQL
            await asyncio.sleep(LOOK_SECONDS)
        if stage is None:
            await self._check()

    async def before_sending(self) -> None:
        """What the relay does under its lock before it sends: recover, or see that there is nothing to recover.

        Raises StartError where the bus knows more than a database that nobody said was restored.
        """
        stage = await self._stage()
        if stage is None:
            await self._check()
            return
        log.warning("recovery_started", stage=stage)
        async with open_tail(self._service, self._settings, [*self._own_topics(), *self._topics]) as tail:
            ends = await tail.ends(self._topics)
            if stage == "adopting":
                await self._adopt(tail, ends)
        await self._catch_up(ends)
        async with self._database.transaction() as conn:
            await self._adoption.finish(conn)
            await identity.set_recovery(conn, None)
        self._is_checked = True
        log.warning("recovery_finished")

    def _own_topics(self) -> list[str]:
        streams = self._adoption.streams
        partners = sorted(streams.partners) if streams else []
        return [*self._adoption.publishes, *(partner_topic(slug) for slug in partners)]

    async def _stage(self) -> identity.Recovery:
        async with self._database.reading() as conn:
            return await identity.recovery(conn)

    async def _adopt(self, tail: Tail, consumed: Mapping[Partition, int]) -> None:
        """Read our own from behind the last record known as sent; nothing of it is kept before all of it is read.

        A database that comes back a second time in the middle of this begins again; adopting twice changes nothing.
        """
        adopting = Adopting(self._producer, self._adoption)
        ends = await tail.ends(self._own_topics())
        async for batch, slug in self._own_records(tail, ends):
            async with self._database.transaction() as conn:
                if slug is None:
                    await adopting.take(conn, batch)
                elif self._adoption.streams:
                    await delete_sent_already(conn, batch)
                    await self._adoption.streams.adopt(conn, slug, batch)
        async with self._database.transaction() as conn:
            waiting = await renumber(conn, self._adoption.publishes, adopting.met)
            await self._adoption.settle(conn)
            await set_sent_offsets(conn, ends)
            await offsets.lower_to(conn, consumed)
            await identity.set_recovery(conn, "catching-up")
        log.warning("own_events_adopted", events=adopting.adopted, lost=adopting.lost, waiting=waiting)

    async def _own_records(
        self, tail: Tail, ends: Mapping[Partition, int]
    ) -> AsyncIterator[tuple[list[Incoming], str | None]]:
        """Batches of our own topics, each with the partner's slug where it is a stream."""
        async with self._database.reading() as conn:
            sent = await sent_offsets(conn)
        for topic in self._adoption.publishes:
            async for records in tail.read(topic, ends, sent):
                yield Batch(_read(records), None)
        for slug in sorted(self._adoption.streams.partners) if self._adoption.streams else ():
            async for records in tail.read(partner_topic(slug), ends, sent):
                yield Batch(_read(records), slug)

    async def _catch_up(self, ends: Mapping[Partition, int]) -> None:
        """Wait until the consumers, in whichever process, have read what stood on the bus when we began."""
        told = 0.0
        loop = asyncio.get_running_loop()
        while True:
            async with self._database.reading() as conn:
                stored = await offsets.stored(conn, ends)
            behind = sum(max(end - stored.get(where, 0), 0) for where, end in ends.items())
            if not behind:
                return
            if loop.time() - told > TELL_SECONDS:
                log.warning("recovery_catching_up", events=behind)
                told = loop.time()
            await asyncio.sleep(LOOK_SECONDS)

    async def _check(self) -> None:
        async with self._checking:
            if self._is_checked or not self._own_topics():
                return
            async with open_tail(self._service, self._settings, self._own_topics()) as tail:
                ends = await tail.ends(self._own_topics())
                await self._check_lengths(ends)
                async for batch, slug in self._own_records(tail, ends):
                    await self._check_known(batch, slug)
            async with self._database.transaction() as conn:
                await set_sent_offsets(conn, ends)
            self._is_checked = True

    async def _check_lengths(self, ends: Mapping[Partition, int]) -> None:
        async with self._database.reading() as conn:
            sent = await sent_offsets(conn)
        for where, offset in sent.items():
            if offset > ends.get(where, offset):
                raise StartError(
                    f"{where.topic} partition {where.partition} ends at {ends[where]}, but {self._service} has sent up "
                    f"to {offset}: Kafka came back older than it was. See docs/operations.md, Backups and restore."
                )

    async def _check_known(self, batch: Sequence[Incoming], slug: str | None) -> None:
        """The database is read after the bus: what another process of ours sent a moment ago is in it by then."""
        async with self._database.reading() as conn:
            unknown = await self._unknown(conn, batch, slug)
        if unknown is not None:
            raise StartError(
                f"The bus holds events of {self._service} that its database does not know (first: "
                f"{unknown.record.topic} partition {unknown.record.partition} offset {unknown.record.offset}): the "
                f"database was restored to an older state. `lotse restore --service {self._service} --no-data` makes "
                "it go on safely."
            )

    async def _unknown(self, conn: Connection, batch: Sequence[Incoming], slug: str | None) -> Incoming | None:
        if slug is not None and self._adoption.streams:
            number = await self._adoption.streams.next_number(conn, slug)
            return next((each for each in batch if each.version and each.version >= number), None)
        own = own_events(self._producer, batch)
        known = await given_places(conn, {_key(incoming) for incoming, _ in own})
        return next((incoming for incoming, place in own if place > known[_key(incoming)]), None)


def _key(incoming: Incoming) -> Key:
    return Key(incoming.record.topic, incoming.key or "")


def _read(records: Sequence[Record]) -> list[Incoming]:
    return [read(record) for record in records]


def after(gate: Callable[[], Awaitable[None]], run: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """A task that waits before it begins, each time it is started."""

    async def waiting() -> None:
        await gate()
        await run()

    return waiting
