"""Recording, withdrawing and looking at consents."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from schemas import ConsentId, ReferralId, UnitId
from schemas.codes import WithdrawalChannel
from services.chassis import db
from services.chassis.access import note_access
from services.chassis.api import Answer, Body, Caller, Change, Changing, Render, context_of, perform, respond
from services.chassis.auth import Principal
from services.chassis.context import Context
from services.chassis.db import Connection
from services.chassis.keys import Key
from services.chassis.permissions import allowed, may, unit_of
from services.chassis.problems import Problem, Refusal, documented
from services.intake.api.callers import Reference, data_key_of, notices_of, referral_to_act_on, setting_of
from services.intake.api.consent_views import ConsentEnd, ConsentRecord, ConsentRecords, shown, shown_to_others
from services.intake.api.signing import ConsentsAskedFor, NewConsents, request_in
from services.intake.api.signing import Request as SigningRequest
from services.intake.commands.consents import (
    Setting,
    consent_of,
    record_consents,
    record_feedback_consents,
    withdraw_consent,
)
from services.intake.commands.persons import case_key, key_of_person_of, person_of
from services.intake.commands.referrals import received_referral
from services.intake.model.asking import Asked
from services.intake.model.consent_record import Subject, consent_records
from services.intake.model.consents import Consent
from services.intake.model.persons import Person
from services.intake.store import consents as store
from services.intake.store.notices import keep_notice

router = APIRouter(tags=["consents"])


class Withdrawal(Body):
    """Nothing needs to be said to take a consent back; by which way the person said so may be."""

    channel: WithdrawalChannel = WithdrawalChannel.COUNTER


@router.post(
    "/v1/persons/{case_ref}/consents",
    **allowed("record-consent"),
    status_code=201,
    response_model=ConsentRecords,
    responses=documented(400, 401, 403, 404, 409, 413, 422, 503),
)
async def record(case_ref: Reference, body: NewConsents, change: Changing) -> Response:
    """Record what a person your unit registered allows it with one signature."""
    return await on_person(change, case_ref, body, record_consents)


Record: TypeAlias = Callable[[Connection, Person, UnitId, Sequence[Asked], Setting], Awaitable[Refusal | None]]


async def on_person(change: Change, case_ref: str, body: NewConsents | ConsentsAskedFor, do: Record) -> Response:
    """Record, by `do`, what a person whom the caller's unit registered was asked for."""
    context, caller = change.context, change.caller
    unit = unit_of(caller, context)
    case_id = context.references.resolve(caller.partner, case_ref)
    request = request_in(body, notices_of(context))
    data_key = await data_key_of(context, case_id)

    async def keys(conn: Connection) -> Sequence[Key] | Refusal:
        key = await key_of_person_of(conn, case_id, caller, "record-consent")
        return key if isinstance(key, Refusal) else [key]

    async def act(conn: Connection, now: datetime) -> Answer | Refusal:
        person = await person_of(conn, case_id, caller, "record-consent", now)
        if isinstance(person, Refusal):
            return person
        setting = await setting_of(conn, context, data_key, person.case_id, now)
        if isinstance(setting, Refusal):
            return setting
        refusal = await do(conn, person, unit, request.asked, setting)
        return refusal or await kept(conn, context, unit, request, now)

    return await perform(change, ids=request.ids, keys=keys, act=act, again=again_of(change, unit), status=201)


@router.post(
    "/v1/referrals/{referral_id}/consents",
    **allowed("record-feedback-consent"),
    status_code=201,
    response_model=ConsentRecords,
    responses=documented(400, 401, 403, 404, 409, 413, 422, 503),
)
async def record_feedback(referral_id: UUID, body: NewConsents, change: Changing) -> Response:
    """Record that your unit, which got this referral, may tell its sender how it goes."""
    context, caller = change.context, change.caller
    unit = unit_of(caller, context)
    request = request_in(body, notices_of(context))
    addressed, data_key = await referral_to_act_on(context, ReferralId(referral_id), caller, "record-feedback-consent")

    async def keys(_conn: Connection) -> Sequence[Key]:
        return [case_key(addressed.case_id)]

    async def act(conn: Connection, now: datetime) -> Answer | Refusal:
        referral = await received_referral(conn, referral_id, caller, "record-feedback-consent")
        if isinstance(referral, Refusal):
            return referral
        setting = await setting_of(conn, context, data_key, referral.case_id, now)
        if isinstance(setting, Refusal):
            return setting
        refusal = await record_feedback_consents(conn, referral, request.asked, setting)
        return refusal or await kept(conn, context, unit, request, now)

    return await perform(change, ids=request.ids, keys=keys, act=act, again=again_of(change, unit), status=201)


def again_of(change: Change, unit: UnitId) -> Render:
    """Answers a repeated request by the consents as they stand now."""

    async def again(conn: Connection, ids: Sequence[str], now: datetime) -> Answer:
        return await records(conn, change.context, unit, [UUID(each) for each in ids], now)

    return again


async def kept(conn: Connection, context: Context, unit: UnitId, request: SigningRequest, now: datetime) -> Answer:
    """Keep the texts that were shown, and answer with the consents."""
    for text in request.texts:
        await keep_notice(conn, text)
    return await records(conn, context, unit, request.ids, now)


