"""What a referral waits for, and what follows when nothing happens."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from schemas.codes import ContactLevel, ReferralClock


class Step(StrEnum):
    """What the clock does when its time has come."""

    REMIND = "remind"
    ESCALATE = "escalate"
    EXPIRE = "expire"


@dataclass(frozen=True, slots=True)
class Deadline:
    """What a referral waits for; `due_at` and what follows are None while the clock stands still.

    `escalates_at`, `expires_at`: None too where nothing of the kind follows. `is_proposed`: the partners have not
    decided it, so nothing follows at all. `reminded`: whom the last reminder was for. `terms`: the mark of what it was
    reckoned with.
    """

    clock: ReferralClock
    due_at: datetime | None
    escalates_at: datetime | None = None
    expires_at: datetime | None = None
    is_proposed: bool = False
    reminded: ContactLevel | None = None
    terms: str | None = None

    @property
    def next_step(self) -> tuple[Step, datetime] | None:
        """What follows when nothing happens, and when; None where nothing does. One step comes after the other."""
        step, at = {
            None: (Step.REMIND, self.due_at),
            ContactLevel.OPERATIONAL: (Step.ESCALATE, self.escalates_at),
            ContactLevel.COORDINATING: (Step.EXPIRE, self.expires_at),
        }[self.reminded]
        return None if at is None or self.is_proposed else (step, at)
