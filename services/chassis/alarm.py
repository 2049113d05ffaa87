"""Many keys parked at once is not a poisoned case but a broken producer: then the consumer stops with an alarm."""

import time
from collections import deque
from collections.abc import Callable

from services.chassis.supervise import Final

MOST_PER_MINUTE = 10
WINDOW_SECONDS = 60.0


class ConsumerStopped(Final):
    """The consumer stops until someone has looked; the process goes on with its other roles."""


class ParkingAlarm:
    """Counts newly parked keys over the last minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._parked: deque[float] = deque()

    def check(self, more: int) -> None:
        """Raise ConsumerStopped when `more` newly parked keys would be over 10 within a minute."""
        horizon = self._clock() - WINDOW_SECONDS
        while self._parked and self._parked[0] < horizon:
            self._parked.popleft()
        if more and len(self._parked) + more > MOST_PER_MINUTE:
            raise ConsumerStopped(f"{len(self._parked) + more} keys would be parked within a minute")

    def note(self, more: int) -> None:
        """Count what was committed."""
        self._parked.extend([self._clock()] * more)
