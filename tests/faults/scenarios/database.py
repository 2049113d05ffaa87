"""PostgreSQL that dies, cuts connections, is full or holds a lock."""

import asyncio
import random
import time

import asyncpg

from tests.faults.run import Run
from tests.faults.site import NAMES

TERMINATE = """
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname like 'lotse\\_%' and usename like 'lotse\\_%' and usename <> 'lotse_admin'
      and (state <> 'idle' or random() < 0.05)
"""

# A trigger function of the test's own: PostgreSQL says the same when the disk is full.
DISK_FULL = """
    create function public.disk_is_full() returns trigger language plpgsql as
    $$ begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$;
    create trigger disk_is_full before insert on chassis.outbox
    for each statement execute function public.disk_is_full();
    create trigger disk_is_full before insert or update on chassis.applied
    for each statement execute function public.disk_is_full();
"""
DISK_FREE = "drop function public.disk_is_full() cascade"


async def server_killed(run: Run) -> None:
    """kill -9 of the postmaster, and started again."""
    await run.in_thread(run.site.kill_postgres)
    await asyncio.sleep(run.sizes.seconds(3))
    await run.in_thread(run.site.start_postgres)


async def backends_terminated(run: Run) -> None:
    """Connections are cut in the middle of their transactions, again and again."""
    deadline = time.monotonic() + run.sizes.seconds(10)
    while time.monotonic() < deadline:
        await run.rows("intake", TERMINATE)
        await asyncio.sleep(random.uniform(0.02, 0.3))  # noqa: S311 - when it strikes is chance on purpose


async def disk_full(run: Run) -> None:
    """Every service's database refuses new events and versions for a while."""
    for name in NAMES:
        await run.sql(name, DISK_FULL)
    await asyncio.sleep(run.sizes.seconds(8))
    for name in NAMES:
        await run.sql(name, DISK_FREE)


async def lock_held(run: Run) -> None:
    """Somebody (a maintenance job, a forgotten session) locks the tables that everything goes through."""
    held = [await _lock(run, name) for name in NAMES]
    await asyncio.sleep(run.sizes.seconds(30))
    for conn in held:
        await conn.execute("rollback")
        await conn.close()


async def _lock(run: Run, name: str) -> asyncpg.Connection:
    conn = await asyncpg.connect(run.site.admin_url(name), timeout=10)
    await conn.execute("begin")
    await conn.execute("lock table chassis.key, chassis.outbox in access exclusive mode")
    return conn


async def clock_steps_back(run: Run) -> None:
    """The clock of the services that produce events goes back two minutes, and later forward again."""
    for ahead in ("-2 minutes", "0"):
        for name in ("intake", "referral"):
            await run.sql(name, f"update chassis.clock set ahead = interval '{ahead}'")  # noqa: S608 - our own words
        await asyncio.sleep(run.sizes.seconds(6))
