"""What intake does by the clock."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from schemas import CaseId, ConsentId
from services.chassis.context import Context
from services.chassis.db import Connection
from services.chassis.keys import Key
from services.chassis.schedule import Job
from services.intake.commands.consents import expire_consent
from services.intake.commands.persons import case_key, destroy_key, erase_never_consented
from services.intake.resources import resources_of
from services.intake.store import consents, keys, persons
from services.intake.vault import Vault


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


def _destroy_keys(vault: Vault) -> Job:
    async def act(conn: Connection, key_id: UUID, now: datetime) -> None:
        await destroy_key(conn, vault, key_id, now)

    return Job("destroy-keys", timedelta(seconds=30), keys.due_keys, _no_keys, act)


def jobs(context: Context) -> Sequence[Job]:
    """Intake's jobs on this process's vault."""
    return [ERASE_NEVER_CONSENTED, EXPIRE_CONSENTS, _destroy_keys(resources_of(context).vault)]
