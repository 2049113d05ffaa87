"""What referral does by the clock."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from schemas import CaseId, CooperationId, ReferralId, Topic
from schemas.calendar import local_day, months_after
from services.chassis.context import Context
from services.chassis.db import Connection
from services.chassis.forgetting import forget_erased_cases
from services.chassis.keys import Key
from services.chassis.schedule import Job
from services.referral.commands.announcing import take_effect
from services.referral.commands.assuring import REMINDED_BEFORE, remind
from services.referral.commands.clocks import run_clock, terms_of
from services.referral.commands.consents import case_key
from services.referral.model.directory import ASSURED_KINDS, KINDS, AnnouncedKind, AsOf
from services.referral.model.drafts import KEPT as DRAFTS_KEPT
from services.referral.resources import resources_of
from services.referral.store import cooperations, directory, drafts, referrals
from services.referral.store.clocks import clocks_due
from services.referral.store.directory import Due

ERASED_KEPT = timedelta(days=35)
"""How long what ended stays of an erased person, for whoever has to close a file: as long as any backup."""
COOPERATIONS_KEPT = timedelta(days=182)
"""How long a cooperation stays after its end: what the notice for COOPERATION promises the person."""


async def _due(conn: Connection, now: datetime, limit: int) -> Sequence[Due]:
    return await directory.due_by(conn, local_day(now), limit)


def _key_of_entry(due: Due) -> Sequence[Key]:
    return [Key(Topic.DIRECTORY, str(due.entry_id))]


def _kind(due: Due) -> AnnouncedKind[Any]:
    return next(kind for kind in KINDS if kind.name == due.kind)


async def _take_effect(conn: Connection, due: Due, now: datetime) -> None:
    await take_effect(conn, _kind(due), due.entry_id, now)


# Due at midnight in Koblenz; whoever asks a few seconds later sees the state as it was.
TAKE_EFFECT = Job("take-effect", timedelta(seconds=10), _due, _key_of_entry, _take_effect)


MONTHS_DIFFER_BY = timedelta(days=3)
"""Months counted back may end so much before those counted forward: a few are looked at too early, none too late."""


def remind_of_assurance(assured_for_months: int) -> Job:
    """The job that reminds owners of what they should look at again."""

    async def find(conn: Connection, now: datetime, limit: int) -> Sequence[Due]:
        until = months_after(local_day(now) + REMINDED_BEFORE, -assured_for_months) + MONTHS_DIFFER_BY
        return await directory.to_be_reminded_of(conn, [kind.name for kind in ASSURED_KINDS], until, limit)

    async def act(conn: Connection, due: Due, now: datetime) -> None:
        await remind(conn, _kind(due), due.entry_id, AsOf(local_day(now), assured_for_months), now)

    return Job("remind-of-assurance", timedelta(hours=1), find, _key_of_entry, act)


def jobs(context: Context) -> Sequence[Job]:
    """All of them."""
    return [
        TAKE_EFFECT,
        remind_of_assurance(resources_of(context).agreement.freshness.assured_for_months),
        _run_clocks(context),
        forget_erased_cases(ERASED_KEPT, referrals.cases_erased_before, referrals.forget_case),
        FORGET_COOPERATIONS,
        FORGET_DRAFTS,
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


def _key_of_case(item: tuple[ReferralId | CooperationId, CaseId]) -> Sequence[Key]:
    return [case_key(item[1])]


async def _over(conn: Connection, now: datetime, limit: int) -> Sequence[tuple[CooperationId, CaseId]]:
    return await cooperations.over_since(conn, now - COOPERATIONS_KEPT, limit)


async def _forget(conn: Connection, found: tuple[CooperationId, CaseId], _now: datetime) -> None:
    await cooperations.delete_cooperation(conn, found[0])


FORGET_COOPERATIONS = Job("forget-cooperations", timedelta(hours=1), _over, _key_of_case, _forget)


async def _unsent(conn: Connection, now: datetime, limit: int) -> Sequence[tuple[ReferralId, CaseId]]:
    return await drafts.made_before(conn, now - DRAFTS_KEPT, limit)


async def _forget_draft(conn: Connection, found: tuple[ReferralId, CaseId], _now: datetime) -> None:
    await drafts.delete_draft(conn, found[0])


FORGET_DRAFTS = Job("forget-drafts", timedelta(hours=1), _unsent, _key_of_case, _forget_draft)
