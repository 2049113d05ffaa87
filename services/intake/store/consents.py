"""Consents."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from schemas import CaseId, ConsentId, Interpreted, ReferralId, UnitId
from schemas.codes import (
    AgeBand,
    ConsentForm,
    ConsentState,
    DataCategory,
    GivenBy,
    InvalidationReason,
    LanguageTag,
    ReferralState,
    RevocationReason,
    Scope,
    WithdrawalChannel,
)
from services.chassis.db import Connection
from services.intake.model.consents import Consent, ConsentAct, Notice, Signature, WantedConsent
from services.intake.model.persons import in_order

CONSENT_COLUMNS = """consent_id, case_id, from_unit, to_unit, scope, data_categories, given_at, valid_until,
    notice_version, notice_language, notice_sha256, form, given_by, age_band, interpreter_kind, interpreter_language,
    file_ref, recorded_by, state, requested_at, ended_at, end_recorded_by, end_channel, end_reason, events"""


async def save_consent(conn: Connection, consent: Consent) -> None:
    """Write how a consent stands, a new one too."""
    wanted, signature, end = consent.wanted, consent.signature, consent.end
    await conn.execute(
        f"""
        insert into intake.consent ({CONSENT_COLUMNS})
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
                $23, $24, $25)
        on conflict (consent_id) do update
        set given_at = excluded.given_at, valid_until = excluded.valid_until,
            notice_version = excluded.notice_version, notice_language = excluded.notice_language,
            notice_sha256 = excluded.notice_sha256, form = excluded.form, given_by = excluded.given_by,
            age_band = excluded.age_band, interpreter_kind = excluded.interpreter_kind,
            interpreter_language = excluded.interpreter_language, file_ref = excluded.file_ref,
            state = excluded.state, ended_at = excluded.ended_at, end_recorded_by = excluded.end_recorded_by,
            end_channel = excluded.end_channel, end_reason = excluded.end_reason, events = excluded.events,
            reminded_at = case when consent.valid_until = excluded.valid_until then consent.reminded_at end
        """,  # noqa: S608  # fixed column names
        consent.consent_id,
        consent.case_id,
        wanted.from_unit,
        wanted.to_unit,
        wanted.scope,
        list(in_order(wanted.data_categories)),
        consent.given_at,
        wanted.valid_until,
        *_signature_columns(signature),
        consent.recorded_by,
        consent.state,
        consent.requested_at,
        consent.ended_at,
        end.by if end else None,
        end.channel if end else None,
        end.reason if end else None,
        consent.events,
    )


def _signature_columns(signature: Signature | None) -> Sequence[str | None]:
    """In the order of both tables: the notice's version, language and hash, form, giver, age, interpreter, file."""
    if signature is None:
        return [None] * 9
    notice, interpreted = signature.notice, signature.interpreted
    return [
        notice.version,
        notice.language,
        notice.sha256,
        signature.form,
        signature.given_by,
        signature.age_band,
        interpreted.kind if interpreted else None,
        interpreted.language if interpreted else None,
        signature.file_ref,
    ]


async def append_act(conn: Connection, consent_id: ConsentId, number: int, act: ConsentAct) -> None:
    """Keep what happened to a consent, for good."""
    await conn.execute(
        """
        insert into intake.consent_event (consent_id, number, state, at, recorded_by, valid_until, notice_version,
                                          notice_language, notice_sha256, form, given_by, age_band, interpreter_kind,
                                          interpreter_language, file_ref, channel, reason)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
        """,
        consent_id,
        number,
        act.state,
        act.at,
        act.by,
        act.valid_until,
        *_signature_columns(act.signature),
        act.channel,
        act.reason,
    )


async def acts(conn: Connection, consent_id: UUID) -> list[ConsentAct]:
    """All that happened to a consent, in order."""
    rows = await conn.fetch("select * from intake.consent_event where consent_id = $1 order by number", consent_id)
    return [
        ConsentAct(
            state=ConsentState(row["state"]),
            at=row["at"],
            by=UnitId(row["recorded_by"]) if row["recorded_by"] else None,
            valid_until=row["valid_until"],
            signature=_signature(row) if row["notice_version"] else None,
            channel=WithdrawalChannel(row["channel"]) if row["channel"] else None,
            reason=_reason(row["state"], row["reason"]),
        )
        for row in rows
    ]


async def forget_request(conn: Connection, consent_id: UUID) -> None:
    """Take away a consent that was asked for and never given, with all that says so; any other stays."""
    await conn.execute("select set_config('lotse.retention', 'on', true)")
    await conn.execute(
        """
        with gone as (delete from intake.consent where consent_id = $1 and state = 'requested' returning consent_id)
        delete from intake.consent_event using gone where consent_event.consent_id = gone.consent_id
        """,
        consent_id,
    )
    await conn.execute("select set_config('lotse.retention', 'off', true)")


async def stale_requests(conn: Connection, before: datetime, limit: int) -> Sequence[tuple[ConsentId, CaseId]]:
    """Consents asked for before that time and not answered, oldest first."""
    rows = await conn.fetch(
        """
        select consent_id, case_id from intake.consent
        where state = 'requested' and requested_at <= $1 order by requested_at limit $2
        """,
        before,
        limit,
    )
    return [(ConsentId(row["consent_id"]), CaseId(row["case_id"])) for row in rows]


