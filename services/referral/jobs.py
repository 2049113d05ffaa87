"""What referral does by the clock."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from schemas import CaseId, ReferralId
from services.chassis.context import Context
from services.chassis.db import Connection
from services.chassis.forgetting import forget_erased_cases
from services.chassis.keys import Key
from services.chassis.schedule import Job
from services.referral.commands.clocks import run_clock, terms_of
from services.referral.commands.consents import case_key
from services.referral.resources import resources_of
from services.referral.store import referrals
from services.referral.store.clocks import clocks_due

ERASED_KEPT = timedelta(days=35)
"""How long the ended referrals of an erased person stay, for whoever has to close a file: as long as any backup."""


def jobs(context: Context) -> Sequence[Job]:
    """All of them."""
    return [
        _run_clocks(context),
        forget_erased_cases(ERASED_KEPT, referrals.cases_erased_before, referrals.delete_referrals_of),
    ]


def _run_clocks(context: Context) -> Job:
    """Reminds, ends what nobody answered, and reckons anew after the agreement or a unit's closures have changed."""
    deadlines = resources_of(context).agreement.deadlines

    async def find(conn: Connection, now: datetime, limit: int) -> Sequence[tuple[ReferralId, CaseId]]:
        terms = await terms_of(conn, list(context.partners.units), deadlines)
        return await clocks_due(conn, now, {unit: each.mark for unit, each in terms.items()}, limit)

    async def act(conn: Connection, item: tuple[ReferralId, CaseId], now: datetime) -> None:
        await run_clock(conn, item[0], deadlines, now)

    return Job("run-clocks", timedelta(seconds=10), find, _key_of_case, act)


def _key_of_case(item: tuple[ReferralId, CaseId]) -> Sequence[Key]:
    return [case_key(item[1])]
