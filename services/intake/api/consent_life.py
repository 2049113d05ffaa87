"""What becomes of a consent between asking and its end: given, refused, renewed, revoked, found to be invalid."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeAlias

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel

from schemas import ConsentId, UnitId
from schemas.codes import InvalidationReason, LanguageTag, RevocationReason
from services.chassis.api import Answer, Body, Change, Changing, perform
from services.chassis.db import Connection
from services.chassis.keys import Key
from services.chassis.permissions import allowed, may, unit_of
from services.chassis.problems import NOT_FOUND, Problem, Refusal, documented
from services.intake.api.callers import Reference, data_key_of, notices_of, setting_of
from services.intake.api.consent_views import ConsentRecord, ConsentRecords, shown
from services.intake.api.consents import on_person
from services.intake.api.signing import ConsentsAskedFor, Renewal, Signing, shown_for, signature_of
from services.intake.commands import refusals
from services.intake.commands.consents import (
    ANSWERED,
    Setting,
    forget_request,
    give_requested,
    invalidate_consent,
    recorded_consent,
    renew_consent,
    request_consents,
    revoke_consent,
)
from services.intake.commands.information import unit_key
from services.intake.commands.persons import case_key
from services.intake.model.consents import Consent
from services.intake.store import consents as store
from services.intake.store.notices import keep_notice

router = APIRouter(tags=["consents"])

_LIFE = documented(400, 401, 403, 404, 409, 413, 422, 503)


class Refused(Body):
    """The person says no. language: in which the person was asked, counted apart from the unit."""

    language: LanguageTag


class Revocation(Body):
    """Why somebody else than the person ends the consent."""

    reason: RevocationReason


class Invalidation(Body):
    """Why the consent should never have counted."""

    reason: InvalidationReason


class RefusalRecord(BaseModel):
    """That a refusal was counted, in the month of Koblenz; nothing about the person is kept."""

    month: str


@router.post(
    "/v1/persons/{case_ref}/consent-requests",
    **allowed("record-consent"),
    status_code=201,
    response_model=ConsentRecords,
    responses=_LIFE,
)
async def ask(case_ref: Reference, body: ConsentsAskedFor, change: Changing) -> Response:
    """Note what a person your unit registered was asked for and has not answered; it is forgotten after 30 days."""
    return await on_person(change, case_ref, body, request_consents)


Do: TypeAlias = Callable[[Connection, Consent, datetime], Awaitable[Refusal | None]]


async def _act_on(change: Change, consent_id: ConsentId, action_id: str, do: Do) -> Response:
    """Do something to a consent that your unit recorded; answered as it stands then."""
    unit = unit_of(change.caller, change.context)

    async def keys(conn: Connection) -> Sequence[Key] | Refusal:
        consent = await recorded_consent(conn, consent_id, change.caller, action_id)
        return consent if isinstance(consent, Refusal) else [case_key(consent.case_id)]

    async def act(conn: Connection, now: datetime) -> Answer | Refusal:
        consent = await recorded_consent(conn, consent_id, change.caller, action_id)
        if isinstance(consent, Refusal):
            return consent
        return await do(conn, consent, now) or await again(conn, [], now)

    async def again(conn: Connection, _ids: Sequence[str], now: datetime) -> Answer:
        consent = await recorded_consent(conn, consent_id, change.caller, action_id)
        if isinstance(consent, Refusal):
            raise Problem(consent)
        return Answer(shown(consent, change.context, unit, now))

    return await perform(change, ids=[consent_id], keys=keys, act=act, again=again)


async def _recorded(change: Change, consent_ref: str, action_id: str) -> tuple[Consent, UnitId]:
    """The consent of a request, which the caller's unit recorded. A problem 404 otherwise."""
    unit = unit_of(change.caller, change.context)
    consent_id = change.context.references.resolve(change.caller.partner, consent_ref)
    async with change.context.database.reading() as conn:
        consent = await recorded_consent(conn, consent_id, change.caller, action_id)
    if isinstance(consent, Refusal):
        raise Problem(consent)
    return consent, unit


@router.post(
    "/v1/consents/{consent_ref}/give", **allowed("record-consent"), response_model=ConsentRecord, responses=_LIFE
)
async def give(consent_ref: Reference, body: Signing, change: Changing) -> Response:
    """Record that the person says yes to what your unit asked for."""
    asked, unit = await _recorded(change, consent_ref, "record-consent")
    text = shown_for(notices_of(change.context), body.notice, asked.wanted, None, "notice")
    data_key = await data_key_of(change.context, asked.case_id)

    async def do(conn: Connection, consent: Consent, now: datetime) -> Refusal | None:
        setting = await setting_of(conn, change.context, data_key, consent.case_id, now)
        if not isinstance(setting, Setting):
            return setting
        await keep_notice(conn, text)
        return await give_requested(conn, consent, unit, signature_of(body, text), setting)

    return await _act_on(change, asked.consent_id, "record-consent", do)