async def consents_of_case(conn: Connection, case_id: UUID) -> list[Consent]:
    """All consents of a person, the earliest first."""
    rows = await conn.fetch(
        f"""
        select {CONSENT_COLUMNS} from intake.consent
        where case_id = $1 order by coalesce(requested_at, given_at), consent_id
        """,  # noqa: S608  # fixed column names
        case_id,
    )
    return [_consent(row) for row in rows]


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


async def consents_for_referral(
    conn: Connection, referral_id: ReferralId
) -> tuple[ReferralState, list[Consent]] | None:
    """How a referral stands, and the consents between its two units as `consents_between` has them; None for none."""
    rows = await conn.fetch(
        f"""
        select referral.state as referral_state, consent.* from intake.referral left join lateral (
            select {CONSENT_COLUMNS} from intake.consent
            where (case_id, from_unit, to_unit) = (referral.case_id, referral.from_unit, referral.to_unit)
        ) as consent on true
        where referral_id = $1 order by given_at, consent_id
        """,  # noqa: S608  # fixed column names
        referral_id,
    )
    if not rows:
        return None
    return ReferralState(rows[0]["referral_state"]), [_consent(row) for row in rows if row["consent_id"]]


async def overdue_consents(conn: Connection, now: datetime, limit: int) -> Sequence[tuple[ConsentId, CaseId]]:
    """Consents whose time is over and that were not ended yet, oldest first."""
    rows = await conn.fetch(
        """
        select consent_id, case_id from intake.consent
        where state in ('given', 'renewed') and valid_until <= $1 order by valid_until limit $2
        """,
        now,
        limit,
    )
    return [(ConsentId(row["consent_id"]), CaseId(row["case_id"])) for row in rows]


async def soon_over(conn: Connection, before: datetime, limit: int) -> Sequence[tuple[ConsentId, CaseId]]:
    """Valid consents that end before that time and of which nobody was reminded, the first to end first.

    Left out: those given for so short that the reminder would come with the consent.
    """
    rows = await conn.fetch(
        """
        select consent_id, case_id from intake.consent
        where state in ('given', 'renewed') and reminded_at is null and valid_until <= $1
          and valid_until - given_at > interval '31 days'
        order by valid_until limit $2
        """,
        before,
        limit,
    )
    return [(ConsentId(row["consent_id"]), CaseId(row["case_id"])) for row in rows]


async def given_by_guardians(conn: Connection) -> Sequence[tuple[ConsentId, CaseId]]:
    """Valid consents that a guardian gave for somebody below 15, and for which nobody was asked to ask again."""
    rows = await conn.fetch(
        """
        select consent_id, case_id from intake.consent
        where state in ('given', 'renewed') and given_by = 'guardian' and age_band in ('under-12', '12-14')
          and not exists (select 1 from intake.task
                          where task.consent_id = consent.consent_id and kind = 'ask-again-at-15')
        order by given_at, consent_id
        """
    )
    return [(ConsentId(row["consent_id"]), CaseId(row["case_id"])) for row in rows]


async def note_reminder(conn: Connection, consent_id: ConsentId, now: datetime) -> bool:
    """Note that the unit was reminded of the consent's end; False when it was before, for the same end."""
    noted = await conn.fetchval(
        """
        update intake.consent set reminded_at = $2 where consent_id = $1 and reminded_at is null returning 1
        """,
        consent_id,
        now,
    )
    return noted is not None


def _consent(row: Any) -> Consent:
    wanted = WantedConsent(
        from_unit=UnitId(row["from_unit"]),
        to_unit=UnitId(row["to_unit"]),
        scope=Scope(row["scope"]),
        data_categories=frozenset(map(DataCategory, row["data_categories"])),
        valid_until=row["valid_until"],
    )
    return Consent(
        consent_id=ConsentId(row["consent_id"]),
        case_id=CaseId(row["case_id"]),
        wanted=wanted,
        signature=_signature(row),
        recorded_by=UnitId(row["recorded_by"]),
        given_at=row["given_at"],
        state=ConsentState(row["state"]),
        ended_at=row["ended_at"],
        requested_at=row["requested_at"],
        end=_end(row),
        events=row["events"],
    )


def _signature(row: Any) -> Signature:
    kind = row["interpreter_kind"]
    return Signature(
        notice=Notice(row["notice_version"], LanguageTag(row["notice_language"]), row["notice_sha256"]),
        form=ConsentForm(row["form"]) if row["form"] else None,
        given_by=GivenBy(row["given_by"]),
        age_band=AgeBand(row["age_band"]) if row["age_band"] else None,
        interpreted=Interpreted(kind=kind, language=row["interpreter_language"]) if kind else None,
        file_ref=row["file_ref"],
    )


def _end(row: Any) -> ConsentAct | None:
    if row["ended_at"] is None:
        return None
    return ConsentAct(
        state=ConsentState(row["state"]),
        at=row["ended_at"],
        by=UnitId(row["end_recorded_by"]) if row["end_recorded_by"] else None,
        channel=WithdrawalChannel(row["end_channel"]) if row["end_channel"] else None,
        reason=_reason(row["state"], row["end_reason"]),
    )


def _reason(state: str, reason: str | None) -> RevocationReason | InvalidationReason | None:
    if reason is None:
        return None
    return RevocationReason(reason) if state == ConsentState.REVOKED else InvalidationReason(reason)
