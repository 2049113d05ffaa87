"""Receipts: what a person takes home from the counter, and what the person gets when a consent has ended."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, StringConstraints

from schemas import CaseId, ConsentId, new_id, partner_of
from services.chassis import db
from services.chassis.access import note_access
from services.chassis.api import Answer, Body, Caller, Change, Changing, context_of, perform
from services.chassis.context import Context
from services.chassis.db import Connection
from services.chassis.keys import Key
from services.chassis.permissions import allowed, may, unit_of
from services.chassis.problems import NOT_FOUND, Problem, Refusal, documented
from services.chassis.sheet import PDF, Pdf, pdf, wants_pdf
from services.intake.api.callers import Reference
from services.intake.commands import receipts as commands
from services.intake.commands.consents import consent_of
from services.intake.commands.persons import case_key, key_of_person_of, person_of
from services.intake.model.consents import Consent
from services.intake.model.receipts import CaseReferences, Receipt, written
from services.intake.paper.pdf import Printed, receipt_pdf, termination_pdf
from services.intake.paper.wording import unit_name, wording
from services.intake.store import consents as consent_store
from services.intake.store import receipts as store

router = APIRouter(tags=["receipts"])

PaperLanguage: TypeAlias = Literal["de", "de-simple", "en", "ar"]
Pin: TypeAlias = Annotated[str, StringConstraints(pattern="^[0-9]{6,12}$")]

SHOWN_ONCE = Refusal(
    409, "receipt-shown-once", "The code was shown once and is not kept; make a new receipt with a new Idempotency-Key."
)
NOT_ENDED = Refusal(409, "consent-not-ended", "This consent is in force; withdraw it before you confirm its end.")


class NewReceipt(Body):
    """In which language, and the PIN that the person chose; without a PIN the person gets no page and no code."""

    language: PaperLanguage
    pin: Pin | None = None


class ReceiptRecord(BaseModel):
    """A receipt, without its code. has_page: whether its code opens the person's page while it is not blocked."""

    receipt_ref: str
    case_ref: str
    language: str
    made_at: datetime
    has_page: bool
    blocked_at: datetime | None


class HandedOut(ReceiptRecord):
    """A new receipt. code: shown now and never again. page: where it is entered; null where nobody serves one."""

    code: str | None
    page: str | None


@router.post(
    "/v1/persons/{case_ref}/receipts",
    **allowed("hand-out-receipt"),
    status_code=201,
    response_model=HandedOut,
    responses={
        201: {"content": {PDF: {"schema": {"type": "string", "format": "binary"}}}},
        **documented(400, 401, 403, 404, 409, 413, 422, 503),
    },
)
async def hand_out(case_ref: Reference, body: NewReceipt, change: Changing) -> Response:
    """Make a receipt for a person your unit registered, as JSON or, by Accept, as a PDF to print.

    The code is in this answer only. Earlier receipts of the person are blocked.
    """
    caller, context = change.caller, change.context
    unit, case_id = unit_of(caller, context), CaseId(context.references.resolve(caller.partner, case_ref))
    # Before the transaction: an argon2id hash is slow on purpose.
    opened = await asyncio.to_thread(commands.new_opening, body.pin) if body.pin else None
    receipt_id, code = new_id(), written(opened[0]) if opened else None
    page = str(context.settings.page_url) if context.settings.page_url and code else None
    printed: list[Printed] = []

    async def keys(conn: Connection) -> Sequence[Key] | Refusal:
        key = await key_of_person_of(conn, case_id, caller, "hand-out-receipt")
        return key if isinstance(key, Refusal) else [key]

    async def act(conn: Connection, now: datetime) -> Answer | Refusal:
        person = await person_of(conn, case_id, caller, "hand-out-receipt", now)
        if isinstance(person, Refusal):
            return person
        receipt = Receipt(receipt_id, case_id, opened[1] if opened else None, body.language, unit, now)
        await commands.hand_out(conn, receipt, _references(context, case_id))
        consents = await consent_store.consents_of_case(conn, case_id)
        valid = [each for each in consents if each.is_valid_at(now) and may(caller, "read-consent", *each.units)]
        printed[:] = [Printed(valid, unit_name(context.partners, unit), now, code, page)]
        shown = HandedOut(**_shown(receipt, change).model_dump(), code=code, page=page)
        return Answer(shown, location=f"/v1/receipts/{shown.receipt_ref}")

    async def again(_conn: Connection, _ids: Sequence[str], _now: datetime) -> Answer:
        raise Problem(SHOWN_ONCE)

    answer = await perform(change, ids=[receipt_id], keys=keys, act=act, again=again, status=201)
    answer.headers["Cache-Control"] = "no-store"
    if not wants_pdf(change.request):
        return answer
    made = await asyncio.to_thread(receipt_pdf, printed[0], wording(body.language), context.partners)
    return pdf(made, 201, {"Location": answer.headers["location"]})


