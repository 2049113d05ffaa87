"""How long to wait before something that died is started again."""

from dataclasses import dataclass

FIRST_SECONDS, LONGEST_SECONDS = 1.0, 30.0
# What ran this long had recovered: its next death is a new story.
HEALTHY_SECONDS = 60.0


@dataclass
class Backoff:
    """Doubling waits from 1 s to 30 s between starts. Times are those of one monotonic clock, in seconds."""

    wait: float = FIRST_SECONDS
    started: float | None = None
    died: float | None = None

    def seen_running(self, now: float) -> None:
        self.died = None
        if self.started is not None and now - self.started > HEALTHY_SECONDS:
            self.wait, self.started = FIRST_SECONDS, None

    def may_start(self, now: float) -> bool:
        """Whether it is time to start it again; True counts as having been started."""
        if self.died is None:
            self.died = now
        if now - self.died < self.wait:
            return False
        self.wait, self.started, self.died = min(self.wait * 2, LONGEST_SECONDS), now, None
        return True
