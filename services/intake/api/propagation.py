"""Who was told that a consent has ended or a person was erased, and what each partner did then."""

from collections.abc import Iterable
from datetime import datetime

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from schemas import ConsentId, PartnerSlug
from schemas.codes import RecallAction
from services.chassis.access import note_access
from services.chassis.api import Answer, Caller, context_of, respond
from services.chassis.context import Context
from services.chassis.permissions import allowed, may, unit_of
from services.chassis.problems import NOT_FOUND, Problem, Refusal, documented
from services.intake.api.callers import Reference
from services.intake.commands.consents import consent_of
from services.intake.store import persons, recalls
from services.intake.store.recalls import Recall

router = APIRouter(tags=["propagation"])


class Propagated(BaseModel):
    """One partner that knew of what has ended; acknowledged_at, action: null until it has answered."""

    partner: PartnerSlug
    type: str = Field(description="What it was told: the type of the event.")
    consent_ref: str | None = Field(description="Null for an erasure.")
    delivered_at: datetime = Field(description="When the event was numbered for the partner's stream.")
    deadline: datetime
    acknowledged_at: datetime | None
    action: RecallAction | None


class Propagation(BaseModel):
    """Partners that had been told, or had fetched data, in the order in which they were told of the end."""

    propagation: list[Propagated]


@router.get(
    "/v1/consents/{consent_ref}/propagation",
    **allowed("read-consent"),
    response_model=Propagation,
    responses=documented(401, 403, 404, 422),
)
async def of_consent(consent_ref: Reference, request: Request, caller: Caller) -> Response:
    """Who knew of something that rested on a consent, and what became of it after the end; empty before."""
    context = context_of(request)
    unit_of(caller, context)
    consent_id = ConsentId(context.references.resolve(caller.partner, consent_ref))
    async with context.database.reading() as conn:
        consent = await consent_of(conn, consent_id, caller, "read-consent")
        if isinstance(consent, Refusal):
            raise Problem(consent)
        found = await recalls.recalls_of_case(conn, consent.case_id)
    case_ref = context.references.reference(caller.partner, consent.case_id)
    await note_access(context.database, caller, "read-consent", [case_ref])
    return _answer(context, caller.partner, [each for each in found if each.consent_id == consent_id])


@router.get(
    "/v1/persons/{case_ref}/propagation",
    **allowed("read-person"),
    response_model=Propagation,
    responses=documented(401, 403, 404, 422),
)
async def of_person(case_ref: Reference, request: Request, caller: Caller) -> Response:
    """The same for everything about a person that your unit registered, an erased one too."""
    context = context_of(request)
    unit_of(caller, context)
    case_id = context.references.resolve(caller.partner, case_ref)
    async with context.database.reading() as conn:
        person = await persons.person(conn, case_id)
        if person is None or not may(caller, "read-person", person.registered_by):
            raise Problem(NOT_FOUND)
        found = await recalls.recalls_of_case(conn, person.case_id)
    await note_access(context.database, caller, "read-person", [case_ref])
    return _answer(context, caller.partner, found)


def _answer(context: Context, partner: str, found: Iterable[Recall]) -> Response:
    return respond(Answer(Propagation(propagation=propagated(context, partner, found))))


def propagated(context: Context, partner: str, found: Iterable[Recall]) -> list[Propagated]:
    """Recalls as a partner sees them."""

    def reference(consent_id: ConsentId | None) -> str | None:
        return context.references.reference(partner, consent_id) if consent_id else None

    return [
        Propagated(
            partner=each.partner,
            type=each.type,
            consent_ref=reference(each.consent_id),
            delivered_at=each.told_at,
            deadline=each.due_at,
            acknowledged_at=each.acknowledged_at,
            action=each.action,
        )
        for each in found
    ]
