"""Trying parked keys again: what waits is replayed in order; the last event frees the key."""

from datetime import datetime
from typing import NamedTuple

import structlog

from schemas import Place, Received
from services.chassis import db, dead_letters, offsets, versions
from services.chassis.db import Connection, Database
from services.chassis.handling import Handlers
from services.chassis.inbox import fault_of
from services.chassis.keys import Key, lock_keys
from services.chassis.planning import Duplicate, is_below_baseline, judge
from services.chassis.records import Fault, Incoming
from services.chassis.versions import Applied, Step, Stream

log = structlog.get_logger()

QUEUE_AT_ONCE = 500
# Faults of what came before an event, not of the event.
HOLES = frozenset({"gap", "outrun"})


class Stuck(NamedTuple):
    """The first event of a queue that cannot be applied, and why."""

    incoming: Incoming
    fault: Fault


class Replayed(NamedTuple):
    """How many records left the queue, and where it stopped; the key is free when nothing is stuck."""

    left: int
    stuck: Stuck | None


class LetGo(NamedTuple):
    """Whether the event was dropped or only what is missing before it, and the last version that counts as applied."""

    dropped: bool
    goes_on_from: int | None


async def retry_all(database: Database, handlers: Handlers) -> int:
    """Try every parked key once (new code may understand what old code could not). Returns how many are free again."""
    async with database.reading() as conn:
        keys = await dead_letters.parked_keys(conn)
    freed = 0
    for key in keys:
        freed += await retry(database, handlers, key)
    return freed


async def retry(database: Database, handlers: Handlers, key: Key) -> bool:
    """Replay what waits behind `key`, in order, up to the first event that still cannot be applied.

    What could be applied stays applied; returns whether the key is free. Raises what is transient.
    """
    async with database.transaction() as conn:
        if not (await lock_keys(conn, [key]))[key]:
            return True
        replayed = await replay(conn, handlers, key, await db.now(conn))
    return replayed.stuck is None


async def replay(conn: Connection, handlers: Handlers, key: Key, now: datetime) -> Replayed:
    """The same within a transaction that holds the lock of `key`, which is parked."""
    applied = await versions.applied(conn, [key])
    left = 0
    while waiting := await dead_letters.queue(conn, key, QUEUE_AT_ONCE):
        baselines = await offsets.baselines(conn, [incoming.record for incoming in waiting])
        for incoming in waiting:
            allowed = is_below_baseline(incoming.record, baselines)
            fault = await _replay(conn, handlers, key, incoming, applied, now, baseline_allowed=allowed)
            if fault is not None:
                await dead_letters.update_reason(conn, incoming.record, fault)
                log.warning("key_stays_parked", topic=key.topic, type=incoming.type, code=fault.code)
                return Replayed(left, Stuck(incoming, fault))
            await dead_letters.delete(conn, incoming.record)
            left += 1
    await dead_letters.unpark(conn, key)
    log.info("key_unparked", topic=key.topic)
    return Replayed(left, None)


async def let_go(conn: Connection, key: Key, stuck: Stuck) -> LetGo:
    """Go on without what is missing, or without the event itself where nothing is missing before it.

    A gap loses no event that is here: the missing versions are given up, and the waiting event is the next one.
    The caller holds the lock and replays afterwards.
    """
    incoming = stuck.incoming
    if incoming.source is None or incoming.version is None:
        await dead_letters.delete(conn, incoming.record)
        return LetGo(dropped=True, goes_on_from=None)
    stream = Stream(key, incoming.source)
    applied = await versions.applied(conn, [key])
    # One of our own that a restore lost may have counted as applied already.
    last = applied.last(stream)
    dropped = stuck.fault.code not in HOLES or not _is_next(applied, stream, incoming.version, incoming.follows)
    goes_on_from = max(last, incoming.version if dropped else incoming.version - 1)
    await versions.store(conn, {stream: goes_on_from})
    if dropped:
        await dead_letters.delete(conn, incoming.record)
    return LetGo(dropped, goes_on_from)


def _is_next(applied: Applied, stream: Stream, version: int, follows: Place | None) -> bool:
    """Whether the event would be the next one if all before it counted as applied; an older epoch's never is."""
    applied.move(stream, version - 1)
    return applied.step(stream, version, follows, baseline_allowed=False) is Step.NEXT


async def _replay(
    conn: Connection,
    handlers: Handlers,
    key: Key,
    incoming: Incoming,
    applied: Applied,
    now: datetime,
    *,
    baseline_allowed: bool,
) -> Fault | None:
    is_lost = incoming.fault is not None and incoming.fault.code == dead_letters.LOST
    if incoming.source is None or incoming.version is None or is_lost:
        return incoming.fault
    stream = Stream(key, incoming.source)
    verdict = judge(incoming, applied, stream, baseline_allowed=baseline_allowed, handlers=handlers)
    if isinstance(verdict, Fault):
        return verdict
    if verdict is Duplicate:
        return None
    if isinstance(verdict, Received):
        try:
            async with conn.transaction():
                await handlers.apply(conn, [verdict], now)
        except Exception as error:
            if db.is_transient(error):
                raise
            return fault_of(error)
    applied.move(stream, incoming.version)
    await versions.store(conn, {stream: incoming.version})
    return None
