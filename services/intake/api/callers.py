"""By which reference intake is asked, and what a request stands on."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, TypeAlias, TypeVar
from uuid import UUID

from fastapi import Path

from schemas import CaseId, ReferralId
from schemas.notice_file import Notices
from services.chassis.auth import Principal
from services.chassis.context import Context
from services.chassis.db import Connection
from services.chassis.patience import wait_for
from services.chassis.problems import NOT_FOUND, Problem, Refusal
from services.intake.commands.consents import Setting
from services.intake.commands.cooperations import cooperation_with_key
from services.intake.commands.gate import key_to_open, open_key
from services.intake.commands.persons import age_of
from services.intake.commands.referrals import received_with_key
from services.intake.model.asking import Terms
from services.intake.model.cooperations import Cooperation
from services.intake.model.persons import KeyOfPerson
from services.intake.model.referrals import Referral
from services.intake.resources import resources_of
from services.intake.store import persons
from services.intake.vault import DataKey, Vault

Reference: TypeAlias = Annotated[
    str, Path(pattern="^[0-9a-f]{32}$", description="Your partner's own reference: 32 hex digits.")
]

T = TypeVar("T")


def vault_of(context: Context) -> Vault:
    """This process's vault."""
    return resources_of(context).vault


async def referral_to_act_on(
    context: Context, referral_id: ReferralId, caller: Principal, action_id: str
) -> tuple[Referral, DataKey | Refusal]:
    """A received referral that this may be done to, and the key to what its person said (as `data_key_of` has it)."""

    async def find(conn: Connection) -> tuple[Referral, KeyOfPerson | None] | Refusal:
        return await received_with_key(conn, referral_id, caller, action_id)

    return await _waited_for(context, find)


async def cooperation_to_act_on(
    context: Context, cooperation_id: UUID, caller: Principal, action_id: str
) -> tuple[Cooperation, DataKey | Refusal]:
    """A cooperation that this may be done to, and the key to what its person said."""

    async def find(conn: Connection) -> tuple[Cooperation, KeyOfPerson | None] | Refusal:
        return await cooperation_with_key(conn, cooperation_id, caller, action_id)

    return await _waited_for(context, find)


async def _waited_for(
    context: Context, find: Callable[[Connection], Awaitable[tuple[T, KeyOfPerson | None] | Refusal]]
) -> tuple[T, DataKey | Refusal]:
    """What the caller names, and the key to what its person said.

    What was not heard of is waited for: the partner may be ahead of us.
    A problem 404 otherwise. Somebody else's is waited for as long as what does not exist: the time the answer takes
    tells nothing either.
    """
    found: list[tuple[T, KeyOfPerson | None]] = []

    async def is_known() -> bool:
        async with context.database.reading() as conn:
            known = await find(conn)
        if not isinstance(known, Refusal):
            found.append(known)
        return bool(found)

    if not await wait_for(is_known):
        raise Problem(NOT_FOUND)
    return found[0][0], await _opened(context, found[0][1])


async def data_key_of(context: Context, case_id: UUID) -> DataKey | Refusal:
    """The key to what a person said, opened before the transaction that needs it: it stands in another database.

    The connection is given back before the other database is asked: its outage must not hold up withdrawals.
    """
    async with context.database.reading() as conn:
        key = await persons.key_of_person(conn, case_id)
    return await _opened(context, key)


async def _opened(context: Context, key: KeyOfPerson | None) -> DataKey | Refusal:
    key_id = key_to_open(key)
    return key_id if isinstance(key_id, Refusal) else await open_key(vault_of(context), key_id)


def notices_of(context: Context) -> Notices:
    """The texts that people are shown."""
    return resources_of(context).notices


async def setting_of(
    conn: Connection, context: Context, key: DataKey | Refusal, case_id: CaseId, now: datetime
) -> Setting | Refusal:
    """What the rules about consents need to know of a person whose case is locked."""
    age = key if isinstance(key, Refusal) else await age_of(conn, key, case_id)
    terms = Terms(context.partners.units, resources_of(context).agreement.jobcenter_referrals)
    return age if isinstance(age, Refusal) else Setting(terms, age, now)