async def records(conn: Connection, context: Context, unit: UnitId, ids: Sequence[UUID], now: datetime) -> Answer:
    """Read back, also what was recorded just now: times are shown in UTC, whatever zone they were written in."""
    found = await store.consents(conn, ids)
    return Answer(ConsentRecords(consents=[shown(each, context, unit, now) for each in found]))


@router.post(
    "/v1/consents/{consent_ref}/withdraw",
    **allowed("withdraw-consent"),
    response_model=ConsentRecord | ConsentEnd,
    responses=documented(400, 401, 403, 404, 409, 413, 422),
)
async def withdraw(consent_ref: Reference, change: Changing, body: Withdrawal | None = None) -> Response:
    """Take a consent back for the person: any unit of either partner. One that has ended is answered as it stands.

    A unit that the consent does not name is answered with reference, state and end only.
    """
    context, caller = change.context, change.caller
    unit = unit_of(caller, context)
    consent_id = ConsentId(context.references.resolve(caller.partner, consent_ref))
    channel = (body or Withdrawal()).channel

    async def keys(conn: Connection) -> Sequence[Key] | Refusal:
        consent = await consent_of(conn, consent_id, caller, "withdraw-consent")
        if isinstance(consent, Refusal):
            # What a restored database does not know yet may be there in a moment.
            return context.admission.refusal("recovering") or consent
        return [case_key(consent.case_id)]

    async def act(conn: Connection, now: datetime) -> Answer | Refusal:
        refusal = await withdraw_consent(conn, consent_id, unit, channel, now)
        return refusal or await again(conn, [], now)

    async def again(conn: Connection, _ids: Sequence[str], now: datetime) -> Answer:
        consent = _found(await consent_of(conn, consent_id, caller, "withdraw-consent"))
        if may(caller, "read-consent", *consent.units):
            return Answer(shown(consent, context, unit, now))
        return Answer(shown_to_others(consent, context, caller.partner, now))

    return await perform(change, ids=[consent_id], keys=keys, act=act, again=again, urgent=True)


@router.get(
    "/v1/consents/{consent_ref}",
    **allowed("read-consent"),
    response_model=ConsentRecord,
    responses=documented(401, 403, 404, 422),
)
async def show(consent_ref: Reference, request: Request, caller: Caller) -> Response:
    """Look at a consent by which your unit passes on or receives."""
    context = context_of(request)
    unit = unit_of(caller, context)
    consent_id = context.references.resolve(caller.partner, consent_ref)
    async with context.database.reading() as conn:
        consent = _found(await consent_of(conn, consent_id, caller, "read-consent"))
        record = shown(consent, context, unit, await db.now(conn))
    await note_access(context.database, caller, "read-consent", [record.case_ref])
    return respond(Answer(record))


@router.get(
    "/v1/persons/{case_ref}/consents",
    **allowed("read-consent"),
    response_model=ConsentRecords,
    responses=documented(401, 403, 404, 422),
)
async def list_of_person(case_ref: Reference, request: Request, caller: Caller) -> Response:
    """List the consents of a person your unit registered, the earliest first."""
    context = context_of(request)
    unit = unit_of(caller, context)
    case_id = context.references.resolve(caller.partner, case_ref)
    async with context.database.reading() as conn:
        now = await db.now(conn)
        found = await _consents_of(conn, case_id, caller, now)
    await note_access(context.database, caller, "read-consent", [case_ref])
    return respond(Answer(ConsentRecords(consents=[shown(each, context, unit, now) for each in found])))


class JsonLd(JSONResponse):
    """JSON for linked data."""

    media_type = "application/ld+json"


@router.get(
    "/v1/persons/{case_ref}/consent-records",
    **allowed("read-consent"),
    response_class=JsonLd,
    responses=documented(401, 403, 404, 422),
)
async def export(case_ref: Reference, request: Request, caller: Caller) -> Response:
    """The same with everything that happened to each, as records by ISO/IEC TS 27560 in JSON-LD."""
    context = context_of(request)
    unit_of(caller, context)
    case_id = context.references.resolve(caller.partner, case_ref)
    async with context.database.reading() as conn:
        now = await db.now(conn)
        consents = await _consents_of(conn, case_id, caller, now)
        found = [(each, await store.acts(conn, each.consent_id)) for each in consents]
    await note_access(context.database, caller, "read-consent", [case_ref])
    references = {each.consent_id: context.references.reference(caller.partner, each.consent_id) for each in consents}
    document = consent_records(found, Subject(case_ref, references), context.partners, now)
    return JsonLd(document, headers={"Cache-Control": "no-store"})


async def _consents_of(conn: Connection, case_id: UUID, caller: Principal, now: datetime) -> list[Consent]:
    """All consents of a person that the caller's unit registered, as far as they name the unit."""
    person = await person_of(conn, case_id, caller, "read-consent", now)
    if isinstance(person, Refusal):
        raise Problem(person)
    found = await store.consents_of_case(conn, case_id)
    return [each for each in found if may(caller, "read-consent", *each.units)]


def _found(consent: Consent | Refusal) -> Consent:
    if isinstance(consent, Refusal):
        raise Problem(consent)
    return consent
