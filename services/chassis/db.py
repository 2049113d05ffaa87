"""PostgreSQL: one pool a process, transactions opened by the four ways in, and the database's clock."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeAlias

import asyncpg

from services.chassis.tally import counted_on_commit

Connection: TypeAlias = asyncpg.Connection

# SQLSTATE classes and codes that pass by themselves: connection, serialization and deadlock, resources and
# disk full, operator intervention, system error, read-only after a failover, lock timeout.
TRANSIENT_CLASSES = ("08", "40", "53", "57", "58")
TRANSIENT_CODES = frozenset({"25006", "55P03"})

# A half-open connection must not hold a lock or a snapshot for hours: the server notices within half a minute.
# Keepalives are not sent while something is unacknowledged (a NOTIFY, say); then the user timeout counts.
KEEPALIVES = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "25000",
}


# The history of the server's log: another one after every failover and every point-in-time recovery.
TIMELINE = "select case when not pg_is_in_recovery() then left(pg_walfile_name(pg_current_wal_lsn()), 8) end"


def is_transient(error: BaseException) -> bool:
    """Whether the same work can succeed later without a change of code or data."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return state[:2] in TRANSIENT_CLASSES or state in TRANSIENT_CODES
    # InternalClientError: a connection that was cut in the middle of an operation and then used once more.
    return isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError | OSError | TimeoutError)


async def connect(url: str, name: str, *, command_timeout: float | None = 60) -> Connection:
    """A connection outside the pool, for what belongs to a session and lasts: advisory locks, LISTEN.

    command_timeout: seconds a statement may take; None for as long as it needs.
    """
    conn = await asyncpg.connect(
        url, timeout=10, command_timeout=command_timeout, server_settings={"application_name": name, **KEEPALIVES}
    )
    await _codecs(conn)
    return conn


async def now(conn: Connection) -> datetime:
    """The time of this transaction's decisions (UTC). Read it once, after the locks, and pass it down."""
    moment: datetime = await conn.fetchval("select chassis.lotse_now()")
    return moment


class Database:
    """One pool of connections to a service's database."""

    def __init__(self) -> None:
        self._pool: Any = None
        self._timeline: str | None = None
        self.on_commit: Callable[[], None] = lambda: None
        self.on_new_timeline: Callable[[], None] = lambda: None

    @classmethod
    async def open(cls, url: str, name: str, *, min_size: int = 1, max_size: int = 16) -> "Database":
        """Connect. Raises OSError or asyncpg errors when the database cannot be reached.

        min_size: with 0 the first use connects, not this.
        """
        database = cls()
        database._pool = await asyncpg.create_pool(
            url,
            min_size=min_size,
            max_size=max_size,
            timeout=10,
            command_timeout=60,
            init=database._prepare,
            reset=_leave_as_is,
            server_settings={
                "application_name": name,
                "idle_in_transaction_session_timeout": "60s",
                **KEEPALIVES,
            },
        )
        return database

    async def _prepare(self, conn: Connection) -> None:
        """Look at each new connection: behind the same address there may be a server that knows less than the last."""
        await _codecs(conn)
        timeline = await conn.fetchval(TIMELINE)
        if timeline is not None and self._timeline not in (None, timeline):
            self.on_new_timeline()
        self._timeline = timeline or self._timeline

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One transaction: commits when the block ends, rolls back when it raises; wakes the relay after the commit."""
        with counted_on_commit():
            async with self._pool.acquire() as conn, conn.transaction():
                yield conn
        self.on_commit()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """A connection for statements that only read, each its own transaction."""
        async with self._pool.acquire() as conn:
            yield conn

    @asynccontextmanager
    async def holding(self) -> AsyncIterator[Connection]:
        """A connection for a lock that outlives transactions: whatever is left on it is gone when the block ends."""
        async with self._pool.acquire() as conn:
            try:
                yield conn
            finally:
                await _cleared(conn)

    async def close(self) -> None:
        """Close the pool; a connection that does not come back within 1.5 s is cut."""
        try:
            async with asyncio.timeout(1.5):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()


async def _leave_as_is(_conn: Connection) -> None:
    """Nothing to clear when a connection goes back: a transaction leaves nothing behind, and the rest is `holding`.

    asyncpg's own reset would be one more round trip for every transaction.
    """


async def _cleared(conn: Connection) -> None:
    """Release locks and settings of the session, or end it."""
    try:
        await conn.reset()
    except BaseException:
        conn.terminate()
        raise


async def _codecs(conn: Connection) -> None:
    await conn.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
