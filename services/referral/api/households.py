"""Routes of households: who belongs together, said by the unit that refers them, read by each as far as it may know."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path
from fastapi.responses import Response
from pydantic import BaseModel, Field

from schemas import CaseId, HouseholdId, new_id
from services.chassis import db
from services.chassis.access import note_access
from services.chassis.api import Answer, Body, Caller, Changing, perform, respond
from services.chassis.auth import Principal
from services.chassis.context import Context
from services.chassis.db import Connection
from services.chassis.keys import Key
from services.chassis.permissions import allowed, unit_of
from services.chassis.problems import Problem, Refusal, documented
from services.referral.api.bodies import CaseRef, HouseholdRef
from services.referral.api.requests import Running
from services.referral.commands import households
from services.referral.commands.consents import case_key

router = APIRouter(prefix="/v1/households", tags=["referrals"])

LINK, READ = "link-household", "read-household"
TWICE = Refusal(422, "person-twice", "Name each person once.", field="case_refs")


class NewHousehold(Body):
    """Who is one household, by your own references of the cases; whoever was of another one leaves it.

    One alone takes a person out of the household it was of.
    """

    case_refs: Annotated[list[CaseRef], Field(min_length=1, max_length=20)]


class HouseholdView(BaseModel):
    """Who belongs to a household, as far as the reader may know; yours to compare with what you hear and read."""

    household_ref: HouseholdRef
    case_refs: list[CaseRef]


@router.post(
    "",
    **allowed(LINK),
    status_code=201,
    response_model=HouseholdView,
    responses=documented(400, 401, 403, 409, 422),
)
async def link_household(change: Changing, body: NewHousehold) -> Response:
    """Say that persons of yours are one household; each service hears it of those whom it got from your unit."""
    context, caller = change.context, change.caller
    unit = unit_of(caller, context)
    cases = [CaseId(context.references.resolve(caller.partner, each)) for each in body.case_refs]
    household_id = HouseholdId(new_id())

    async def keys(_conn: Connection) -> Sequence[Key] | Refusal:
        return TWICE if len(set(cases)) < len(cases) else [case_key(each) for each in cases]

    async def act(conn: Connection, now: datetime) -> Answer | Refusal:
        refused = await households.link_members(conn, unit, household_id, cases, now)
        return refused or await shown(conn, household_id, now)

    async def again(conn: Connection, ids: Sequence[str], now: datetime) -> Answer:
        return await shown(conn, HouseholdId(UUID(ids[0])), now)

    async def shown(conn: Connection, household_id: HouseholdId, now: datetime) -> Answer:
        seen = await households.members_seen(conn, household_id, unit, now)
        # All of them may be of another household by the time the request is repeated.
        view = _view(context, caller, household_id, [] if isinstance(seen, Refusal) else seen)
        return Answer(view, location=f"/v1/households/{view.household_ref}")

    return await perform(change, ids=[household_id], keys=keys, act=act, again=again, status=201)


@router.get("/{household_ref}", **allowed(READ), response_model=HouseholdView, responses=documented(401, 403, 404, 422))
async def show_household(
    caller: Caller, context: Running, household_ref: Annotated[HouseholdRef, Path(description="your own reference")]
) -> Response:
    """Show who belongs to a household, as far as your unit may know."""
    unit = unit_of(caller, context)
    household_id = HouseholdId(context.references.resolve(caller.partner, household_ref))
    async with context.database.reading() as conn:
        seen = await households.members_seen(conn, household_id, unit, await db.now(conn))
    if isinstance(seen, Refusal):
        raise Problem(seen)
    shown = _view(context, caller, household_id, seen)
    await note_access(context.database, caller, READ, shown.case_refs)
    return respond(Answer(shown))


def _view(context: Context, caller: Principal, household_id: HouseholdId, seen: Sequence[CaseId]) -> HouseholdView:
    reference = context.references.reference
    return HouseholdView(
        household_ref=reference(caller.partner, household_id),
        case_refs=[reference(caller.partner, each) for each in seen],
    )
