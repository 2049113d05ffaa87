"""Long-running tasks that come back: a task that fails is started again after a pause that grows."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from services.chassis.log import describe
from services.chassis.metrics import RESTARTS, STOPPED

log = structlog.get_logger()


class Backoff:
    """Pauses in seconds, doubling from `first` to `most`, each shortened by up to half so that processes spread."""

    def __init__(self, first: float = 0.1, most: float = 10.0) -> None:
        self._pause = first
        self._most = most

    def next(self) -> float:
        """The next pause."""
        pause = self._pause
        self._pause = min(self._pause * 2, self._most)
        return pause * random.uniform(0.5, 1.0)  # noqa: S311  # spreading, not secrecy


class Final(Exception):
    """Raised by a task that must not be started again by itself."""


async def supervise(name: str, run: Callable[[], Awaitable[None]], *, healthy_after_seconds: float = 30.0) -> None:
    """Run a task for ever: when it fails, log why and start it again; end only when it is cancelled or says Final."""
    loop = asyncio.get_running_loop()
    backoff = Backoff()
    while True:
        began = loop.time()
        try:
            await run()
            log.warning("task_ended", task=name)
        except Final as error:
            STOPPED.labels(name).set(1)
            log.error("task_stopped", task=name, reason=str(error))
            return
        except Exception as error:
            log.warning("task_will_be_restarted", task=name, error=describe(error))
        RESTARTS.labels(name).inc()
        if loop.time() - began > healthy_after_seconds:
            backoff = Backoff()
        await asyncio.sleep(backoff.next())
