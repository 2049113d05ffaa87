"""The access log: what it keeps, and for how long."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from services.chassis.access import FORGET_OLD_ACCESS, KEPT, note_access
from services.chassis.auth import Principal
from services.chassis.schedule import run_if_due
from tests.chassis.things import SERVICE
from tests.harness import Running, running

CALLER = Principal("erika.muster", "stadt-koblenz", "stadt-koblenz/integration", frozenset({"clerk"}))
EXPECTED = {"unit": "stadt-koblenz/integration", "subject": "erika.muster", "action": "read-person"}


@pytest.fixture
async def service(tmp_path: Path, database_url: str) -> AsyncIterator[Running]:
    """Any service: each has the log."""
    async with running(SERVICE, tmp_path, database_url) as one:
        async with one.context.database.transaction() as conn:
            await conn.execute("insert into chassis.job values ($1, now())", FORGET_OLD_ACCESS.name)
        yield one


async def noted(service: Running) -> list[list[str]]:
    """The references in the log."""
    rows = await service.rows("select * from chassis.access order by at")
    assert all(row.items() >= EXPECTED.items() for row in rows)
    return [row["refs"] for row in rows]


async def test_a_read_is_one_row_with_each_reference_once(service: Running) -> None:
    """A page that shows nothing is no read of anything."""
    for refs in (["a"], ["b", "c", "b"], []):
        await note_access(service.context.database, CALLER, "read-person", refs)
    assert await noted(service) == [["a"], ["b", "c"]]


async def test_the_log_is_forgotten_after_90_days_of_the_services_clock(service: Running) -> None:
    """Not an hour earlier, and what is younger stays."""
    database = service.context.database
    await note_access(database, CALLER, "read-person", ["old"])
    await service.move_clock(KEPT - timedelta(hours=1))
    await note_access(database, CALLER, "read-person", ["young"])
    assert await run_if_due(database, FORGET_OLD_ACCESS) == 0
    await service.move_clock(KEPT + timedelta(hours=1))
    assert await run_if_due(database, FORGET_OLD_ACCESS) == 1
    assert await noted(service) == [["young"]]
