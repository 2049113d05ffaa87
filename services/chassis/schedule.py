"""Jobs: what is due by the clock. One process runs a job at a time; each item is a transaction under its key's lock."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from services.chassis import db
from services.chassis.db import Connection, Database
from services.chassis.keys import Key, lock_keys
from services.chassis.log import describe, set_correlation_id

log = structlog.get_logger()

TICK_SECONDS = 0.5
ITEMS_A_RUN = 500
OUTAGES_A_RUN = 3
SHORTEST_REST = timedelta(seconds=1)
# Short enough that a fault which stays is in the log of any ten minutes.
LONGEST_REST = timedelta(minutes=5)


@dataclass(frozen=True)
class Job:
    """Something to do again and again.

    find: up to `limit` items (hashable) due at the given time; reads only.
    keys: what to lock for an item before it is looked at again.
    act: does it, under the lock; must look again whether it is still due.
    """

    name: str
    every: timedelta
    find: Callable[[Connection, datetime, int], Awaitable[Sequence[Any]]]
    keys: Callable[[Any], Sequence[Key]]
    act: Callable[[Connection, Any, datetime], Awaitable[None]]


class Resting:
    """Items that failed and are left alone for a while, longer each time: soon again after an outage, else rarely."""

    def __init__(self, every: timedelta) -> None:
        self._every = every
        self._items: dict[Any, tuple[datetime, timedelta]] = {}
        self._look_again: datetime | None = None

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Any, now: datetime, *, is_transient: bool) -> bool:
        """It failed just now. Returns whether its rests have become as long as they get."""
        first = SHORTEST_REST if is_transient else self._every
        most = self._every if is_transient else LONGEST_REST
        _, before = self._items.get(item, (now, timedelta()))
        pause = min(max(2 * before, first), max(most, first))
        self._items[item] = (now + pause, pause)
        return pause >= most

    def rests(self, item: Any, now: datetime) -> bool:
        """Whether it is not to be tried yet."""
        return item in self._items and self._items[item][0] > now

    def forget(self, item: Any) -> None:
        """It is done."""
        self._items.pop(item, None)

    def forget_all_but(self, items: Iterable[Any]) -> None:
        """The others are not due any more."""
        self._items = {item: self._items[item] for item in items if item in self._items}

    def look_again(self, now: datetime) -> None:
        """Some were not even tried."""
        self._look_again = now + SHORTEST_REST

    def next_due(self, now: datetime) -> datetime:
        """When to look next: after `every`, sooner where a failed item may be tried before."""
        again, self._look_again = self._look_again, None
        wanted = [until for until, _ in self._items.values()] + ([again] if again else [])
        return min([now + self._every, *(max(each, now + SHORTEST_REST) for each in wanted)])


async def run_jobs(database: Database, jobs: Sequence[Job]) -> None:
    """Run the jobs as they fall due, until cancelled."""
    async with database.transaction() as conn:
        for job in jobs:
            await conn.execute(
                "insert into chassis.job (name, due_at) values ($1, chassis.lotse_now()) on conflict do nothing",
                job.name,
            )
    resting = {job.name: Resting(job.every) for job in jobs}
    while True:
        for job in jobs:
            try:
                await run_if_due(database, job, resting[job.name])
            except Exception as error:
                # One job that cannot even look must not keep the others from running.
                log.error("job_failed", job=job.name, error=describe(error))
        await asyncio.sleep(TICK_SECONDS)


async def run_if_due(database: Database, job: Job, resting: Resting | None = None) -> int:
    """Run a job if it is due and nobody else is running it; returns the number of items done.

    resting: what this process remembers of items that failed.
    """
    async with database.holding() as conn:
        if not await _is_due(conn, job):
            return 0
        if not await conn.fetchval("select pg_try_advisory_lock(hashtext($1))", job.name):
            return 0
        try:
            return await _run(database, conn, job, Resting(job.every) if resting is None else resting)
        finally:
            await conn.execute("select pg_advisory_unlock(hashtext($1))", job.name)


async def _run(database: Database, conn: Connection, job: Job, resting: Resting) -> int:
    """Items that failed may come first for ever: as many more are looked for, so that they hide no other."""
    now = await db.now(conn)
    limit = ITEMS_A_RUN + len(resting)
    found = await job.find(conn, now, limit)
    items = [item for item in found if not resting.rests(item, now)][:ITEMS_A_RUN]
    is_all = len(found) < limit
    if is_all:
        resting.forget_all_but(found)
    done = await _run_items(database, job, items, resting, now)
    if is_all:
        await conn.execute("update chassis.job set due_at = $2 where name = $1", job.name, resting.next_due(now))
    if items:
        log.info("job_ran", job=job.name, items=done)
    return done


async def _run_items(database: Database, job: Job, items: Sequence[Any], resting: Resting, now: datetime) -> int:
    """Stops early when one item after the other meets an outage: the rest would only wait for the same."""
    done = outages = 0
    for item in items:
        error = await _run_item(database, job, item)
        if error is None:
            resting.forget(item)
            done, outages = done + 1, 0
            continue
        is_transient = db.is_transient(error)
        is_lasting = resting.put(item, now, is_transient=is_transient)
        if is_transient and not is_lasting:
            log.warning("job_item_will_be_retried", job=job.name, error=describe(error))
        else:
            log.error("job_item_failed", job=job.name, error=describe(error))
        outages = outages + 1 if is_transient else 0
        if outages == OUTAGES_A_RUN:
            resting.look_again(now)
            break
    return done


async def _run_item(database: Database, job: Job, item: Any) -> Exception | None:
    """One item, one transaction; one that fails stops no other. Returns what went wrong."""
    set_correlation_id(None)
    try:
        async with database.transaction() as conn:
            await lock_keys(conn, job.keys(item))
            await job.act(conn, item, await db.now(conn))
    except Exception as error:
        return error
    return None


async def _is_due(conn: Connection, job: Job) -> bool:
    due: bool | None = await conn.fetchval(
        "select due_at <= chassis.lotse_now() from chassis.job where name = $1", job.name
    )
    return bool(due)
