"""Waiting a moment for an event that is still on its way."""

import asyncio
from collections.abc import Awaitable, Callable

PATIENCE_SECONDS = 2.0
STEP_SECONDS = 0.025


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
