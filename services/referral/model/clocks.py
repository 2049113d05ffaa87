"""The clocks of a referral: by when the service answers and meets the person, and when paused work is looked at again.

Counted in working days as the partners agreed; days on which the unit is closed do not count, nor do those on which an
accepted referral rested.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from schemas.agreement_file import Deadlines
from schemas.calendar import local_midnight
from schemas.codes import ReferralClock
from services.referral.model.deadlines import Deadline
from services.referral.model.referrals import CLOCK_OF, Referral
from services.referral.model.working_days import Pause, due_at


@dataclass(frozen=True, slots=True)
class Terms:
    """What time is reckoned with for one unit: what the partners agreed, and when the unit is closed."""

    deadlines: Deadlines
    closures: tuple[Pause, ...] = ()

    @property
    def mark(self) -> str:
        """Different terms have different marks."""
        said = f"{self.deadlines.model_dump_json()} {[[str(moment) for moment in each] for each in self.closures]}"
        return hashlib.sha256(said.encode()).hexdigest()[:16]


def deadline_of(referral: Referral, terms: Terms) -> Deadline | None:
    """Reckon what a referral waits for now; None where no clock runs.

    Who was reminded stays so: a step that leads to another clock has dropped the deadline before.
    """
    clock = CLOCK_OF.get(referral.state)
    reckoned = None if clock is None else _reckoned(referral, clock, terms)
    if reckoned is None:
        return None
    reminded = None if referral.deadline is None else referral.deadline.reminded
    return replace(reckoned, reminded=reminded, terms=terms.mark)


def _reckoned(referral: Referral, clock: ReferralClock, terms: Terms) -> Deadline | None:
    agreed = terms.deadlines
    if clock is ReferralClock.REVIEW:
        return None if referral.review_on is None else Deadline(clock, local_midnight(referral.review_on))
    if clock is ReferralClock.ANSWER:
        return _agreed(clock, referral.requested_at, agreed.answer_within, agreed.expire_after, terms, ())
    if referral.accepted_at is None:
        return None
    return _agreed(clock, referral.accepted_at, agreed.first_contact_within, None, terms, referral.holds)


def _agreed(
    clock: ReferralClock,
    start: datetime,
    within: int,
    expires_after: int | None,
    terms: Terms,
    holds: Sequence[Pause],
) -> Deadline:
    """What was going on before the partners decided is counted from the day they did."""
    decided_on = terms.deadlines.decided_on
    begun = start if decided_on is None else max(start, local_midnight(decided_on).astimezone(UTC))
    pauses = (*terms.closures, *holds)
    return Deadline(
        clock,
        due_at(begun, within, pauses),
        due_at(begun, within + terms.deadlines.escalate_after, pauses),
        None if expires_after is None else due_at(begun, expires_after, pauses),
        is_proposed=decided_on is None,
    )
