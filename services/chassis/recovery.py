"""After a restore: a service takes back what it said itself, hears what the others said since, and only then speaks.

Until then nothing leaves by the relay, changes and the gate are refused, and jobs wait. At every other start the same
look at the bus tells whether somebody restored the database without saying so.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import structlog
from aiokafka.errors import KafkaError

from schemas import partner_topic
from services.chassis import db, identity, offsets
from services.chassis.admission import Admission
from services.chassis.adopting import Adopting, delete_sent_already, first_unknown
from services.chassis.adoption import Adoption
from services.chassis.config import Settings, StartError
from services.chassis.db import Connection, Database
from services.chassis.log import describe
from services.chassis.offsets import Partition
from services.chassis.records import Incoming, Record, read
from services.chassis.renumbering import renumber
from services.chassis.tail import Tail, open_tail, raise_sent_offsets, sent_offsets, set_sent_offsets

log = structlog.get_logger()

LOCK_ID = 0x4C6F747365 + 2
LOOK_SECONDS = 0.2
IDLE_LOOK_SECONDS = 1.0
FIRST_LOOK_SECONDS = 5.0
UNREACHABLE = (KafkaError, OSError, TimeoutError)
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
        """Look before anything is done: refuse changes while a restored database recovers.

        Kafka's outage keeps nobody from starting, unless the database may have gone back meanwhile: then changes and
        gate stay shut until the bus was looked at. Raises StartError where the bus knows more than the database.
        """
        self._database.on_new_timeline = self.doubt
        if await self._stage():
            self._admission.close("recovering")
            return
        try:
            async with asyncio.timeout(FIRST_LOOK_SECONDS):
                await self._check()
        except UNREACHABLE as error:
            log.warning("bus_not_compared_yet", error=describe(error))
            async with self._database.reading() as conn:
                if await identity.may_have_gone_back(conn):
                    self._admission.close("recovering")

    def doubt(self) -> None:
        """The server is another than a moment ago: what it knows has to be compared with the bus once more."""
        log.warning("database_has_another_history")
        self._is_checked = False
        self._admission.close("recovering")

    async def run(self) -> None:
        """Recover when a restore says so, compare with the bus where that is still to be done; until cancelled."""
        while True:
            if await self._stage():
                self._admission.close("recovering")
                await self._recover_if_first()
            elif await self._is_compared():
                self._admission.open("recovering")
            await asyncio.sleep(LOOK_SECONDS if self._admission.is_closed("recovering") else IDLE_LOOK_SECONDS)

    async def in_order(self) -> None:
        """Wait until the service is in order and the bus was looked at."""
        while await self._stage() or not self._is_checked:  # noqa: ASYNC110  # it is in PostgreSQL
            await asyncio.sleep(LOOK_SECONDS)

    async def before_reading(self) -> None:
        """What a consumer waits for: its own side first, so that nothing is said a second time."""
        while (stage := await self._stage()) == "adopting":  # noqa: ASYNC110  # it is in PostgreSQL
            await asyncio.sleep(LOOK_SECONDS)
        if stage is None:
            await self._check()

    async def before_sending(self) -> None:
        """What the relay does under its lock before it sends, each time: nothing goes out beside what is unknown here.

        Raises StartError where the bus knows more than a database that nobody said was restored.
        """
        while await self._stage():  # noqa: ASYNC110  # it is in PostgreSQL
            await asyncio.sleep(LOOK_SECONDS)
        self._is_checked = False
        await self._check()

    async def _is_compared(self) -> bool:
        try:
            await self._check()
        except UNREACHABLE as error:
            log.debug("bus_not_compared_yet", error=describe(error))
        return self._is_checked

    async def _recover_if_first(self) -> None:
        """Recover, unless another process is at it: then this one only waits."""
        conn = await db.connect(str(self._settings.database_url), f"lotse-{self._service}-recovery")
        try:
            if await conn.fetchval("select pg_try_advisory_lock($1)", LOCK_ID):
                await self._recover()
        finally:
            conn.terminate()

    async def _recover(self) -> None:
        stage = await self._stage()
        if stage is None:
            return
        log.warning("recovery_started", stage=stage)
        async with open_tail(self._service, self._settings, [*self._own_topics(), *self._topics]) as tail:
            ends = await tail.ends(self._topics)
            if stage == "adopting":
                await self._adopt(tail, ends)
            beginnings = await tail.beginnings(self._topics)
        await self._catch_up(ends, beginnings)
        async with self._database.transaction() as conn:
            await self._adoption.finish(conn)
            await identity.set_recovery(conn, None)
            await identity.note_checked(conn)
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

        A process that dies in the middle of this leaves it to the next; adopting twice changes nothing.
        """
        adopting = Adopting(self._producer, self._adoption)
        async with self._database.reading() as conn:
            sent = await sent_offsets(conn)
        ends = await tail.ends(self._own_topics())
        async for batch, slug in self._own_records(tail, ends, sent):
            async with self._database.transaction() as conn:
                if slug is None:
                    await adopting.take(conn, batch)
                elif self._adoption.streams:
                    await delete_sent_already(conn, batch)
                    await self._adoption.streams.adopt(conn, slug, batch)
        await self._foresee(tail, consumed)
        async with self._database.transaction() as conn:
            waiting = await renumber(conn, self._adoption.publishes, adopting.met)
            await self._adoption.settle(conn)
            await set_sent_offsets(conn, ends)
            await offsets.lower_to(conn, consumed)
            await identity.set_recovery(conn, "catching-up")
        log.warning("own_events_adopted", events=adopting.adopted, lost=adopting.lost, waiting=waiting)

    async def _foresee(self, tail: Tail, ends: Mapping[Partition, int]) -> None:
        """Show the service, before it reads on, what the others have ended since."""
        async with self._database.reading() as conn:
            stored = await offsets.stored(conn, ends)
        for topic in self._topics if self._adoption.foresee else ():
            async for records in tail.read(topic, ends, stored):
                terminal = [incoming for incoming in _read(records) if incoming.is_terminal]
                events = [incoming.decoded() for incoming in terminal if incoming.fault is None]
                if events and self._adoption.foresee:
                    async with self._database.transaction() as conn:
                        await self._adoption.foresee(conn, events, await db.now(conn))

    async def _own_records(
        self, tail: Tail, ends: Mapping[Partition, int], sent: Mapping[Partition, int]
    ) -> AsyncIterator[Batch]:
        """Batches of our own topics from `sent` to `ends`, each with the partner's slug where it is a stream."""
        for topic in self._adoption.publishes:
            async for records in tail.read(topic, ends, sent):
                yield Batch(_read(records), None)
        for slug in sorted(self._adoption.streams.partners) if self._adoption.streams else ():
            async for records in tail.read(partner_topic(slug), ends, sent):
                yield Batch(_read(records), slug)

    async def _catch_up(self, ends: Mapping[Partition, int], beginnings: Mapping[Partition, int]) -> None:
        """Wait until the consumers, in whichever process, have read what stood on the bus when we began."""
        told = 0.0
        loop = asyncio.get_running_loop()
        while True:
            async with self._database.reading() as conn:
                stored = await offsets.stored(conn, ends)
            # Where everything was trimmed there is nothing to wait for, however far back the stored offset is.
            missing = {where: end - max(stored.get(where, 0), beginnings.get(where, 0)) for where, end in ends.items()}
            behind = sum(max(count, 0) for count in missing.values())
            if not behind:
                return
            if loop.time() - told > TELL_SECONDS:
                log.warning("recovery_catching_up", events=behind)
                told = loop.time()
            await asyncio.sleep(LOOK_SECONDS)

    async def _check(self) -> None:
        """Compare with the bus, once. What we know as sent is read first: another process goes on sending."""
        async with self._checking:
            if self._is_checked:
                return
            if self._own_topics():
                async with open_tail(self._service, self._settings, self._own_topics()) as tail:
                    async with self._database.reading() as conn:
                        sent = await sent_offsets(conn)
                    ends = await tail.ends(self._own_topics())
                    self._check_lengths(sent, ends)
                    async for batch, slug in self._own_records(tail, ends, sent):
                        await self._check_known(batch, slug)
                async with self._database.transaction() as conn:
                    await raise_sent_offsets(conn, ends)
            async with self._database.transaction() as conn:
                await identity.note_checked(conn)
            self._is_checked = True

    def _check_lengths(self, sent: Mapping[Partition, int], ends: Mapping[Partition, int]) -> None:
        own = set(self._own_topics())
        for where, offset in sent.items():
            end = ends.get(where, 0)
            if where.topic in own and offset > end:
                raise StartError(
                    f"{where.topic} partition {where.partition} ends at {end}, but {self._service} has sent up "
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
        return await first_unknown(conn, self._producer, batch)


def _read(records: Sequence[Record]) -> list[Incoming]:
    return [read(record) for record in records]


def after(gate: Callable[[], Awaitable[None]], run: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """A task that waits before it begins, each time it is started."""

    async def waiting() -> None:
        await gate()
        await run()

    return waiting
