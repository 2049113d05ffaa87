"""Waking the relay after a commit: NOTIFY on a connection of its own, never in the business transaction.

NOTIFY takes a database-wide lock at commit; many commits together are told once.
"""

import asyncio

from services.chassis import db

PAUSE_SECONDS = 0.002


class Waker:
    """Tells the relay, wherever it runs, that there may be something in the outbox."""

    def __init__(self, database_url: str, service: str) -> None:
        self._url = database_url
        self._service = service
        self._pending = asyncio.Event()

    def wake(self) -> None:
        """Called after each commit; costs nothing and never waits."""
        self._pending.set()

    async def run(self) -> None:
        """Pass wakes on until cancelled. Raises when the connection is lost; the relay's own poll bridges that."""
        conn = await db.connect(self._url, f"lotse-{self._service}-waker")
        try:
            while True:
                await self._pending.wait()
                self._pending.clear()
                await conn.execute("select pg_notify('lotse_outbox', '')")
                await asyncio.sleep(PAUSE_SECONDS)
        finally:
            conn.terminate()
