"""A network that is slow, cuts connections and closes half of them."""

import asyncio
import random
import time

from tests.faults.run import Run

DELAY_SECONDS = 0.15
PAUSE_SECONDS = 1.5


async def bad_network(run: Run) -> None:
    """Between the services and the broker: slow all the time, now and then cut or half closed."""
    proxy = run.site.proxy
    assert proxy is not None
    proxy.delay_seconds = DELAY_SECONDS
    deadline = time.monotonic() + run.sizes.seconds(30)
    while time.monotonic() < deadline:
        random.choice((proxy.cut, proxy.half_close))(0.3)  # noqa: S311 - when it strikes is chance on purpose
        await asyncio.sleep(random.uniform(0.2, 2 * PAUSE_SECONDS))  # noqa: S311 - the same
    proxy.delay_seconds = 0.0
