"""Answering an access request (Art. 15 DSGVO), in a form that can be taken along (Art. 20)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from schemas import UnitId, partner_of
from schemas.codes import DataCategory
from schemas.partner_file import Partners
from services.chassis import db
from services.chassis.access import note_access
from services.chassis.api import Answer, Caller, context_of, refuse, respond
from services.chassis.context import Context
from services.chassis.db import Connection
from services.chassis.permissions import allowed, unit_of
from services.chassis.problems import Problem, Refusal, documented
from services.intake.api.access_views import (
    AccessAnswer,
    AskThere,
    ConsentInFull,
    Handed,
    HandedOut,
    Happened,
    Heard,
    Looked,
    Referred,
    Said,
    ToDo,
)
from services.intake.api.callers import Reference, data_key_of
from services.intake.api.consent_views import interpreter_of, notice_of, shown
from services.intake.api.propagation import propagated
from services.intake.api.rights import shown as shown_hold
from services.intake.commands.persons import DATA_LOST, person_of
from services.intake.model.consents import Consent, ConsentAct
from services.intake.model.persons import Person
from services.intake.model.receipts import Receipt
from services.intake.model.referrals import Referral
from services.intake.model.tasks import Task
from services.intake.paper.access import access_page
from services.intake.store import consents, persons, recalls, receipts, referrals, rights, tasks
from services.intake.vault import DataKey, unseal

router = APIRouter(tags=["rights"])

HTML = "text/html"


@router.get(
    "/v1/persons/{case_ref}/access",
    **allowed("answer-access-request"),
    response_model=AccessAnswer,
    responses={200: {"content": {HTML: {"schema": {"type": "string"}}}}, **documented(401, 403, 404, 422, 503)},
)
async def give_access(case_ref: Reference, request: Request, caller: Caller) -> Response:
    """Everything about a person your unit registered: as JSON to take along or, by Accept, as a page to print."""
    context = context_of(request)
    # Somebody erased since a backup must not be shown again.
    refuse(context.admission.refusal("recovering"))
    unit = unit_of(caller, context)
    case_id = context.references.resolve(caller.partner, case_ref)
    data_key = await data_key_of(context, case_id)
    async with context.database.reading() as conn:
        now = await db.now(conn)
        person = await person_of(conn, case_id, caller, "answer-access-request", now)
        if isinstance(person, Refusal):
            raise Problem(person)
        said = await _said(conn, person, data_key)
        answer = await _answer(conn, context, person, Reader(context, unit), said, now)
    await note_access(context.database, caller, "answer-access-request", [case_ref])
    if HTML in request.headers.get("accept", ""):
        html, headers = access_page(answer.model_dump(mode="json"), context.partners)
        return HTMLResponse(html, headers=headers)
    made = respond(Answer(answer))
    made.headers["Cache-Control"] = "no-store"
    return made


async def _said(conn: Connection, person: Person, key: DataKey | Refusal) -> Said:
    if isinstance(key, Refusal):
        if key is DATA_LOST:
            return Said()
        raise Problem(key)
    opened = unseal(key, person.case_id, await persons.sealed(conn, person.case_id, DataCategory))
    return Said.model_validate({category.value: value for category, value in opened.items()})


@dataclass(frozen=True)
class Reader:
    """The unit that asks for the person, and its partner's own references."""

    context: Context
    unit: UnitId

    def reference(self, value: UUID) -> str:
        """The partner's reference of an id."""
        return self.context.references.reference(partner_of(self.unit), value)


async def _answer(
    conn: Connection, context: Context, person: Person, reader: Reader, said: Said, now: datetime
) -> AccessAnswer:
    case_id, partner = person.case_id, partner_of(reader.unit)
    known_as: dict[str, str] = {slug: context.references.reference(slug, case_id) for slug in context.partners.slugs}
    given = await consents.consents_of_case(conn, case_id)
    histories = [await consents.acts(conn, each.consent_id) for each in given]
    referred = await referrals.referrals_of_case(conn, case_id)
    found = await recalls.recalls_of_case(conn, case_id)
    return AccessAnswer(
        case_ref=reader.reference(case_id),
        made_at=now,
        registered_by=person.registered_by,
        registered_at=person.registered_at,
        first_consent_at=person.first_consent_at,
        erase_after=person.erase_after,
        lost_at=person.lost_at,
        version=person.version,
        correct_again=list(person.correct_again),
        said=said,
        consents=[_consent(each, acts, reader, now) for each, acts in zip(given, histories, strict=True)],
        fetched=[Handed(**each._asdict()) for each in await rights.handovers(conn, known_as)],
        told=[Heard(**each._asdict()) for each in await rights.told(conn, case_id)],
        recalls=propagated(context, partner, found),
        looked_at=[Looked(**each._asdict()) for each in await rights.looks(conn, known_as.values())],
        receipts=[_receipt(each, reader) for each in await receipts.receipts_of_case(conn, case_id)],
        tasks=[_task(each, reader) for each in await tasks.tasks_of_case(conn, case_id)],
        referrals=[_referral(each) for each in referred],
        holds=[shown_hold(each, context, partner) for each in await rights.holds_of_case(conn, case_id)],
        ask_there=list(_others(referred, given, reader.unit, context.partners)),
    )


def _consent(consent: Consent, acts: Sequence[ConsentAct], reader: Reader, now: datetime) -> ConsentInFull:
    is_recorder = consent.recorded_by == reader.unit
    return ConsentInFull(
        **shown(consent, reader.context, reader.unit, now).model_dump(),
        recorded_by=consent.recorded_by,
        end_channel=consent.end.channel if consent.end else None,
        end_recorded_by=consent.end.by if consent.end else None,
        age_band=consent.signature.age_band,
        history=[_happened(each, is_recorder) for each in acts],
    )


def _happened(act: ConsentAct, is_recorder: bool) -> Happened:
    signature = act.signature
    return Happened(
        state=act.state,
        at=act.at,
        recorded_by=act.by,
        valid_until=act.valid_until,
        notice=notice_of(signature) if signature else None,
        interpreter=interpreter_of(signature) if signature else None,
        form=signature.form if signature else None,
        given_by=signature.given_by if signature else None,
        age_band=signature.age_band if signature else None,
        file_ref=signature.file_ref if signature and is_recorder else None,
        channel=act.channel,
        reason=act.reason,
    )


def _receipt(receipt: Receipt, reader: Reader) -> HandedOut:
    return HandedOut(
        receipt_ref=reader.reference(receipt.receipt_id),
        language=receipt.language,
        made_by=receipt.made_by,
        made_at=receipt.made_at,
        has_page=receipt.opening is not None,
        blocked_at=receipt.blocked_at,
    )


def _task(task: Task, reader: Reader) -> ToDo:
    return ToDo(
        consent_ref=reader.reference(task.consent_id),
        unit=task.unit,
        kind=task.kind,
        due_on=task.due_on,
        done_at=task.done_at,
    )


def _referral(referral: Referral) -> Referred:
    return Referred(
        referral_id=referral.referral_id,
        from_unit=referral.from_unit,
        to_unit=referral.to_unit,
    )


def _others(
    referred: Sequence[Referral], given: Sequence[Consent], unit: UnitId, partners: Partners
) -> Iterator[AskThere]:
    """The other partners that a referral or a consent names."""
    named = {each.to_unit for each in referred} | {each for consent in given for each in consent.units}
    for slug in sorted({partner_of(each) for each in named} - {partner_of(unit)}):
        if slug in partners.slugs:
            file = partners.partner(slug)
            yield AskThere(partner=file.slug, name=file.legal_name, contact=file.contact)
