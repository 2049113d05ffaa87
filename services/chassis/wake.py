"""Waking the relay after a commit: the one of this process at once, any other by NOTIFY.

NOTIFY goes out on a connection of its own, never in the business transaction: it takes a database-wide lock at commit.
Many commits together are told once.
"""

import asyncio
from collections.abc import Callable

from services.chassis import db

PAUSE_SECONDS = 0.002


class Waker:
    """Tells the relay, wherever it runs, that there may be something in the outbox."""

    def __init__(self, database_url: str, service: str, wake_here: Callable[[], bool] = lambda: False) -> None:
        """wake_here: wakes the relay of this process, and says whether it is the one that sends."""
        self._url = database_url
        self._service = service
        self._wake_here = wake_here
        self._pending = asyncio.Event()

    def wake(self) -> None:
        """Called after each commit; costs nothing and never waits."""
        if not self._wake_here():
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
