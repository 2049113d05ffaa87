"""Consents."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from schemas import CaseId, ConsentId, UnitId
from schemas.codes import ConsentForm, ConsentState, DataCategory, LanguageTag, Scope
from services.chassis.db import Connection
from services.intake.model import Consent, Signature, WantedConsent, in_order

CONSENT_COLUMNS = """consent_id, case_id, from_unit, to_unit, scope, data_categories, given_at, valid_until,
    notice_version, notice_language, form, recorded_by, state, ended_at"""


async def insert_consent(conn: Connection, consent: Consent) -> None:
    """Store a consent that was given."""
    wanted, signature = consent.wanted, consent.signature
    await conn.execute(
        """
        insert into intake.consent (consent_id, case_id, from_unit, to_unit, scope, data_categories, given_at,
                                    valid_until, notice_version, notice_language, form, recorded_by)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        """,
        consent.consent_id,
        consent.case_id,
        wanted.from_unit,
        wanted.to_unit,
        wanted.scope,
        list(in_order(wanted.data_categories)),
        consent.given_at,
        wanted.valid_until,
        signature.notice_version,
        signature.notice_language,
        signature.form,
        consent.recorded_by,
    )


async def consent(conn: Connection, consent_id: UUID) -> Consent | None:
    """One consent."""
    row = await conn.fetchrow(
        f"select {CONSENT_COLUMNS} from intake.consent where consent_id = $1",  # noqa: S608  # fixed column names
        consent_id,
    )
    return _consent(row) if row else None


async def consents(conn: Connection, consent_ids: Sequence[UUID]) -> list[Consent]:
    """These consents, in the order asked for."""
    rows = await conn.fetch(
        f"""
        select {CONSENT_COLUMNS} from intake.consent
        join unnest($1::uuid[]) with ordinality as wanted (consent_id, place) using (consent_id) order by place
        """,  # noqa: S608  # fixed column names
        consent_ids,
    )
    return [_consent(row) for row in rows]


async def consents_between(conn: Connection, case_id: CaseId, from_unit: UnitId, to_unit: UnitId) -> list[Consent]:
    """A person's consents from one unit to another, whatever their scope and state."""
    rows = await conn.fetch(
        f"""
        select {CONSENT_COLUMNS} from intake.consent
        where case_id = $1 and from_unit = $2 and to_unit = $3 order by given_at, consent_id
        """,  # noqa: S608  # fixed column names
        case_id,
        from_unit,
        to_unit,
    )
    return [_consent(row) for row in rows]


async def end_consent(
    conn: Connection, consent_id: ConsentId, state: ConsentState, now: datetime, recorded_by: UnitId | None
) -> None:
    """Note how and when a consent ended, and which unit the person told (None: the clock)."""
    await conn.execute(
        "update intake.consent set state = $2, ended_at = $3, end_recorded_by = $4 where consent_id = $1",
        consent_id,
        state,
        now,
        recorded_by,
    )


async def overdue_consents(conn: Connection, now: datetime, limit: int) -> Sequence[tuple[ConsentId, CaseId]]:
    """Consents whose time is over and that were not ended yet, oldest first."""
    rows = await conn.fetch(
        """
        select consent_id, case_id from intake.consent
        where state = 'given' and valid_until <= $1 order by valid_until limit $2
        """,
        now,
        limit,
    )
    return [(ConsentId(row["consent_id"]), CaseId(row["case_id"])) for row in rows]


def _consent(row: Any) -> Consent:
    wanted = WantedConsent(
        from_unit=UnitId(row["from_unit"]),
        to_unit=UnitId(row["to_unit"]),
        scope=Scope(row["scope"]),
        data_categories=frozenset(map(DataCategory, row["data_categories"])),
        valid_until=row["valid_until"],
    )
    signature = Signature(
        notice_version=row["notice_version"],
        notice_language=LanguageTag(row["notice_language"]),
        form=ConsentForm(row["form"]),
    )
    return Consent(
        consent_id=ConsentId(row["consent_id"]),
        case_id=CaseId(row["case_id"]),
        wanted=wanted,
        signature=signature,
        recorded_by=UnitId(row["recorded_by"]),
        given_at=row["given_at"],
        state=ConsentState(row["state"]),
        ended_at=row["ended_at"],
    )
