"""What notifier does by the clock."""

from collections.abc import Sequence
from datetime import timedelta

from services.chassis.context import Context
from services.chassis.forgetting import forget_erased_cases
from services.chassis.schedule import Job
from services.notifier import store

ERASED_KEPT = timedelta(days=100)
"""How long the ledger of an erased case stays: longer than the partners' streams, which a restore compares it with."""


def jobs(_context: Context) -> Sequence[Job]:
    """All of them."""
    return [forget_erased_cases(ERASED_KEPT, store.cases_erased_before, store.forget_case)]
