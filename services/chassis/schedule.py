"""Jobs: what is due by the clock. One process runs a job at a time; each item is a transaction under its key's lock."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
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


@dataclass(frozen=True)
class Job:
    """Something to do again and again.

    find: up to `limit` items due at the given time; reads only.
    keys: what to lock for an item before it is looked at again.
    act: does it, under the lock; must look again whether it is still due.
    """

    name: str
    every: timedelta
    find: Callable[[Connection, datetime, int], Awaitable[Sequence[Any]]]
    keys: Callable[[Any], Sequence[Key]]
    act: Callable[[Connection, Any, datetime], Awaitable[None]]


async def run_jobs(database: Database, jobs: Sequence[Job]) -> None:
    """Run the jobs as they fall due, until cancelled."""
    async with database.transaction() as conn:
        for job in jobs:
            await conn.execute(
                "insert into chassis.job (name, due_at) values ($1, chassis.lotse_now()) on conflict do nothing",
                job.name,
            )
    while True:
        for job in jobs:
            try:
                await run_if_due(database, job)
            except Exception as error:
                # One job that cannot even look must not keep the others from running.
                log.error("job_failed", job=job.name, error=describe(error))
        await asyncio.sleep(TICK_SECONDS)


async def run_if_due(database: Database, job: Job) -> int:
    """Run a job if it is due and nobody else is running it; returns the number of items done."""
    async with database.reading() as conn:
        if not await _is_due(conn, job):
            return 0
        if not await conn.fetchval("select pg_try_advisory_lock(hashtext($1))", job.name):
            return 0
        try:
            return await _run(database, conn, job)
        finally:
            await conn.execute("select pg_advisory_unlock(hashtext($1))", job.name)


async def _run(database: Database, conn: Connection, job: Job) -> int:
    now = await db.now(conn)
    items = await job.find(conn, now, ITEMS_A_RUN)
    done = 0
    for item in items:
        done += await _run_item(database, job, item)
    if len(items) < ITEMS_A_RUN:
        await conn.execute("update chassis.job set due_at = $2 where name = $1", job.name, now + job.every)
    if items:
        log.info("job_ran", job=job.name, items=done)
    return done


async def _run_item(database: Database, job: Job, item: Any) -> bool:
    """One item, one transaction; an item that fails is tried at the next run and stops no other."""
    set_correlation_id(None)
    try:
        async with database.transaction() as conn:
            await lock_keys(conn, job.keys(item))
            await job.act(conn, item, await db.now(conn))
    except Exception as error:
        log.error("job_item_failed", job=job.name, error=describe(error))
        return False
    return True


async def _is_due(conn: Connection, job: Job) -> bool:
    due: bool | None = await conn.fetchval(
        "select due_at <= chassis.lotse_now() from chassis.job where name = $1", job.name
    )
    return bool(due)
