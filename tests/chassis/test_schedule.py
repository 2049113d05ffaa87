"""Jobs: what fails hides nothing else, is tried again in time, and an outage is not tried five hundred times."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from services.chassis import forgetting, schedule
from services.chassis.db import Connection
from services.chassis.idempotency import FORGET_OLD_KEYS
from services.chassis.schedule import Job, Resting, run_if_due
from tests.chassis.things import SERVICE
from tests.harness import Running, running

EVERY = timedelta(minutes=10)
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
async def service(tmp_path: Path, database_url: str) -> AsyncIterator[Running]:
    """Any service."""
    async with running(SERVICE, tmp_path, database_url) as one:
        yield one


async def test_a_connection_given_back_holds_no_lock_of_its_session(service: Running) -> None:
    """Whoever breaks off before unlocking keeps no other process from the job."""

    async def lock_and_break_off() -> None:
        async with service.context.database.holding() as conn:
            await conn.execute("select pg_advisory_lock(7)")
            raise RuntimeError("broke off")

    with pytest.raises(RuntimeError, match="broke off"):
        await lock_and_break_off()
    locks = await service.rows(
        """
        select * from pg_locks join pg_database on pg_database.oid = pg_locks.database
        where locktype = 'advisory' and objid = 7 and datname = current_database()
        """
    )
    assert locks == []


class Work:
    """A job whose items are the numbers still to do, the smallest first; `fail` raises on some."""

    def __init__(self, service: Running, numbers: Sequence[int], fail: Callable[[int], Exception | None]) -> None:
        self.service = service
        self.to_do = list(numbers)
        self.tried: list[int] = []
        self.fail = fail
        self.resting = Resting(EVERY)
        self.job = Job("work", EVERY, self._find, lambda _number: [], self._act)

    async def _find(self, _conn: Connection, _now: datetime, limit: int) -> Sequence[int]:
        return self.to_do[:limit]

    async def _act(self, _conn: Connection, number: int, _now: datetime) -> None:
        self.tried.append(number)
        if error := self.fail(number):
            raise error
        self.to_do.remove(number)

    async def begin(self) -> None:
        """Due at once."""
        async with self.service.context.database.transaction() as conn:
            await conn.execute("insert into chassis.job values ('work', chassis.lotse_now())")

    async def run(self) -> int:
        """One tick."""
        return await run_if_due(self.service.context.database, self.job, self.resting)

    async def due_in(self) -> timedelta:
        """How long until the job is due."""
        [row] = await self.service.rows("select due_at - chassis.lotse_now() as left from chassis.job")
        left: timedelta = row["left"]
        return left


async def test_items_that_fail_for_good_do_not_hide_the_others(service: Running, monkeypatch: Any) -> None:
    """Seven broken ones come first, three are done a run: the good ones behind them are reached all the same."""
    monkeypatch.setattr(schedule, "ITEMS_A_RUN", 3)
    work = Work(service, range(10), lambda number: RuntimeError("broken") if number < 7 else None)
    await work.begin()
    done = [await work.run() for _ in range(4)]
    assert (sum(done), work.to_do) == (3, list(range(7)))
    assert sorted(work.tried) == list(range(10))
    assert timedelta(minutes=9) < await work.due_in() <= EVERY


async def test_an_item_that_met_an_outage_is_tried_again_soon(service: Running) -> None:
    """In a second, not after the ten minutes between two runs; then the job rests again."""
    errors = [asyncpg.LockNotAvailableError("held")]
    work = Work(service, [1, 2], lambda number: errors.pop() if number == 1 and errors else None)
    await work.begin()
    assert await work.run() == 1
    assert await work.due_in() <= timedelta(seconds=1)
    await service.move_clock(timedelta(seconds=2))
    assert (await work.run(), work.to_do) == (1, [])
    assert await work.due_in() > timedelta(minutes=9)


async def test_an_outage_is_not_met_by_every_item(service: Running) -> None:
    """After three in a row the run ends; the rest is looked at again in a second."""
    work = Work(service, range(100), lambda _number: asyncpg.LockNotAvailableError("held"))
    await work.begin()
    assert (await work.run(), work.tried) == (0, [0, 1, 2])
    assert await work.due_in() <= timedelta(seconds=1)
    work.fail = lambda _number: None
    await service.move_clock(timedelta(seconds=2))
    assert (await work.run(), work.to_do) == (100, [])


def test_a_failed_item_rests_longer_each_time() -> None:
    """For good: from the job's own pace up to five minutes. In an outage: from a second up to the job's pace."""
    for is_transient, pauses in ((False, [30, 60, 120, 240, 300, 300]), (True, [1, 2, 4, 8, 16, 30, 30])):
        resting, now = Resting(timedelta(seconds=30)), NOW
        for seconds in pauses:
            is_lasting = resting.put("item", now, is_transient=is_transient)
            assert is_lasting == (seconds == pauses[-1])
            now += timedelta(seconds=seconds)
            assert resting.rests("item", now - timedelta(seconds=0.1))
            assert not resting.rests("item", now)


def test_what_is_not_due_any_more_is_forgotten() -> None:
    """The memory of a long-running process does not grow."""
    resting = Resting(EVERY)
    for item in range(5):
        resting.put(item, NOW, is_transient=False)
    resting.forget(0)
    resting.forget_all_but([1, 2, 9])
    assert len(resting) == 2


async def test_old_idempotency_keys_leave_in_small_batches(service: Running, monkeypatch: Any) -> None:
    """Five old ones leave by twos; one of today stays."""
    monkeypatch.setattr(forgetting, "ROWS_A_BATCH", 2)
    row = "insert into chassis.idempotency values ('p', 'r', $1, '', '{}', chassis.lotse_now() - $2::interval)"
    async with service.context.database.transaction() as conn:
        await conn.execute("insert into chassis.job values ($1, now())", FORGET_OLD_KEYS.name)
        await conn.executemany(row, [(str(uuid4()), timedelta(days=8)) for _ in range(5)] + [("new", timedelta())])
    assert await run_if_due(service.context.database, FORGET_OLD_KEYS) == 3
    assert [each["key"] for each in await service.rows("select key from chassis.idempotency")] == ["new"]