@router.post(
    "/v1/consents/{consent_ref}/refuse", **allowed("record-consent"), response_model=RefusalRecord, responses=_LIFE
)
async def refuse(consent_ref: Reference, body: Refused, change: Changing) -> Response:
    """Count that the person says no to what your unit asked for, and keep nothing of the question."""
    unit = unit_of(change.caller, change.context)
    consent_id = change.context.references.resolve(change.caller.partner, consent_ref)

    async def keys(conn: Connection) -> Sequence[Key]:
        # What was refused before is gone: a repeated request is answered all the same.
        consent = await store.consent(conn, consent_id)
        return [unit_key(unit), *([case_key(consent.case_id)] if consent else [])]

    async def act(conn: Connection, now: datetime) -> Answer | Refusal:
        consent = await store.consent(conn, consent_id)
        if consent is None or not may(change.caller, "record-consent", consent.recorded_by):
            return NOT_FOUND
        if consent.given_at is not None:
            return ANSWERED
        await forget_request(conn, consent.consent_id)
        return Answer(RefusalRecord(month=await refusals.count_refusal(conn, unit, body.language, now)))

    async def again(_conn: Connection, _ids: Sequence[str], now: datetime) -> Answer:
        return Answer(RefusalRecord(month=refusals.month_of(now)))

    return await perform(change, ids=[], keys=keys, act=act, again=again)


@router.post(
    "/v1/refusals",
    **allowed("count-refusal"),
    status_code=201,
    response_model=RefusalRecord,
    responses=documented(400, 401, 403, 413, 422),
)
async def count_refusal(body: Refused, change: Changing) -> Response:
    """Count that somebody your unit asked said no. The flyer and the offers are the same; nobody is recorded."""
    unit = unit_of(change.caller, change.context)

    async def keys(_conn: Connection) -> Sequence[Key]:
        return [unit_key(unit)]

    async def act(conn: Connection, now: datetime) -> Answer:
        return Answer(RefusalRecord(month=await refusals.count_refusal(conn, unit, body.language, now)))

    async def again(_conn: Connection, _ids: Sequence[str], now: datetime) -> Answer:
        return Answer(RefusalRecord(month=refusals.month_of(now)))

    return await perform(change, ids=[], keys=keys, act=act, again=again, status=201)


@router.post(
    "/v1/consents/{consent_ref}/renew", **allowed("record-consent"), response_model=ConsentRecord, responses=_LIFE
)
async def renew(consent_ref: Reference, body: Renewal, change: Changing) -> Response:
    """Record that the person says yes again to what holds still, until a later time."""
    held, unit = await _recorded(change, consent_ref, "record-consent")
    text = shown_for(notices_of(change.context), body.notice, held.wanted, body.notice_sha256, "notice_sha256")
    data_key = await data_key_of(change.context, held.case_id)

    async def do(conn: Connection, consent: Consent, now: datetime) -> Refusal | None:
        setting = await setting_of(conn, change.context, data_key, consent.case_id, now)
        if not isinstance(setting, Setting):
            return setting
        await keep_notice(conn, text)
        return await renew_consent(conn, consent, unit, body.valid_until, signature_of(body, text), setting)

    return await _act_on(change, held.consent_id, "record-consent", do)


@router.post(
    "/v1/consents/{consent_ref}/revoke", **allowed("end-consent"), response_model=ConsentRecord, responses=_LIFE
)
async def revoke(consent_ref: Reference, body: Revocation, change: Changing) -> Response:
    """End a consent for another reason than that the person takes it back: the unit that recorded it does."""
    held, unit = await _recorded(change, consent_ref, "end-consent")

    async def do(conn: Connection, consent: Consent, now: datetime) -> Refusal | None:
        return await revoke_consent(conn, consent, unit, body.reason, now)

    return await _act_on(change, held.consent_id, "end-consent", do)


@router.post(
    "/v1/consents/{consent_ref}/invalidate", **allowed("end-consent"), response_model=ConsentRecord, responses=_LIFE
)
async def invalidate(consent_ref: Reference, body: Invalidation, change: Changing) -> Response:
    """Say that a consent should never have counted: the unit that recorded it does."""
    held, unit = await _recorded(change, consent_ref, "end-consent")

    async def do(conn: Connection, consent: Consent, now: datetime) -> Refusal | None:
        return await invalidate_consent(conn, consent, unit, body.reason, now)

    return await _act_on(change, held.consent_id, "end-consent", do)
