"""The route of the consultation hours as a calendar file."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from schemas import OfferState, UnitId
from schemas.calendar import local_day
from schemas.codes import Concern, LanguageTag
from services.chassis import db
from services.chassis.db import Connection
from services.chassis.permissions import allowed
from services.chassis.problems import Problem, Refusal, documented
from services.referral.api.requests import Running
from services.referral.api.shelves import OFFER_SHELF, OfferListing
from services.referral.model.directory import Entry, Filter
from services.referral.paper.calendar import CALENDAR, hours_as_calendar
from services.referral.store.clocks import closures_of
from services.referral.store.directory import entries_after

router = APIRouter(prefix=OFFER_SHELF.path, tags=["offers"])

MOST = 200
TOO_MANY = Refusal(
    422, "too-many-offers", f"These are more than {MOST} offers; narrow them by unit, need or language.", field="unit"
)


@router.get(
    ".ics",
    **allowed(OFFER_SHELF.reading),
    response_class=Response,
    responses={200: {"content": {"text/calendar": {}}}, **documented(401, 403, 422)},
)
async def offers_calendar(
    context: Running,
    unit: Annotated[UnitId | None, Query(description="the unit that makes the offers")] = None,
    need: Annotated[Concern | None, Query(description="what they help with")] = None,
    language: Annotated[LanguageTag | None, Query(description="one in which advice is given")] = None,
) -> Response:
    """The consultation hours of a year to come as an iCalendar file (RFC 5545), without holidays and closures."""
    asked = OfferListing(unit=unit, need=() if need is None else (need,), language=language)
    async with context.database.reading() as conn:
        now = await db.now(conn)
        offers = await _with_hours(conn, asked.filter(OFFER_SHELF.usable, now))
        closures = await closures_of(conn, sorted({each.unit for each in offers}))
    # In a thread: a year of many rules takes longer than others should wait.
    written = await asyncio.to_thread(hours_as_calendar, offers, closures, context.partners, local_day(now))
    return Response(written, media_type=CALENDAR)


async def _with_hours(conn: Connection, wanted: Filter) -> Sequence[Entry[OfferState]]:
    """The offers that say their hours for programs; a problem where they are too many for one file."""
    found: list[Entry[OfferState]] = []
    after = None
    while page := await entries_after(conn, OFFER_SHELF.kind, wanted, after, MOST):
        found += [each for each in page if each.state.schedules]
        if len(found) > MOST:
            raise Problem(TOO_MANY)
        after = page[-1].id
    return found
