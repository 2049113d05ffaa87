"""Waiting a moment: for an event that is still on its way, for a client that has begun to connect."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

PATIENCE_SECONDS = 2.0
STEP_SECONDS = 0.025
CONNECTING_SECONDS = 2.0

T = TypeVar("T")


async def wait_for(condition: Callable[[], Awaitable[bool]], seconds: float = PATIENCE_SECONDS) -> bool:
    """Ask again until the condition holds or the time is over; returns whether it holds.

    Call it outside of transactions: what it waits for is committed by another one.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not await condition():
        if loop.time() >= deadline:
            return False
        await asyncio.sleep(STEP_SECONDS)
    return True


async def to_its_end(starting: Coroutine[Any, Any, T]) -> T:
    """Await a Kafka client's start to its end, for a moment also when we are cancelled in the middle of it.

    Broken off, it forgets connections that are open by then.
    """
    task = asyncio.ensure_future(starting)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=CONNECTING_SECONDS)
        task.cancel()
        raise