@router.post(
    "/v1/receipts/{receipt_ref}/block",
    **allowed("hand-out-receipt"),
    response_model=ReceiptRecord,
    responses=documented(400, 401, 403, 404, 422),
)
async def block(receipt_ref: Reference, change: Changing) -> Response:
    """Block a lost receipt of a person your unit registered: its code opens nothing from now on."""
    caller = change.caller
    unit_of(caller, change.context)
    receipt_id = change.context.references.resolve(caller.partner, receipt_ref)

    async def found(conn: Connection, now: datetime) -> Receipt | Refusal:
        receipt = await store.receipt(conn, receipt_id)
        if receipt is None:
            return NOT_FOUND
        person = await person_of(conn, receipt.case_id, caller, "hand-out-receipt", now)
        return person if isinstance(person, Refusal) else receipt

    async def keys(conn: Connection) -> Sequence[Key] | Refusal:
        receipt = await found(conn, await db.now(conn))
        return receipt if isinstance(receipt, Refusal) else [case_key(receipt.case_id)]

    async def act(conn: Connection, now: datetime) -> Answer | Refusal:
        receipt = await found(conn, now)
        if isinstance(receipt, Refusal):
            return receipt
        await commands.block(conn, receipt, now)
        return await again(conn, [], now)

    async def again(conn: Connection, _ids: Sequence[str], now: datetime) -> Answer:
        receipt = await found(conn, now)
        if isinstance(receipt, Refusal):
            raise Problem(receipt)
        return Answer(_shown(receipt, change))

    return await perform(change, ids=[receipt_id], keys=keys, act=act, again=again, urgent=True)


@router.get(
    "/v1/consents/{consent_ref}/termination",
    **allowed("read-consent"),
    response_class=Pdf,
    responses=documented(401, 403, 404, 409, 422),
)
async def termination(
    consent_ref: Reference, request: Request, caller: Caller, language: Annotated[PaperLanguage, Query()] = "de"
) -> Response:
    """A sheet for the person that a consent has ended: when, how, and who had fetched what on it."""
    context = context_of(request)
    unit_of(caller, context)
    consent_id = context.references.resolve(caller.partner, consent_ref)
    async with context.database.reading() as conn:
        now = await db.now(conn)
        consent = await consent_of(conn, consent_id, caller, "read-consent")
        if isinstance(consent, Refusal):
            raise Problem(consent)
        if consent.ended_at_as_of(now) is None:
            raise Problem(NOT_ENDED)
        fetches = await _fetches(conn, context, consent)
    await note_access(context.database, caller, "read-consent", [consent_ref])
    made = await asyncio.to_thread(termination_pdf, consent, fetches, wording(language), context.partners, now)
    return pdf(made)


async def _fetches(conn: Connection, context: Context, consent: Consent) -> Sequence[store.Fetch]:
    recipient = partner_of(consent.wanted.to_unit)
    consent_id: ConsentId = consent.consent_id
    consent_ref = context.references.reference(recipient, consent_id)
    return await store.fetches(conn, recipient, consent_ref, context.references.reference(recipient, consent.case_id))


def _references(context: Context, case_id: UUID) -> CaseReferences:
    return {slug: context.references.reference(slug, case_id) for slug in context.partners.slugs}


def _shown(receipt: Receipt, change: Change) -> ReceiptRecord:
    references, partner = change.context.references, change.caller.partner
    return ReceiptRecord(
        receipt_ref=references.reference(partner, receipt.receipt_id),
        case_ref=references.reference(partner, receipt.case_id),
        language=receipt.language,
        made_at=receipt.made_at,
        has_page=receipt.opening is not None,
        blocked_at=receipt.blocked_at,
    )
