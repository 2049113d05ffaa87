"""Persons and what is sealed of them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from schemas import CaseId, UnitId
from schemas.codes import DataCategory, ErasureReason
from services.chassis.db import Connection
from services.intake.model.persons import NEVER_CONSENTED_KEPT, KeyOfPerson, Person, Sealed, in_order


async def insert_person(conn: Connection, person: Person) -> None:
    """Store a new person."""
    await conn.execute(
        """
        insert into intake.person (case_id, registered_by, key_id, registered_at, lost_at) values ($1, $2, $3, $4, $5)
        """,
        person.case_id,
        person.registered_by,
        person.key_id,
        person.registered_at,
        person.lost_at,
    )


async def insert_sealed(conn: Connection, case_id: CaseId, sealed: Iterable[Sealed]) -> None:
    """Store what is sealed of a person."""
    await conn.executemany(
        "insert into intake.sealed (case_id, category, version, nonce, ciphertext) values ($1, $2, $3, $4, $5)",
        [(case_id, each.category, each.version, each.nonce, each.ciphertext) for each in sealed],
    )


async def person(conn: Connection, case_id: UUID) -> Person | None:
    """One person, an erased one too."""
    row = await conn.fetchrow(
        """
        select case_id, registered_by, key_id, registered_at, first_consent_at, erased_at, erasure_reason, lost_at,
               version, correct_again,
               exists (select 1 from intake.held where held.case_id = person.case_id) as is_held
        from intake.person where case_id = $1
        """,
        case_id,
    )
    if row is None:
        return None
    reason = row["erasure_reason"]
    return Person(
        case_id=CaseId(row["case_id"]),
        registered_by=UnitId(row["registered_by"]),
        key_id=row["key_id"],
        registered_at=row["registered_at"],
        first_consent_at=row["first_consent_at"],
        erased_at=row["erased_at"],
        erasure_reason=ErasureReason(reason) if reason else None,
        lost_at=row["lost_at"],
        version=row["version"],
        correct_again=tuple(map(DataCategory, row["correct_again"])),
        is_held=row["is_held"],
    )


async def key_of_person(conn: Connection, case_id: UUID) -> KeyOfPerson | None:
    """Where the key to what a person said is."""
    row = await conn.fetchrow(
        """
        select key_id, erased_at is not null as is_erased, lost_at is not null as is_lost
        from intake.person where case_id = $1
        """,
        case_id,
    )
    return KeyOfPerson(**row) if row else None


async def sealed_categories(conn: Connection, case_id: CaseId) -> tuple[DataCategory, ...]:
    """Which categories the vault holds of a person."""
    rows = await conn.fetch("select category from intake.sealed where case_id = $1", case_id)
    return in_order({DataCategory(row["category"]) for row in rows})


async def sealed(conn: Connection, case_id: CaseId, categories: Iterable[DataCategory]) -> list[Sealed]:
    """What is sealed of a person in these categories."""
    rows = await conn.fetch(
        """
        select category, version, nonce, ciphertext from intake.sealed
        where case_id = $1 and category = any($2::text[])
        """,
        case_id,
        list(categories),
    )
    return [Sealed(DataCategory(row["category"]), row["version"], row["nonce"], row["ciphertext"]) for row in rows]


async def note_consent(conn: Connection, case_id: CaseId, now: datetime) -> None:
    """Note that the person consented once; the first time stays."""
    await conn.execute(
        "update intake.person set first_consent_at = $2 where case_id = $1 and first_consent_at is null",
        case_id,
        now,
    )


async def never_consented(conn: Connection, now: datetime, limit: int) -> Sequence[CaseId]:
    """Persons whose 72 hours without a consent are over, oldest first."""
    rows = await conn.fetch(
        """
        select case_id from intake.person
        where first_consent_at is null and erased_at is null and registered_at <= $1
          and case_id not in (select case_id from intake.held)
        order by registered_at limit $2
        """,
        now - NEVER_CONSENTED_KEPT,
        limit,
    )
    return [CaseId(row["case_id"]) for row in rows]


async def mark_erased(conn: Connection, case_id: CaseId, at: datetime, reason: ErasureReason) -> None:
    """Mark a person as erased, if there is one; the first time stays."""
    await conn.execute(
        """
        update intake.person
        set erased_at = coalesce(erased_at, $2), erasure_reason = coalesce(erasure_reason, $3)
        where case_id = $1
        """,
        case_id,
        at,
        reason,
    )


async def delete_sealed(conn: Connection, case_id: CaseId) -> None:
    """Empty the vault of a person."""
    await conn.execute("delete from intake.sealed where case_id = $1", case_id)


async def replace_sealed(
    conn: Connection, case_id: CaseId, categories: Iterable[DataCategory], sealed: Iterable[Sealed]
) -> None:
    """Put what is sealed anew in the place of these categories, and count the record's version up."""
    await conn.execute(
        "delete from intake.sealed where case_id = $1 and category = any($2::text[])", case_id, list(categories)
    )
    await insert_sealed(conn, case_id, sealed)
    await conn.execute(
        "update intake.person set version = version + 1, correct_again = '{}' where case_id = $1", case_id
    )


async def note_lost_correction(conn: Connection, case_id: CaseId, categories: Iterable[DataCategory]) -> bool:
    """Note that these categories were corrected once and are as before; False where the person is not there."""
    noted = await conn.fetchval(
        """
        update intake.person set version = version + 1, correct_again = array(
            select distinct category from unnest(correct_again || $2::text[]) as category order by category)
        where case_id = $1 and erased_at is null returning 1
        """,
        case_id,
        list(categories),
    )
    return noted is not None
