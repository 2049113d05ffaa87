"""Trying parked keys again: what waits is replayed in order; the last event frees the key."""

from datetime import datetime

import structlog

from schemas import Received
from services.chassis import db, dead_letters, offsets, versions
from services.chassis.db import Connection, Database
from services.chassis.handling import Handlers
from services.chassis.inbox import fault_of
from services.chassis.keys import Key, lock_keys
from services.chassis.planning import Duplicate, is_below_baseline, judge
from services.chassis.records import Fault, Incoming
from services.chassis.versions import Stream

log = structlog.get_logger()


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
        now = await db.now(conn)
        applied = await versions.applied(conn, [key])
        waiting = await dead_letters.queue(conn, key)
        baselines = await offsets.baselines(conn, [incoming.record for incoming in waiting])
        for incoming in waiting:
            allowed = is_below_baseline(incoming.record, baselines)
            fault = await _replay(conn, handlers, key, incoming, applied, now, baseline_allowed=allowed)
            if fault is not None:
                await dead_letters.update_reason(conn, incoming.record, fault)
                log.warning("key_stays_parked", topic=key.topic, type=incoming.type, code=fault.code)
                return False
            await dead_letters.delete(conn, incoming.record)
        await dead_letters.unpark(conn, key)
    log.info("key_unparked", topic=key.topic)
    return True


async def _replay(
    conn: Connection,
    handlers: Handlers,
    key: Key,
    incoming: Incoming,
    applied: dict[Stream, int],
    now: datetime,
    *,
    baseline_allowed: bool,
) -> Fault | None:
    if incoming.source is None or incoming.version is None:
        return incoming.fault
    stream = Stream(key, incoming.source)
    verdict = judge(incoming, applied.get(stream), baseline_allowed=baseline_allowed, handlers=handlers)
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
    applied[stream] = incoming.version
    await versions.store(conn, {stream: incoming.version})
    return None
