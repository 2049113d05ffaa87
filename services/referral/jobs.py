"""What referral does by the clock."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from schemas import CaseId, CooperationId
from services.chassis.context import Context
from services.chassis.db import Connection
from services.chassis.forgetting import forget_erased_cases
from services.chassis.keys import Key
from services.chassis.schedule import Job
from services.referral.commands.consents import case_key
from services.referral.store import cooperations, referrals

ERASED_KEPT = timedelta(days=35)
"""How long what ended stays of an erased person, for whoever has to close a file: as long as any backup."""
COOPERATIONS_KEPT = timedelta(days=182)
"""How long a cooperation stays after its end: what the notice for COOPERATION promises the person."""


def jobs(_context: Context) -> Sequence[Job]:
    """All of them."""
    return [
        forget_erased_cases(ERASED_KEPT, referrals.cases_erased_before, referrals.forget_case),
        FORGET_COOPERATIONS,
    ]


async def _over(conn: Connection, now: datetime, limit: int) -> Sequence[tuple[CooperationId, CaseId]]:
    return await cooperations.over_since(conn, now - COOPERATIONS_KEPT, limit)


def _keys(found: tuple[CooperationId, CaseId]) -> Sequence[Key]:
    return [case_key(found[1])]


async def _forget(conn: Connection, found: tuple[CooperationId, CaseId], _now: datetime) -> None:
    await cooperations.delete_cooperation(conn, found[0])


FORGET_COOPERATIONS = Job("forget-cooperations", timedelta(hours=1), _over, _keys, _forget)
