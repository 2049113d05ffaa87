"""What intake does by the clock."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from schemas import CaseId, ConsentId, UnitId, partner_of
from schemas.calendar import local_month
from services.chassis.context import Context
from services.chassis.db import Connection
from services.chassis.keys import Key
from services.chassis.problems import Refusal
from services.chassis.schedule import Job
from services.chassis.signing import load_signing_key
from services.intake.commands import rights
from services.intake.commands.consents import (
    REMINDED_BEFORE,
    REQUESTS_KEPT,
    ask_again_at_15,
    expire_consent,
    forget_stale_request,
    remind_of_expiry,
)
from services.intake.commands.disclosures import chain_waiting, day_that_ended, sign_head
from services.intake.commands.gate import key_to_open, open_key
from services.intake.commands.information import unit_key
from services.intake.commands.persons import age_of, case_key, destroy_key, erase_never_consented
from services.intake.commands.refusals import tell_of_month
from services.intake.model.age import BELOW_15, Age
from services.intake.model.rights import proof_border
from services.intake.resources import resources_of
from services.intake.store import consents, disclosures, keys, persons, refusals, retention
from services.intake.vault import Vault


async def _remind(conn: Connection, item: tuple[ConsentId, CaseId], now: datetime) -> None:
    await remind_of_expiry(conn, item[0], now)


async def _ask_again(conn: Connection, item: tuple[ConsentId, CaseId], now: datetime) -> None:
    await ask_again_at_15(conn, item[0], now)


async def _forget(conn: Connection, item: tuple[ConsentId, CaseId], now: datetime) -> None:
    await forget_stale_request(conn, item[0], now)


async def _soon_over(conn: Connection, now: datetime, limit: int) -> Sequence[tuple[ConsentId, CaseId]]:
    return await consents.soon_over(conn, now + REMINDED_BEFORE, limit)


async def _stale_requests(conn: Connection, now: datetime, limit: int) -> Sequence[tuple[ConsentId, CaseId]]:
    return await consents.stale_requests(conn, now - REQUESTS_KEPT, limit)


async def _untold(conn: Connection, now: datetime, limit: int) -> Sequence[tuple[UnitId, str]]:
    return await refusals.untold(conn, local_month(now), limit)


def _key_of_unit(item: tuple[UnitId, str]) -> Sequence[Key]:
    return [unit_key(item[0])]


async def _tell_month(conn: Connection, item: tuple[UnitId, str], now: datetime) -> None:
    await tell_of_month(conn, *item, now)


async def _expire(conn: Connection, item: tuple[ConsentId, CaseId], now: datetime) -> None:
    await expire_consent(conn, item[0], now)


def _key_of_consent(item: tuple[ConsentId, CaseId]) -> Sequence[Key]:
    return [case_key(item[1])]


def _key_of_case(case_id: CaseId) -> Sequence[Key]:
    return [case_key(case_id)]


def _no_keys(_key_id: UUID) -> Sequence[Key]:
    """A data key's row in the queue is the lock."""
    return []


ERASE_NEVER_CONSENTED = Job(
    "erase-never-consented", timedelta(minutes=1), persons.never_consented, _key_of_case, erase_never_consented
)

# Validity is evaluated at each use; the job only tells the others.
EXPIRE_CONSENTS = Job("expire-consents", timedelta(seconds=10), consents.overdue_consents, _key_of_consent, _expire)

REMIND_OF_EXPIRY = Job("remind-of-expiry", timedelta(minutes=10), _soon_over, _key_of_consent, _remind)
FORGET_REQUESTS = Job("forget-stale-requests", timedelta(hours=1), _stale_requests, _key_of_consent, _forget)
TELL_REFUSALS = Job("tell-refusals", timedelta(hours=1), _untold, _key_of_unit, _tell_month)


def _destroy_keys(vault: Vault) -> Job:
    async def act(conn: Connection, key_id: UUID, now: datetime) -> None:
        await destroy_key(conn, vault, key_id, now)

    return Job("destroy-keys", timedelta(seconds=30), keys.due_keys, _no_keys, act)


