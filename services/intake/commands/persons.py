"""Registering a person, and erasing one who never consented."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from schemas import CaseId, PartnerSlug, PersonErased, Topic
from schemas.codes import AgeBand, DataCategory, ErasureReason
from services.chassis import outbox
from services.chassis.auth import Principal
from services.chassis.db import Connection
from services.chassis.keys import Key
from services.chassis.permissions import may
from services.chassis.problems import NOT_FOUND, Refusal
from services.intake.model.age import Age
from services.intake.model.persons import KEY_WAITS_FOR_PERSON, Person, Sealed, is_plausible_birth
from services.intake.store import keys, persons, receipts, rights, search
from services.intake.vault import DataKey, Vault, unseal

IMPLAUSIBLE_BIRTH = Refusal(
    422, "birth-date-implausible", "A birth date lies between 1900 and today.", field="birth_date"
)
DATA_LOST = Refusal(
    409, "data-lost", "What this person said was lost in a restore; ask the unit that referred to register it again."
)
KEY_GONE = Refusal(503, "not-available", "Try again in a moment; nothing was stored.")


def case_key(case_id: UUID) -> Key:
    """What everything about a person is ordered by."""
    return Key(Topic.CASES, str(case_id))


async def reserve_key(conn: Connection, key_id: UUID, now: datetime) -> None:
    """Note a data key before it is made: it is destroyed in an hour unless its person comes."""
    await keys.queue_key(conn, key_id, now + KEY_WAITS_FOR_PERSON)


async def register_person(
    conn: Connection,
    person: Person,
    sealed: Sequence[Sealed],
    entries: Sequence[bytes],
    birth_date: date | None,
    now: datetime,
) -> Refusal | None:
    """Store a person whose data key was made before, and what the unit finds the person by. Nobody is told so far."""
    if birth_date is not None and not is_plausible_birth(birth_date, now):
        return IMPLAUSIBLE_BIRTH
    if not await keys.take_key_from_queue(conn, person.key_id):
        return KEY_GONE
    await persons.insert_person(conn, person)
    await persons.insert_sealed(conn, person.case_id, sealed)
    await search.replace_entries(conn, person.registered_by, person.case_id, entries)
    return None


async def key_of_person_of(conn: Connection, case_id: UUID, caller: Principal, action_id: str) -> Key | Refusal:
    """What to lock for a person the caller may do this to; whether the record is still kept is seen under the lock."""
    person = await persons.person(conn, case_id)
    return case_key(case_id) if person and may(caller, action_id, person.registered_by) else NOT_FOUND


async def person_of(
    conn: Connection, case_id: UUID, caller: Principal, action_id: str, now: datetime
) -> Person | Refusal:
    """A person the caller may do this to; anybody else's, one no longer kept and an unknown one look alike."""
    person = await persons.person(conn, case_id)
    if person is None or not person.is_kept_at(now) or not may(caller, action_id, person.registered_by):
        return NOT_FOUND
    return person


async def erase_never_consented(conn: Connection, case_id: CaseId, now: datetime) -> None:
    """Erase a person who gave no consent in 72 hours."""
    person = await persons.person(conn, case_id)
    if person and person.erased_at is None and not person.is_kept_at(now):
        await erase(conn, person, ErasureReason.NEVER_CONSENTED, now)


async def erase(
    conn: Connection, person: Person, reason: ErasureReason, now: datetime, acted_by: PartnerSlug | None = None
) -> None:
    """Erase a person who is kept: the vault is emptied now, the data key destroyed by a job of its own, and told."""
    await persons.mark_erased(conn, person.case_id, now, reason)
    await take_away(conn, person.case_id)
    await keys.queue_key(conn, person.key_id, now)
    await outbox.publish(conn, PersonErased(case_id=person.case_id, reason=reason, acted_by=acted_by), at=now)


async def take_away(conn: Connection, case_id: CaseId) -> None:
    """Of a person just erased: what the person said, who was told what, and the receipts, which lead to the log."""
    await persons.delete_sealed(conn, case_id)
    await search.delete_entries(conn, case_id)
    await receipts.delete_receipts(conn, case_id)
    await rights.delete_told(conn, case_id)


async def destroy_key(conn: Connection, vault: Vault, key_id: UUID, now: datetime) -> None:
    """Destroy a data key that is due.

    The keys' database is asked inside the transaction, the one exception to the rule: the lock on the queue's row
    keeps a late person from taking a key that is being destroyed, and nobody else waits for that row. When the
    keys' database fails, the row stays and the job comes again.
    """
    if await keys.lock_due_key(conn, key_id, now):
        await vault.destroy(key_id)
        await keys.forget_key(conn, key_id)


async def age_of(conn: Connection, key: DataKey, case_id: CaseId) -> Age | Refusal:
    """How old a person said to be, read in the vault under the lock of the case."""
    sealed = await persons.sealed(conn, case_id, {DataCategory.AGE})
    if not sealed:
        return DATA_LOST
    said = unseal(key, case_id, sealed)[DataCategory.AGE]
    born, band = said.get("birth_date"), said.get("age_band")
    return Age(date.fromisoformat(born) if born else None, AgeBand(band) if band else None)
