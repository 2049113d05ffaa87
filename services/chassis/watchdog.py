"""Ending a process that hangs, so that whoever supervises it starts a fresh one.

Two ways to hang are watched: the event loop does not turn any more (something blocks it), and the consumer stands
still with work to do although broker and database answer (a rebalance that never ends, a handler that waits for ever).
What merely waits is left alone: for Kafka, for the database, for a lock, for a slow statement, for a recovery.
"""

import asyncio
import os
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from services.chassis import db, offsets
from services.chassis.config import Settings
from services.chassis.db import Connection
from services.chassis.log import describe
from services.chassis.offsets import Partition
from services.chassis.patience import to_its_end

log = structlog.get_logger()

EXIT_CODE = 70
LAST_WORDS_SECONDS = 2.0
LOOKS = 6
ASK_SECONDS = 5.0
STOP_SECONDS = 2.0


def end_process(reason: str, **more: Any) -> None:
    """Say why and end at once, without any cleaning up: whatever hangs would hang that too.

    The last words come from a thread of their own: what blocks the loop may be the log.
    """
    words = {"reason": reason, "code": EXIT_CODE, **more}
    speaker = threading.Thread(target=log.error, args=("process_ended_by_watchdog",), kwargs=words, daemon=True)
    speaker.start()
    speaker.join(LAST_WORDS_SECONDS)
    os._exit(EXIT_CODE)


def places_of_tasks() -> list[str]:
    """Where each task of this loop waits, outermost first: files and lines, no values."""
    return sorted(f"{task.get_name()}: {' > '.join(_awaited(task.get_coro()))}" for task in asyncio.all_tasks())


def _awaited(coro: Any) -> Iterator[str]:
    """The lines of a suspended coroutine and of what it awaits, down to the future."""
    while coro is not None:
        frame = getattr(coro, "cr_frame", None) or getattr(coro, "gi_frame", None)
        if frame is not None:
            yield f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno}"
        coro = getattr(coro, "cr_await", None) or getattr(coro, "gi_yieldfrom", None)


@asynccontextmanager
async def watched_loop(seconds: float, end: Callable[..., None] = end_process) -> AsyncIterator[None]:
    """End the process when this event loop does not turn for that long; 0: never."""
    if not seconds:
        yield
        return
    watch = _LoopWatch(seconds, end)
    turning = asyncio.create_task(watch.turn(), name="watchdog")
    watch.start()
    try:
        yield
    finally:
        watch.stop()
        turning.cancel()


class _LoopWatch(threading.Thread):
    """Counts its own beats without a turn instead of looking at a clock: a process that was suspended is not stuck."""

    def __init__(self, seconds: float, end: Callable[..., None]) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._beat = seconds / LOOKS
        self._end = end
        self._turns = 0
        self._stopped = threading.Event()
        self._watched = threading.get_ident()

    async def turn(self) -> None:
        """What the loop has to get round to, twice a beat."""
        while True:
            self._turns += 1
            await asyncio.sleep(self._beat / 2)

    def stop(self) -> None:
        """The loop ends in order."""
        self._stopped.set()

    def run(self) -> None:
        """Compare, beat by beat."""
        seen, missed = -1, 0
        while not self._stopped.wait(self._beat):
            missed = missed + 1 if self._turns == seen else 0
            seen = self._turns
            if missed >= LOOKS:
                self._end("the event loop does not turn", at=self._places())
                return

    def _places(self) -> list[str]:
        """Where the loop's thread is now: files and lines, no values."""
        frame = sys._current_frames().get(self._watched)
        frames = traceback.extract_stack(frame) if frame else []
        return [f"{each.filename.rpartition('/')[2]}:{each.lineno}" for each in frames[-8:]]


def _nothing_assigned() -> Collection[TopicPartition]:
    return ()