def _ask_at_15(vault: Vault) -> Job:
    """Looks once a day who has turned 15 since a guardian consented; the birth dates stay in the vault."""

    async def find(conn: Connection, now: datetime, limit: int) -> Sequence[tuple[ConsentId, CaseId]]:
        given = await consents.given_by_guardians(conn)
        return [item for item in given if await _is_15(conn, vault, item[1], now)][:limit]

    return Job("ask-again-at-15", timedelta(days=1), find, _key_of_consent, _ask_again)


async def _is_15(conn: Connection, vault: Vault, case_id: CaseId, now: datetime) -> bool:
    key_id = key_to_open(await persons.key_of_person(conn, case_id))
    key = key_id if isinstance(key_id, Refusal) else await open_key(vault, key_id)
    if isinstance(key, Refusal):
        return False
    age = await age_of(conn, key, case_id)
    return isinstance(age, Age) and age.birth_date is not None and age.band_at(now) not in BELOW_15


def _no_key_of_chain(_chain: str) -> Sequence[Key]:
    """A chain's head is its lock, and is locked last."""
    return []


def _chain_disclosures(context: Context) -> Job:
    """Rows that are in no chain yet; those of a partner that has left wait, because nobody can give its references."""

    async def find(conn: Connection, _now: datetime, limit: int) -> Sequence[UnitId]:
        units = [UnitId(unit) for unit in await disclosures.units_waiting_for_chain(conn, limit)]
        return [unit for unit in units if partner_of(unit) in context.partners.slugs]

    async def act(conn: Connection, unit: UnitId, _now: datetime) -> None:
        await chain_waiting(conn, context.references, unit)

    return Job("chain-disclosures", timedelta(minutes=1), find, _no_key_of_chain, act)


def _sign_heads(context: Context) -> Job:
    key = load_signing_key(context.settings, "audit-signing-key")

    async def find(conn: Connection, now: datetime, limit: int) -> Sequence[str]:
        return await disclosures.unsigned_chains(conn, day_that_ended(now), limit)

    async def act(conn: Connection, recipient: str, now: datetime) -> None:
        await sign_head(conn, key, recipient, now)

    return Job("sign-disclosure-heads", timedelta(minutes=10), find, _no_key_of_chain, act)


def _retention(context: Context) -> Sequence[Job]:
    """What goes when its time is over, by the periods of the agreement."""
    agreed = resources_of(context).agreement.retention

    async def closed(conn: Connection, now: datetime, limit: int) -> Sequence[CaseId]:
        return await retention.closed_since(conn, agreed.months_after_closing, now, limit)

    async def erase_closed(conn: Connection, case_id: CaseId, now: datetime) -> None:
        await rights.erase_after_closing(conn, case_id, agreed.months_after_closing, now)

    async def proven(conn: Connection, now: datetime, limit: int) -> Sequence[CaseId]:
        return await retention.with_old_proof(conn, proof_border(now, agreed.years_of_proof), limit)

    async def forget_proof(conn: Connection, case_id: CaseId, now: datetime) -> None:
        await rights.forget_proof(conn, case_id, proof_border(now, agreed.years_of_proof))

    async def erased(conn: Connection, now: datetime, limit: int) -> Sequence[CaseId]:
        return await retention.erased_without_proof(conn, proof_border(now, agreed.years_of_proof), now, limit)

    async def forget_erased(conn: Connection, case_id: CaseId, now: datetime) -> None:
        await rights.forget_erased(conn, case_id, proof_border(now, agreed.years_of_proof), now)

    hourly = timedelta(hours=1)
    return [
        Job("erase-after-closing", hourly, closed, _key_of_case, erase_closed),
        Job("forget-consent-proof", hourly, proven, _key_of_case, forget_proof),
        Job("forget-erased-persons", hourly, erased, _key_of_case, forget_erased),
    ]


def jobs(context: Context) -> Sequence[Job]:
    """Intake's jobs on this process's vault and signing key."""
    return [
        ERASE_NEVER_CONSENTED,
        EXPIRE_CONSENTS,
        REMIND_OF_EXPIRY,
        FORGET_REQUESTS,
        TELL_REFUSALS,
        _ask_at_15(resources_of(context).vault),
        _destroy_keys(resources_of(context).vault),
        _chain_disclosures(context),
        _sign_heads(context),
        *_retention(context),
    ]
