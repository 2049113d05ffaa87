"""Recording, withdrawing and looking at consents."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from schemas import ConsentId, ReferralId, UnitId, new_id
from schemas.codes import ConsentForm, ConsentState, DataCategory, LanguageTag, Scope
from schemas.consent import NoticeVersion
from services.chassis import db
from services.chassis.api import (
    Answer,
    Body,
    Caller,
    Change,
    Changing,
    Render,
    context_of,
    perform,
    require_role,
    respond,
)
from services.chassis.context import Context
from services.chassis.db import Connection
from services.chassis.keys import Key
from services.chassis.problems import NOT_FOUND, Problem, Refusal, documented
from services.intake.api.callers import (
    CLERK,
    COMMISSIONER,
    COORDINATOR,
    COUNSELLOR,
    SYSTEM,
    Reference,
    referral_addressed_to,
    unit_of,
)
from services.intake.api.fields import WrittenTime
from services.intake.commands.consents import (
    consent_of_partner,
    consent_of_unit,
    record_consents,
    record_feedback_consents,
    withdraw_consent,
)
from services.intake.commands.persons import case_key, key_of_person_of_unit, person_of_unit
from services.intake.model import Consent, Signature, WantedConsent, in_order
from services.intake.store import consents as store
from services.intake.store import referrals

router = APIRouter(tags=["consents"])


class Notice(Body):
    """The notice the person was shown, by version, in the language it was shown in."""

    version: NoticeVersion
    language: LanguageTag


class NewConsent(Body):
    """One direction, one purpose. `valid_until`: the consent holds before this time, twelve months at most."""

    from_unit: UnitId
    to_unit: UnitId
    scope: Scope
    data_categories: frozenset[DataCategory] = frozenset()
    valid_until: WrittenTime

    def wanted(self) -> WantedConsent:
        """The same as a rule takes it."""
        return WantedConsent(self.from_unit, self.to_unit, self.scope, self.data_categories, self.valid_until)


class NewConsents(Body):
    """What a person allows with one signature."""

    consents: Annotated[list[NewConsent], Field(min_length=1, max_length=10)]
    notice: Notice
    form: ConsentForm

    def wanted(self) -> dict[ConsentId, WantedConsent]:
        """Each consent as a rule takes it, by the id that it gets."""
        return {ConsentId(new_id()): each.wanted() for each in self.consents}

    def signature(self) -> Signature:
        """What all of them have in common."""
        return Signature(self.notice.version, self.notice.language, self.form)


class Withdrawal(Body):
    """Nothing needs to be said to take a consent back."""


class NoticeShown(BaseModel):
    """The notice shown, by version and language."""

    version: str
    language: str


class ConsentRecord(BaseModel):
    """A consent as it stands now, under your partner's own references."""

    consent_ref: str
    case_ref: str
    from_unit: str
    to_unit: str
    scope: Scope
    data_categories: list[DataCategory]
    given_at: datetime
    valid_until: datetime
    state: ConsentState
    ended_at: datetime | None
    notice: NoticeShown
    form: ConsentForm


class ConsentEnd(BaseModel):
    """All that a unit the consent does not name learns by withdrawing it: that it has ended, and when."""

    consent_ref: str
    state: ConsentState
    ended_at: datetime | None


class ConsentRecords(BaseModel):
    """The consents of one signature."""

    consents: list[ConsentRecord]


@router.post(
    "/v1/persons/{case_ref}/consents",
    status_code=201,
    response_model=ConsentRecords,
    responses=documented(400, 401, 403, 404, 413, 422),
)
async def record(case_ref: Reference, body: NewConsents, change: Changing) -> Response:
    """Record what a person your unit registered allows it with one signature."""
    require_role(change.caller, CLERK, COUNSELLOR, SYSTEM)
    context, partner = change.context, change.caller.partner
    unit = unit_of(change.caller, context)
    case_id = context.references.resolve(partner, case_ref)
    wanted = body.wanted()

    async def keys(conn: Connection) -> Sequence[Key] | Refusal:
        key = await key_of_person_of_unit(conn, case_id, unit)
        return key if isinstance(key, Refusal) else [key]

    async def act(conn: Connection, now: datetime) -> Answer | Refusal:
        person = await person_of_unit(conn, case_id, unit, now)
        if isinstance(person, Refusal):
            return person
        units = context.partners.units
        refusal = await record_consents(conn, person, unit, wanted, body.signature(), units, now)
        return refusal or await _records(conn, change, [*wanted], now)

    return await perform(change, ids=[*wanted], keys=keys, act=act, again=_again(change), status=201)


