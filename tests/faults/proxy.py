"""A TCP proxy that is slow, cuts connections and closes one half of them."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import TypeAlias

from deploy.local.ports import LOOPBACK

CHUNK = 16 * 1024
Pair: TypeAlias = tuple[asyncio.StreamWriter, asyncio.StreamWriter]
"""The two connections of one client: to the client, and to the broker."""


def _reset(pair: Pair) -> None:
    for writer in pair:
        writer.transport.abort()


def _half_close(pair: Pair) -> None:
    with contextlib.suppress(OSError, RuntimeError):  # it may be closed by now
        pair[1].write_eof()


@dataclass
class Proxy:
    """Passes bytes both ways. delay_seconds: before each chunk. `cut` and `half_close` strike what is open now."""

    listen_port: int
    to_port: int
    delay_seconds: float = 0.0
    _open: set[Pair] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _loop: asyncio.AbstractEventLoop = field(init=False)
    _end: asyncio.Event = field(init=False)

    @contextmanager
    def running(self) -> Iterator["Proxy"]:
        """Listen until the end of the block, in a thread of its own: services come and go beside any event loop."""
        ready = Event()
        thread = Thread(target=asyncio.run, args=(self._listen(ready),), name="proxy")
        thread.start()
        ready.wait()
        try:
            yield self
        finally:
            self._in_loop(self._end.set)
            thread.join()

    async def _listen(self, ready: Event) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._accept, LOOPBACK, self.listen_port)
        ready.set()
        await self._end.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _in_loop(self, work: Callable[..., object], *arguments: object) -> None:
        self._loop.call_soon_threadsafe(work, *arguments)

    def cut(self, share: float) -> None:
        """Reset a share of the open connections in the middle of whatever they carry."""
        self._in_loop(self._strike, share, _reset)

    def half_close(self, share: float) -> None:
        """Close the way to the broker of a share of the connections; the way back stays open."""
        self._in_loop(self._strike, share, _half_close)

    def _strike(self, share: float, how: Callable[[Pair], None]) -> None:
        for pair in [pair for pair in self._open if random.random() < share]:  # noqa: S311 - chance on purpose
            how(pair)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_broker, to_broker = await asyncio.open_connection(LOOPBACK, self.to_port)
        except OSError:
            return
        pair = (writer, to_broker)
        self._open.add(pair)
        try:
            await asyncio.gather(self._pass(reader, to_broker), self._pass(from_broker, writer))
        finally:
            self._open.discard(pair)
            to_broker.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One way, until its end; an error of either side ends both."""
        try:
            while chunk := await reader.read(CHUNK):
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                writer.write(chunk)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
        except (OSError, RuntimeError):
            # Struck by us: what the other way has under way goes with it.
            writer.transport.abort()
