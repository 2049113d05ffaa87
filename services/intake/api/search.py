"""Finding a person again at the counter, without any record being opened."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, StrictInt

from schemas import UnitId
from services.chassis import db
from services.chassis.access import note_access
from services.chassis.api import Answer, Body, Caller, context_of, refuse, respond
from services.chassis.auth import Principal
from services.chassis.context import Context
from services.chassis.db import Connection
from services.chassis.permissions import allowed, unit_of
from services.chassis.problems import Problem, Refusal, documented
from services.intake.api.fields import Line
from services.intake.api.persons import PersonRecord, record_of
from services.intake.commands.persons import person_of
from services.intake.resources import resources_of
from services.intake.store import persons
from services.intake.store import search as store

router = APIRouter(tags=["persons"])

MOST_FOUND = 20
MOST_A_MINUTE = 60
NO_LETTERS = Refusal(422, "name-without-letters", "Send a name with at least one letter.", field="name")


class Search(Body):
    """What the person says: two names at least (one, if there is no other), in any order, and the year of birth."""

    name: Line
    birth_year: Annotated[StrictInt, Field(ge=1900, le=2100)]


class Found(BaseModel):
    """The unit's own persons of that name and year, the latest registered first; at most 20."""

    items: list[PersonRecord]


@router.post(
    "/v1/persons/search",
    **allowed("search-persons"),
    response_model=Found,
    responses=documented(400, 401, 403, 413, 422, 429, 503),
)
async def search(body: Search, request: Request, caller: Caller) -> Response:
    """Find persons your unit registered again; also those of whom only an age band is known. Changes nothing."""
    context = context_of(request)
    # Somebody erased since a backup must not be found again.
    refuse(context.admission.refusal("recovering"))
    unit = unit_of(caller, context)
    async with context.database.transaction() as conn:
        now = await db.now(conn)
        searches = await store.count_search(conn, unit, now)
    if searches > MOST_A_MINUTE:
        raise Problem(_too_many(now))
    async with context.database.reading() as conn:
        items = await _found(conn, context, caller, unit, body, now)
    await note_access(context.database, caller, "search-persons", [each.case_ref for each in items])
    answer = respond(Answer(Found(items=items)))
    answer.headers["Cache-Control"] = "no-store"
    return answer


async def _found(
    conn: Connection, context: Context, caller: Principal, unit: UnitId, body: Search, now: datetime
) -> list[PersonRecord]:
    index = resources_of(context).index
    no_year = index.entries(unit, body.name, None)
    if not no_year:
        raise Problem(NO_LETTERS)
    items = []
    for case_id in await store.found(conn, unit, index.entries(unit, body.name, body.birth_year), no_year, MOST_FOUND):
        person = await person_of(conn, case_id, caller, "search-persons", now)
        if not isinstance(person, Refusal):
            case_ref = context.references.reference(caller.partner, case_id)
            items.append(record_of(person, case_ref, await persons.sealed_categories(conn, case_id)))
    return items


def _too_many(now: datetime) -> Refusal:
    return Refusal(
        429,
        "too-many-searches",
        f"Your unit has searched {MOST_A_MINUTE} times in this minute; try again in the next.",
        retry_after_seconds=60 - now.second,
    )
