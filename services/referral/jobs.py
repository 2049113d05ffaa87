"""What referral does by the clock."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from schemas import CaseId, ReferralId, Topic
from schemas.calendar import local_day
from services.chassis.context import Context
from services.chassis.db import Connection
from services.chassis.forgetting import forget_erased_cases
from services.chassis.keys import Key
from services.chassis.schedule import Job
from services.referral.commands.announcing import take_effect
from services.referral.commands.clocks import run_clock, terms_of
from services.referral.commands.consents import case_key
from services.referral.model.directory import KINDS
from services.referral.resources import resources_of
from services.referral.store import directory, referrals
from services.referral.store.clocks import clocks_due
from services.referral.store.directory import Due

ERASED_KEPT = timedelta(days=35)
"""How long the ended referrals of an erased person stay, for whoever has to close a file: as long as any backup."""


async def _due(conn: Connection, now: datetime, limit: int) -> Sequence[Due]:
    return await directory.due_by(conn, local_day(now), limit)


def _key_of_entry(due: Due) -> Sequence[Key]:
    return [Key(Topic.DIRECTORY, str(due.entry_id))]


async def _take_effect(conn: Connection, due: Due, now: datetime) -> None:
    [kind] = [kind for kind in KINDS if kind.name == due.kind]
    await take_effect(conn, kind, due.entry_id, now)


# Due at midnight in Koblenz; whoever asks a few seconds later sees the state as it was.
TAKE_EFFECT = Job("take-effect", timedelta(seconds=10), _due, _key_of_entry, _take_effect)


def jobs(context: Context) -> Sequence[Job]:
    """All of them."""
    return [
        TAKE_EFFECT,
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
