"""A database with the chassis alone, and an inbox that notes what it applies."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import pytest

from services.chassis import offsets
from services.chassis.db import Database
from services.chassis.inbox import Inbox
from services.chassis.offsets import Partition
from services.chassis.records import Record
from tests.chassis.probe import EFFECTS, Probe

MakeInbox: TypeAlias = Callable[[Probe], Inbox]
Effects: TypeAlias = Callable[[], Awaitable[list[tuple[str, int]]]]


@pytest.fixture
async def database_url(create_database: Any) -> str:
    """A fresh database with the chassis's tables alone."""
    url: str = await create_database("chassis")
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Open, with a table for effects and the first partitions known from offset 0."""
    opened = await Database.open(database_url, "test")
    async with opened.transaction() as conn:
        await conn.execute(EFFECTS)
        for partition in range(3):
            await offsets.begin(conn, Partition("lotse.cases.v1", partition), beginning=0, end=0)
    yield opened
    await opened.close()


@pytest.fixture
def effects(database: Database) -> Effects:
    """What was applied, in order: (type, version)."""

    async def look() -> list[tuple[str, int]]:
        async with database.reading() as conn:
            return [(row["type"], row["version"]) for row in await conn.fetch("select * from effect order by n")]

    return look


@pytest.fixture
def letters(database: Database) -> Callable[[], Awaitable[list[tuple[int, str]]]]:
    """The dead letters in order: (offset, code)."""

    async def look() -> list[tuple[int, str]]:
        async with database.reading() as conn:
            rows = await conn.fetch("select record_offset, code from chassis.dead_letter order by record_offset")
        return [(row["record_offset"], row["code"]) for row in rows]

    return look


@pytest.fixture
def apply(database: Database) -> Callable[..., Awaitable[bool]]:
    """Apply one batch with a probe."""

    async def one_batch(probe: Probe, *records: Record) -> bool:
        return await Inbox(database, probe.handlers).apply(list(records))

    return one_batch


def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let retries follow each other at once."""
    monkeypatch.setattr("services.chassis.supervise.Backoff.next", lambda _self: 0.0)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> Sequence[None]:
    """Retries without waiting."""
    fast(monkeypatch)
    return ()
