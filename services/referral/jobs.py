"""What referral does by the clock."""

from collections.abc import Sequence
from datetime import timedelta

from services.chassis.context import Context
from services.chassis.forgetting import forget_erased_cases
from services.chassis.schedule import Job
from services.referral.store import referrals

ERASED_KEPT = timedelta(days=35)
"""How long the ended referrals of an erased person stay, for whoever has to close a file: as long as any backup."""


def jobs(_context: Context) -> Sequence[Job]:
    """All of them."""
    return [forget_erased_cases(ERASED_KEPT, referrals.cases_erased_before, referrals.delete_referrals_of)]
