"""Applying what the bus brings: each event once, in the order of its versions, or parked.

A batch is one transaction together with its offsets; when one of its events fails, the batch is applied key by key,
so that a failing case stops no other. Transient errors wait here and never park.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

import structlog

from services.chassis import db, dead_letters, offsets, tracing, versions
from services.chassis.alarm import ConsumerStopped, ParkingAlarm
from services.chassis.db import Connection, Database
from services.chassis.handling import Handlers, Permanent
from services.chassis.keys import Key
from services.chassis.latency import TO_APPLIED, Stopwatch
from services.chassis.log import describe, set_correlation_id
from services.chassis.metrics import APPLIED, BATCH_RETRIES, DUPLICATES, PARKED
from services.chassis.offsets import Abandoned, Partition, WentBack
from services.chassis.planning import Known, Plan, plan
from services.chassis.records import Fault, Incoming, Record, read
from services.chassis.supervise import Backoff
from services.chassis.versions import Locked
from services.chassis.watchdog import Progress

log = structlog.get_logger()

TRIES_BEFORE_PARKING = 5


class EventFailed(Exception):
    """A handler raised on this record; the cause is attached."""

    def __init__(self, incoming: Incoming) -> None:
        super().__init__(f"{incoming.type} at offset {incoming.record.offset}")
        self.incoming = incoming


class Inbox:
    """Applies batches of records for one service."""

    def __init__(
        self,
        database: Database,
        handlers: Handlers,
        alarm: ParkingAlarm | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._database = database
        self._handlers = handlers
        self._alarm = alarm or ParkingAlarm()
        self._progress = progress or Progress()

    async def apply(self, records: Sequence[Record], believed: Mapping[Partition, int] | None = None) -> bool:
        """Apply a batch, waiting out what passes by itself.

        believed: where this process knows the stored offsets to stand at least.
        Returns False when another process has gone past it already (a zombie after a rebalance): nothing was
        applied then. Raises ConsumerStopped when too many keys would be parked, WentBack when the database is older.
        """
        set_correlation_id(None)
        with tracing.batch("apply", (record.headers for record in records)):
            return await self._until_applied([read(record) for record in records], believed or {})

    async def _until_applied(self, batch: Sequence[Incoming], believed: Mapping[Partition, int]) -> bool:
        backoff = Backoff()
        while True:
            try:
                await self._together(batch, believed)
                return True
            except Abandoned:
                return False
            except (ConsumerStopped, WentBack):
                raise
            except Exception as error:
                BATCH_RETRIES.inc()
                if not db.is_transient(error):
                    log.warning("batch_failed_trying_key_by_key", events=len(batch), error=describe(error))
                    return await self._key_by_key(batch, believed)
                log.warning("batch_will_be_retried", events=len(batch), error=describe(error))
                self._progress.sign()
                await asyncio.sleep(backoff.next())

    async def _together(self, batch: Sequence[Incoming], believed: Mapping[Partition, int]) -> None:
        async with self._database.transaction() as conn:
            baselines = await offsets.advance(conn, [incoming.record for incoming in batch], believed)
            locked = await _lock(conn, batch)
            watch = Stopwatch(locked.now)
            result = self._plan(batch, locked, baselines, {})
            await self._handlers.apply(conn, [event for _, event in result.run], locked.now)
            await self._write(conn, result, locked.now)
        self._count(result, watch)

    async def _key_by_key(self, batch: Sequence[Incoming], believed: Mapping[Partition, int]) -> bool:
        for group in _by_key(batch):
            await self._one_key(group)
            self._progress.sign()
        try:
            async with self._database.transaction() as conn:
                await offsets.advance(conn, [incoming.record for incoming in batch], believed)
        except Abandoned:
            return False
        return True

    async def _one_key(self, group: Sequence[Incoming]) -> None:
        """Apply what one key has in the batch; versions keep a second pass over it from applying anything twice."""
        poison: dict[Partition, dict[int, Fault]] = defaultdict(dict)
        failures: Counter[int] = Counter()
        backoff = Backoff()
        while True:
            try:
                await self._one_key_once(group, poison)
                return
            except EventFailed as failed:
                record, cause = failed.incoming.record, failed.__cause__ or failed
                if not db.is_transient(cause):
                    failures[record.offset] += 1
                    if isinstance(cause, Permanent) or failures[record.offset] >= TRIES_BEFORE_PARKING:
                        poison[Partition(record.topic, record.partition)][record.offset] = fault_of(cause)
                        continue
                log.warning("event_will_be_retried", type=failed.incoming.type, error=describe(cause))
            except Exception as error:
                if not db.is_transient(error):
                    raise
                log.warning("key_will_be_retried", error=describe(error))
            self._progress.sign()
            await asyncio.sleep(backoff.next())

    async def _one_key_once(self, group: Sequence[Incoming], poison: dict[Partition, dict[int, Fault]]) -> None:
        async with self._database.transaction() as conn:
            baselines = await offsets.baselines(conn, [incoming.record for incoming in group])
            locked = await _lock(conn, group)
            watch = Stopwatch(locked.now)
            result = self._plan(group, locked, baselines, poison)
            for incoming, event in result.run:
                try:
                    await self._handlers.apply(conn, [event], locked.now)
                except Exception as error:
                    raise EventFailed(incoming) from error
            await self._write(conn, result, locked.now)
        self._count(result, watch)

    def _plan(
        self,
        batch: Sequence[Incoming],
        locked: Locked,
        baselines: Mapping[Partition, int],
        poison: dict[Partition, dict[int, Fault]],
    ) -> Plan:
        result = plan(batch, Known(locked.parked, locked.applied, baselines), poison, self._handlers)
        self._alarm.check(result.alarming)
        return result

    async def _write(self, conn: Connection, result: Plan, now: datetime) -> None:
        await versions.store(conn, result.moved)
        if not result.letters:
            return
        for incoming, fault in result.letters:
            await dead_letters.insert(conn, incoming, fault, now)
        await dead_letters.park(conn, result.parked, now)

    def _count(self, result: Plan, watch: Stopwatch) -> None:
        self._alarm.note(result.alarming)
        TO_APPLIED.observe(watch.since(event.time for _, event in result.run))
        APPLIED.inc(len(result.run))
        DUPLICATES.inc(result.duplicates)
        for incoming, fault in result.letters:
            PARKED.labels(fault.code).inc()
            log.error(
                "event_parked",
                topic=incoming.record.topic,
                partition=incoming.record.partition,
                offset=incoming.record.offset,
                type=incoming.type,
                code=fault.code,
                reason=fault.reason,
            )


async def _lock(conn: Connection, batch: Sequence[Incoming]) -> Locked:
    keys = {Key(incoming.record.topic, incoming.key) for incoming in batch if incoming.key is not None}
    return await versions.lock(conn, keys)


def fault_of(error: BaseException) -> Fault:
    """Why a handler's error parks the key; only a declared one speaks in its own words, others may quote data."""
    if isinstance(error, Permanent):
        return Fault("refused", str(error))
    described = describe(error)
    return Fault("handler-failed", f"{described['type']} at {', '.join(map(str, described['at'][-2:]))}")  # type: ignore[index]


def _by_key(batch: Sequence[Incoming]) -> list[list[Incoming]]:
    groups: dict[tuple[str, str | None], list[Incoming]] = defaultdict(list)
    for incoming in batch:
        groups[incoming.record.topic, incoming.key].append(incoming)
    return list(groups.values())