@router.post(
    "/v1/referrals/{referral_id}/consents",
    status_code=201,
    response_model=ConsentRecords,
    responses=documented(400, 401, 403, 404, 409, 413, 422),
)
async def record_feedback(referral_id: UUID, body: NewConsents, change: Changing) -> Response:
    """Record that your unit, which got this referral, may tell its sender how it goes."""
    require_role(change.caller, CLERK, COUNSELLOR, SYSTEM)
    context = change.context
    unit = unit_of(change.caller, context)
    addressed = await referral_addressed_to(context, ReferralId(referral_id), unit)
    wanted = body.wanted()

    async def keys(_conn: Connection) -> Sequence[Key]:
        return [case_key(addressed.case_id)]

    async def act(conn: Connection, now: datetime) -> Answer | Refusal:
        referral = await referrals.referral_to(conn, referral_id, unit)
        if referral is None:
            return NOT_FOUND
        units = context.partners.units
        refusal = await record_feedback_consents(conn, referral, wanted, body.signature(), units, now)
        return refusal or await _records(conn, change, [*wanted], now)

    return await perform(change, ids=[*wanted], keys=keys, act=act, again=_again(change), status=201)


def _again(change: Change) -> Render:
    async def again(conn: Connection, ids: Sequence[str], now: datetime) -> Answer:
        return await _records(conn, change, [UUID(each) for each in ids], now)

    return again


async def _records(conn: Connection, change: Change, ids: Sequence[UUID], now: datetime) -> Answer:
    """Read back, also what was recorded just now: times are shown in UTC, whatever zone they were written in."""
    found = await store.consents(conn, ids)
    shown = [_shown(each, change.context, change.caller.partner, now) for each in found]
    return Answer(ConsentRecords(consents=shown))


@router.post(
    "/v1/consents/{consent_ref}/withdraw",
    response_model=ConsentRecord | ConsentEnd,
    responses=documented(400, 401, 403, 404, 413, 422),
)
async def withdraw(consent_ref: Reference, change: Changing, body: Withdrawal | None = None) -> Response:
    """Take a consent back for the person: any unit of either partner. One that has ended is answered as it stands.

    A unit that the consent does not name is answered with reference, state and end only.
    """
    require_role(change.caller, CLERK, COUNSELLOR, COORDINATOR, COMMISSIONER, SYSTEM)
    context, partner = change.context, change.caller.partner
    unit = unit_of(change.caller, context)
    consent_id = ConsentId(context.references.resolve(partner, consent_ref))

    async def keys(conn: Connection) -> Sequence[Key] | Refusal:
        consent = await consent_of_partner(conn, consent_id, partner)
        if isinstance(consent, Refusal):
            # What a restored database does not know yet may be there in a moment.
            return context.admission.refusal("recovering") or consent
        return [case_key(consent.case_id)]

    async def act(conn: Connection, now: datetime) -> Answer:
        await withdraw_consent(conn, consent_id, unit, now)
        return await again(conn, [], now)

    async def again(conn: Connection, _ids: Sequence[str], now: datetime) -> Answer:
        consent = _found(await consent_of_partner(conn, consent_id, partner))
        show_it = _shown if consent.names(unit) else _shown_to_others
        return Answer(show_it(consent, context, partner, now))

    return await perform(change, ids=[consent_id], keys=keys, act=act, again=again, urgent=True)


@router.get("/v1/consents/{consent_ref}", response_model=ConsentRecord, responses=documented(401, 403, 404, 422))
async def show(consent_ref: Reference, request: Request, caller: Caller) -> Response:
    """Look at a consent by which your unit passes on or receives."""
    require_role(caller, CLERK, COUNSELLOR, COORDINATOR, COMMISSIONER, SYSTEM)
    context = context_of(request)
    unit = unit_of(caller, context)
    consent_id = context.references.resolve(caller.partner, consent_ref)
    async with context.database.reading() as conn:
        consent = _found(await consent_of_unit(conn, consent_id, unit))
        return respond(Answer(_shown(consent, context, caller.partner, await db.now(conn))))


def _found(consent: Consent | Refusal) -> Consent:
    if isinstance(consent, Refusal):
        raise Problem(consent)
    return consent


def _shown(consent: Consent, context: Context, partner: str, now: datetime) -> ConsentRecord:
    wanted, signature = consent.wanted, consent.signature
    return ConsentRecord(
        consent_ref=context.references.reference(partner, consent.consent_id),
        case_ref=context.references.reference(partner, consent.case_id),
        from_unit=wanted.from_unit,
        to_unit=wanted.to_unit,
        scope=wanted.scope,
        data_categories=list(in_order(wanted.data_categories)),
        given_at=consent.given_at,
        valid_until=wanted.valid_until,
        state=consent.state_at(now),
        ended_at=consent.ended_at_as_of(now),
        notice=NoticeShown(version=signature.notice_version, language=signature.notice_language),
        form=signature.form,
    )


def _shown_to_others(consent: Consent, context: Context, partner: str, now: datetime) -> ConsentEnd:
    return ConsentEnd(
        consent_ref=context.references.reference(partner, consent.consent_id),
        state=consent.state_at(now),
        ended_at=consent.ended_at_as_of(now),
    )
