"""A service's database set back to a dump taken under load; the bus and everybody else went on."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg

from deploy.local.dumps import dump, read_back
from services.chassis import identity
from tests.faults.run import Run, Strike

FORGOTTEN_SECONDS = 5.0
POLL_SECONDS = 0.1
# What a service has answered and not sent is gone with its database, and no claim is made about it: it is sent first.
ALL_BUT_THE_API = {"LOTSE_ROLES": "relay,consumer,jobs"}


def set_back(name: str) -> Strike:
    """The service loses what it did in the last seconds, and takes it back from the bus."""

    async def strike(run: Run) -> None:
        file = run.site.stack.layout.root / f"{name}.dump"
        async with _no_new_cases(run):
            await run.in_thread(dump, run.site.stack.layout, _url(run, name), file)
            await asyncio.sleep(run.sizes.seconds(FORGOTTEN_SECONDS))
            await _end_with_an_empty_outbox(run, name)
            await _set_back(run, name, file)
            await run.start(name)
            await _recovered(run, name)

    return strike


@asynccontextmanager
async def _no_new_cases(run: Run) -> AsyncIterator[None]:
    """Nobody is registered after the dump: a person's data is in no event, so it could not be had back.

    What then becomes of such a person is shown in tests/restore.
    """
    pace = run.load.pace
    run.load.pace = replace(pace, cases_per_second=1e-9)
    await asyncio.sleep(2.0)
    try:
        yield
    finally:
        run.load.pace = pace


async def _end_with_an_empty_outbox(run: Run, name: str) -> None:
    await run.in_thread(run.site.stop_service, name)
    await run.in_thread(run.site.start_with, name, ALL_BUT_THE_API)
    while await run.rows(name, "select 1 from chassis.outbox limit 1"):  # noqa: ASYNC110 - it is in PostgreSQL
        await asyncio.sleep(POLL_SECONDS)
    await run.kill(name)


async def _set_back(run: Run, name: str, file: Path) -> None:
    """What `lotse restore` does, on this site."""
    database, server = f"lotse_{name}", run.site.stack.postgres
    admin = await asyncpg.connect(server.admin_url)
    try:
        await admin.execute(f"drop database {database} with (force)")
        await admin.execute(f"create database {database} owner {database}")
    finally:
        await admin.close()
    await run.in_thread(read_back, run.site.stack.layout, _url(run, name), file)
    conn = await asyncpg.connect(_url(run, name))
    try:
        await identity.raise_epoch(conn)
    finally:
        await conn.close()


async def _recovered(run: Run, name: str) -> None:
    deadline = time.monotonic() + run.sizes.quiet_seconds
    while await run.rows(name, "select 1 from chassis.identity where recovery is not null"):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name} did not recover")
        await asyncio.sleep(POLL_SECONDS)


def _url(run: Run, name: str) -> str:
    return run.site.stack.databases[f"lotse_{name}"]
