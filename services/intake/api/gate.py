"""The disclosure gate over HTTP."""

from functools import partial
from typing import Any
from uuid import UUID

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel

from schemas import ReferralId
from schemas.calendar import Day
from schemas.codes import AccessibilityNeed, AgeBand, ChannelKind, LanguageTag
from services.chassis.api import Caller, context_of
from services.chassis.keys import hold_key
from services.chassis.permissions import allowed, unit_of
from services.chassis.problems import Problem, Refusal, documented, refuse
from services.intake.api.callers import referral_to_act_on
from services.intake.commands.gate import Fetcher, disclose
from services.intake.commands.persons import case_key
from services.intake.vault import unseal

log = structlog.get_logger()
router = APIRouter(tags=["gate"])


class Identity(BaseModel):
    """Who the person is."""

    name: str


class Contact(BaseModel):
    """How the person wishes to be reached."""

    kind: ChannelKind
    value: str


class Language(BaseModel):
    """Which language the person prefers, and whether with an interpreter."""

    language: LanguageTag
    interpreter: bool


class Age(BaseModel):
    """How old the person is; one of the two."""

    birth_date: Day | None = None
    age_band: AgeBand | None = None


class Accessibility(BaseModel):
    """What the person needs to be able to come."""

    needs: list[AccessibilityNeed]


class PersonDisclosure(BaseModel):
    """What the person allows your unit to know now; other parts are left out."""

    referral_id: UUID
    case_ref: str
    identity: Identity | None = None
    contact: Contact | None = None
    language: Language | None = None
    age: Age | None = None
    accessibility: Accessibility | None = None


@router.get(
    "/v1/referrals/{referral_id}/person",
    **allowed("fetch-person"),
    response_model=PersonDisclosure,
    response_model_exclude_none=True,
    responses=documented(401, 403, 404, 409, 422, 503),
)
async def fetch(referral_id: UUID, request: Request, caller: Caller) -> Response:
    """Fetch what the person of a referral to your unit allows you to know; every fetch is logged."""
    context = context_of(request)
    refuse(context.admission.refusal("recovering"))
    unit = unit_of(caller, context)
    referral, key = await referral_to_act_on(context, ReferralId(referral_id), caller, "fetch-person")
    if isinstance(key, Refusal):
        raise Problem(key)
    fetcher = Fetcher(caller, partial(context.references.reference, caller.partner))
    async with context.database.transaction() as conn:
        sealed = await disclose(conn, referral, fetcher, await hold_key(conn, case_key(referral.case_id)))
        if isinstance(sealed, Refusal):
            raise Problem(sealed)
    opened = unseal(key, referral.case_id, sealed)
    said = {category.value: value for category, value in opened.items()}
    log.info("person_disclosed", referral_id=str(referral_id), unit=unit, categories=sorted(said))
    return _answer({"referral_id": referral_id, "case_ref": fetcher.reference(referral.case_id), **said})


def _answer(content: dict[str, Any]) -> Response:
    body = PersonDisclosure.model_validate(content).model_dump_json(exclude_none=True)
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})