class Progress:
    """What the consumer says of itself. `sign`: something was applied, or will be tried again."""

    def __init__(self) -> None:
        self.signs = 0
        self._assigned = _nothing_assigned

    def sign(self) -> None:
        """It goes on; costs nothing."""
        self.signs += 1

    def begin(self, assigned: Callable[[], Collection[TopicPartition]]) -> None:
        """The consumer runs; `assigned` tells its partitions."""
        self._assigned = assigned

    def rest(self) -> None:
        """The consumer does not run: it has stopped, or is about to be started again."""
        self._assigned = _nothing_assigned

    def assigned(self) -> Collection[TopicPartition]:
        """The partitions it should be reading now; none while it rests."""
        return self._assigned()


class ConsumerWatch:
    """Looks after the consumer of this process, from beside it: with its own connections to broker and database."""

    def __init__(
        self, service: str, settings: Settings, progress: Progress, end: Callable[..., None] = end_process
    ) -> None:
        self._service = service
        self._settings = settings
        self._progress = progress
        self._end = end
        self._conn: Connection | None = None
        self._client: Any = None

    async def run(self) -> None:
        """Count the looks that found it standing still with work to do; all other looks begin anew."""
        seconds = self._settings.watchdog_seconds
        seen, still = self._progress.signs, 0
        try:
            while True:
                await asyncio.sleep(seconds / LOOKS)
                moved, seen = self._progress.signs != seen, self._progress.signs
                still = still + 1 if not moved and await self._stands_still() else 0
                if still >= LOOKS and self._progress.signs == seen:
                    topics = sorted({each.topic for each in self._progress.assigned()})
                    self._end("the consumer stands still", topics=topics, waiting=places_of_tasks())
        finally:
            await self._disconnect()

    async def _stands_still(self) -> bool:
        """Whether records wait in its partitions and nothing excuses that they are not being applied."""
        assigned = list(self._progress.assigned())
        if not assigned:
            return False
        try:
            async with asyncio.timeout(4 * ASK_SECONDS):
                await self._connect()
                return await self._is_behind(assigned) and not await self._is_slow()
        except Exception as error:
            if not (isinstance(error, KafkaError) or db.is_transient(error)):
                raise
            log.info("watchdog_cannot_tell", error=describe(error))
            await self._disconnect()
            return False

    async def _is_behind(self, assigned: Iterable[TopicPartition]) -> bool:
        names = {Partition(self._settings.logical(each.topic), each.partition): each for each in assigned}
        first = await self._client.beginning_offsets(list(names.values()))
        ends = await self._client.end_offsets(list(names.values()))
        stored: Mapping[Partition, int] = await offsets.stored(self._connection(), names)
        return any(ends[name] > max(stored.get(where, 0), first[name]) for where, name in names.items())

    async def _is_slow(self) -> bool:
        """Whether a transaction of ours has been under way for a while and still gets answers, or waits for one.

        A lock that is held, or a batch whose statements take long; not a transaction that nobody goes on with.
        """
        slow: bool = await self._connection().fetchval(
            """
            select exists (
                select 1 from pg_stat_activity
                where datname = current_database() and application_name = $1
                  and xact_start < clock_timestamp() - make_interval(secs => $2)
                  and (state = 'active' or state_change > clock_timestamp() - make_interval(secs => $2)))
            """,
            f"lotse-{self._service}",
            self._settings.watchdog_seconds / LOOKS,
        )
        return slow

    def _connection(self) -> Connection:
        if self._conn is None:
            raise OSError("not connected")
        return self._conn

    async def _connect(self) -> None:
        if self._conn is None:
            url = str(self._settings.database_url)
            self._conn = await db.connect(url, f"lotse-{self._service}-watchdog", command_timeout=ASK_SECONDS)
        if self._client is None:
            client = AIOKafkaConsumer(
                bootstrap_servers=self._settings.kafka,
                client_id=f"lotse-{self._service}-watchdog",
                group_id=None,
                enable_auto_commit=False,
                request_timeout_ms=int(ASK_SECONDS * 1000),
                **self._settings.kafka_credentials(),
            )
            self._client = client
            await to_its_end(client.start())

    async def _disconnect(self) -> None:
        client, conn = self._client, self._conn
        self._client = self._conn = None
        if conn is not None:
            conn.terminate()
        if client is not None:
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await client.stop()
            except (TimeoutError, KafkaError, OSError) as error:
                log.info("watchdog_stop_cut_short", error=describe(error))
