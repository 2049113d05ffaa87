"""Waiting in a thread for something that another process does."""

import time
from collections.abc import Callable

POLL_SECONDS = 0.2


def wait_until(condition: Callable[[], bool], seconds: float, claim: str) -> None:
    """Ask again and again. Raises TimeoutError with the claim when it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(claim)
        time.sleep(POLL_SECONDS)
