"""Consents as partners see them."""

from datetime import datetime

from pydantic import BaseModel

from schemas import UnitId, partner_of
from schemas.codes import ConsentForm, ConsentState, DataCategory, GivenBy, InterpreterKind, Scope
from services.chassis.context import Context
from services.intake.model.consents import Consent, Signature
from services.intake.model.persons import in_order


class NoticeRecord(BaseModel):
    """The notice shown: version, language, and the hash of the text; null where it was recorded without."""

    version: str
    language: str
    sha256: str | None


class InterpreterRecord(BaseModel):
    """Who interpreted the notice aloud, and into which language."""

    kind: InterpreterKind
    language: str


class ConsentRecord(BaseModel):
    """A consent as it stands now, under your partner's own references.

    given_at, form: null while the person has not answered. file_ref: shown to the unit that recorded it only.
    """

    consent_ref: str
    case_ref: str
    from_unit: str
    to_unit: str
    scope: Scope
    data_categories: list[DataCategory]
    requested_at: datetime | None
    given_at: datetime | None
    valid_until: datetime
    state: ConsentState
    ended_at: datetime | None
    end_reason: str | None
    notice: NoticeRecord
    interpreter: InterpreterRecord | None
    form: ConsentForm | None
    given_by: GivenBy
    file_ref: str | None


class ConsentEnd(BaseModel):
    """All that a unit the consent does not name learns by withdrawing it: that it has ended, and when."""

    consent_ref: str
    state: ConsentState
    ended_at: datetime | None


class ConsentRecords(BaseModel):
    """Several consents, as of one signature or of one person."""

    consents: list[ConsentRecord]


def shown(consent: Consent, context: Context, unit: UnitId, now: datetime) -> ConsentRecord:
    """All of it, to a unit that it names."""
    wanted, signature = consent.wanted, consent.signature
    partner = partner_of(unit)
    return ConsentRecord(
        consent_ref=context.references.reference(partner, consent.consent_id),
        case_ref=context.references.reference(partner, consent.case_id),
        from_unit=wanted.from_unit,
        to_unit=wanted.to_unit,
        scope=wanted.scope,
        data_categories=list(in_order(wanted.data_categories)),
        requested_at=consent.requested_at,
        given_at=consent.given_at,
        valid_until=wanted.valid_until,
        state=consent.state_at(now),
        ended_at=consent.ended_at_as_of(now),
        end_reason=consent.end.reason if consent.end else None,
        notice=notice_of(signature),
        interpreter=interpreter_of(signature),
        form=signature.form,
        given_by=signature.given_by,
        file_ref=signature.file_ref if unit == consent.recorded_by else None,
    )


def notice_of(signature: Signature) -> NoticeRecord:
    """The notice that was shown."""
    return NoticeRecord(**vars(signature.notice))


def interpreter_of(signature: Signature) -> InterpreterRecord | None:
    """Who interpreted it, if somebody did."""
    interpreted = signature.interpreted
    return InterpreterRecord(kind=interpreted.kind, language=interpreted.language) if interpreted else None


def shown_to_others(consent: Consent, context: Context, partner: str, now: datetime) -> ConsentEnd:
    """The end of it, to a unit that it does not name."""
    return ConsentEnd(
        consent_ref=context.references.reference(partner, consent.consent_id),
        state=consent.state_at(now),
        ended_at=consent.ended_at_as_of(now),
    )
