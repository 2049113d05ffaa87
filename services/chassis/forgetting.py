"""Jobs that forget rows when their time is over."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeAlias

from schemas import CaseId, Topic
from services.chassis.db import Connection
from services.chassis.keys import Key
from services.chassis.schedule import Job

ROWS_A_BATCH = 1000

FindCases: TypeAlias = Callable[[Connection, datetime, int], Awaitable[Sequence[CaseId]]]
ForgetCase: TypeAlias = Callable[[Connection, CaseId], Awaitable[None]]


def forget_old(name: str, table: str, column: str, kept: timedelta) -> Job:
    """A job that every hour deletes the rows of a table whose time (a column with an index) is over.

    In small batches, each its own transaction: one statement for a week's rows would hold its locks for long and
    leave as many dead at once.
    """
    count_old = f"select count(*) from (select 1 from {table} where {column} < $1 limit $2) as counted"  # noqa: S608  # our own names
    delete_old = f"""
        delete from {table} where ctid = any(array(
            select ctid from {table} where {column} < $1 order by {column} limit $2 for update skip locked))
        """  # noqa: S608  # our own names

    async def find(conn: Connection, now: datetime, limit: int) -> Sequence[int]:
        """One item for each batch that is due."""
        old: int = await conn.fetchval(count_old, now - kept, limit * ROWS_A_BATCH)
        return range(-(-old // ROWS_A_BATCH))

    async def forget(conn: Connection, _batch: int, now: datetime) -> None:
        await conn.execute(delete_old, now - kept, ROWS_A_BATCH)

    return Job(name, timedelta(hours=1), find, _no_keys, forget)


def forget_erased_cases(kept: timedelta, find: FindCases, forget: ForgetCase) -> Job:
    """A job that every hour forgets what a service still has of cases that were erased so long ago.

    find: up to so many cases that were erased before a time and have something left.
    """

    async def due(conn: Connection, now: datetime, limit: int) -> Sequence[CaseId]:
        return await find(conn, now - kept, limit)

    async def act(conn: Connection, case_id: CaseId, _now: datetime) -> None:
        await forget(conn, case_id)

    def keys(case_id: CaseId) -> Sequence[Key]:
        return [Key(Topic.CASES, str(case_id))]

    return Job("forget-erased-cases", timedelta(hours=1), due, keys, act)


def _no_keys(_batch: int) -> Sequence[Key]:
    """The rows themselves are locked."""
    return []
