"""What a unit has to do about its referrals, and what it waits for."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from schemas import ReferralId
from services.referral.model.working_days import due_at


class Worklist(StrEnum):
    """A list that somebody works through.

    What a unit received: for it to answer, to meet the person, to look at again. What it sent: only as far as it may
    know of it, so that a referral cannot be seen to leave a list for a reason that the person did not allow.
    """

    WAITING_FOR_US = "waiting-for-us"
    WAITING_FOR_THEM = "waiting-for-them"
    DUE_SOON = "due-soon"
    OVERDUE = "overdue"
    ESCALATED = "escalated"


BY_DUE_DATE = frozenset({Worklist.DUE_SOON, Worklist.OVERDUE, Worklist.ESCALATED})
"""The most urgent first; the others the earliest request first."""


class Place(NamedTuple):
    """Where a page of a list ended; `due_at` is None in a list that is not ordered by it."""

    due_at: datetime | None
    referral_id: ReferralId


def soon(now: datetime) -> datetime:
    """What is due by then is due soon: by the end of the next working day."""
    by = due_at(now, 1, ())
    return now.astimezone(UTC) if by is None else by
