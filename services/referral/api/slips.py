"""Slips that people carry to a service themselves."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, Field, model_validator

from schemas import OfferId, UnitId, new_id
from schemas.calendar import local_day, local_month
from schemas.codes import LanguageTag
from schemas.texts import ShortText
from services.chassis.api import Answer, Body, Changing, perform
from services.chassis.db import Connection
from services.chassis.keys import Key
from services.chassis.permissions import allowed, unit_of
from services.chassis.problems import Problem, Refusal, documented
from services.chassis.sheet import PDF, pdf, wants_pdf
from services.referral.commands import slips
from services.referral.paper.slip import Place, slip_pdf
from services.referral.paper.wording import SlipLanguage, slip_language, wording
from services.referral.resources import resources_of

router = APIRouter(prefix="/v1/slips", tags=["routing"])

MOST_PLACES = 5


class NewSlip(Body):
    """Where somebody may go: offers of the directory, and places that an answer of routing named.

    `language`: the person's, which is counted. `slip_language`: that of the slip; by default the person's where there
    are texts in it, else easy German. Nothing else about the person is asked.
    """

    offer_ids: Annotated[tuple[UUID, ...], Field(max_length=MOST_PLACES)] = ()
    places: Annotated[tuple[ShortText, ...], Field(max_length=MOST_PLACES)] = ()
    language: LanguageTag
    slip_language: SlipLanguage | None = None

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Self:
        if not self.offer_ids and not self.places:
            raise ValueError("name an offer in offer_ids, or a place in places")
        return self


class PlaceView(BaseModel):
    """Somewhere to go, as it is published; null or empty where nothing is."""

    name: str
    unit: str | None
    description: str | None
    eligibility_description: str | None
    languages: list[str]
    interpretation_services: str | None
    schedule: str | None
    address: str | None
    phone: str | None
    email: str | None
    contact: str | None
    note: str | None
    url: str | None


class SlipView(BaseModel):
    """A slip, and as what it was counted."""

    unit: UnitId
    month: str
    language: LanguageTag
    slip_language: SlipLanguage
    places: list[PlaceView]


@router.post(
    "",
    **allowed("hand-out-slip"),
    status_code=201,
    response_model=SlipView,
    responses={
        201: {"content": {PDF: {"schema": {"type": "string", "format": "binary"}}}},
        **documented(400, 401, 403, 409, 413, 422),
    },
)
async def hand_out_slip(change: Changing, body: NewSlip) -> Response:
    """Make a slip that a person carries to a service, as JSON or, by Accept, as a PDF to print.

    It is counted as one person told of the offers. Nothing about the person is kept or sent.
    """
    context = change.context
    unit, slip_id = unit_of(change.caller, context), new_id()
    language = body.slip_language or slip_language(body.language)
    found: list[Place] = []
    made_at: list[datetime] = []

    async def keys(_conn: Connection) -> Sequence[Key]:
        return [slips.unit_key(unit)]

    async def act(conn: Connection, now: datetime) -> Answer | Refusal:
        shown = await show(conn, now)
        await slips.count(conn, unit, body.language, now)
        return shown

    async def again(conn: Connection, _ids: Sequence[str], now: datetime) -> Answer:
        return await show(conn, now)

    async def show(conn: Connection, now: datetime) -> Answer:
        offers = [OfferId(each) for each in body.offer_ids]
        routing = resources_of(context).routing
        places = await slips.places_on(conn, offers, body.places, routing, context.partners, local_day(now))
        if isinstance(places, Refusal):
            raise Problem(places)
        found[:], made_at[:] = places, [now]
        views = [PlaceView.model_validate(asdict(each)) for each in places]
        month = local_month(now)
        return Answer(SlipView(unit=unit, month=month, language=body.language, slip_language=language, places=views))

    answer = await perform(change, ids=[slip_id], keys=keys, act=act, again=again, status=201)
    if not wants_pdf(change.request):
        return answer
    name = context.partners.units[unit].name
    made = await asyncio.to_thread(slip_pdf, found, name, local_day(made_at[0]), wording(language))
    return pdf(made, answer.status_code)
