"""Routes of cooperations: what each participant may do, and see, of its own."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TypeAlias
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response

from schemas import CaseId, CooperationId, StepId, UnitId, new_id
from services.chassis import db
from services.chassis.access import note_access
from services.chassis.api import Answer, Caller, Change, Changing, check_version, perform, respond
from services.chassis.context import Context
from services.chassis.db import Connection
from services.chassis.keys import Key
from services.chassis.permissions import allowed, unit_of
from services.chassis.problems import Problem, Refusal, documented
from services.referral.api.cooperation_bodies import (
    CooperationPage,
    CooperationView,
    Declining,
    Ending,
    Meeting,
    NamingLead,
    NewCooperation,
    NewStep,
    TakingPart,
    version_of,
    view,
)
from services.referral.api.requests import After, Limit, Nothing, Running, once_consent_arrives
from services.referral.commands import cooperations
from services.referral.commands.consents import case_key
from services.referral.commands.cooperations import Proposed, WantedStep
from services.referral.model.cooperations import Act, Cooperation
from services.referral.store import cooperations as store

router = APIRouter(prefix="/v1/cooperations", tags=["cooperations"])

PROPOSE, READ, TAKE_PART = "propose-cooperation", "read-cooperations", "take-part-in-cooperation"
_ACT_PROBLEMS = documented(400, 401, 403, 404, 409, 412, 422)

Touched: TypeAlias = Callable[[Connection, Cooperation, UnitId], Awaitable[Sequence[Cooperation]]]
Do: TypeAlias = Callable[[Connection, Cooperation, UnitId, datetime], Awaitable[Cooperation | Refusal]]


@router.post(
    "",
    **allowed(PROPOSE),
    status_code=201,
    response_model=CooperationView,
    responses=documented(400, 401, 403, 409, 422),
)
async def propose_cooperation(change: Changing, body: NewCooperation) -> Response:
    """Ask units of other partners to work together; consents that are still on their way are waited for up to 2 s."""
    wanted = Proposed(
        CaseId(change.context.references.resolve(change.caller.partner, body.case_ref)),
        unit_of(change.caller, change.context),
        body.units,
        body.responsible,
    )

    async def attempt() -> Response:
        return await _propose(change, wanted)

    async def lacks(conn: Connection, now: datetime) -> bool:
        return await cooperations.lacks_consent_to_ask(conn, wanted, now)

    return await once_consent_arrives(change.context, attempt, cooperations.NO_CONSENT_TO_ASK, lacks)


async def _propose(change: Change, wanted: Proposed) -> Response:
    cooperation_id = CooperationId(new_id())

    async def keys(_conn: Connection) -> Sequence[Key] | Refusal:
        return wanted.fault(change.context.partners.units) or [case_key(wanted.case_id)]

    async def act(conn: Connection, now: datetime) -> Answer | Refusal:
        made = await cooperations.propose(conn, cooperation_id, wanted, now)
        if isinstance(made, Refusal):
            return made
        shown = await _view(conn, change.context, change.caller.partner, made, wanted.proposer, now)
        return replace(shown, location=f"/v1/cooperations/{cooperation_id}")

    async def again(conn: Connection, ids: Sequence[str], now: datetime) -> Answer:
        shown = await _shown(conn, change, PROPOSE, UUID(ids[0]), now)
        return replace(shown, location=f"/v1/cooperations/{ids[0]}")

    return await perform(change, ids=[cooperation_id], keys=keys, act=act, again=again, status=201)


@router.post("/{cooperation_id}/agree", **allowed(TAKE_PART), response_model=CooperationView, responses=_ACT_PROBLEMS)
async def agree_to_cooperation(change: Changing, cooperation_id: UUID, body: TakingPart) -> Response:
    """Take part, with the person's consents there and back; one that is still on its way is waited for up to 2 s."""
    unit = unit_of(change.caller, change.context)

    async def do(conn: Connection, cooperation: Cooperation, unit: UnitId, now: datetime) -> Cooperation | Refusal:
        return await cooperations.agree(conn, cooperation, unit, body.responsible, now)

    async def attempt() -> Response:
        return await _do(change, cooperation_id, do)

    async def lacks(conn: Connection, now: datetime) -> bool:
        cooperation = await store.find_cooperation(conn, CooperationId(cooperation_id))
        return cooperation is None or await cooperations.lacks_consent_to_agree(conn, cooperation, unit, now)

    return await once_consent_arrives(change.context, attempt, cooperations.NO_CONSENT_BACK, lacks)


@router.post("/{cooperation_id}/decline", **allowed(TAKE_PART), response_model=CooperationView, responses=_ACT_PROBLEMS)
async def decline_cooperation(change: Changing, cooperation_id: UUID, body: Declining) -> Response:
    """Say that your unit does not take part; the reason is told only with the person's consent."""

    async def do(conn: Connection, cooperation: Cooperation, unit: UnitId, now: datetime) -> Cooperation | Refusal:
        return await cooperations.decline(conn, cooperation, unit, body.reason, now)

    return await _do(change, cooperation_id, do)


@router.post("/{cooperation_id}/lead", **allowed(TAKE_PART), response_model=CooperationView, responses=_ACT_PROBLEMS)
async def name_case_lead(change: Changing, cooperation_id: UUID, body: NamingLead) -> Response:
    """Say which of you should lead the case; agreed when all who take part name the same, until somebody does not."""
    locked: set[CaseId] = set()

    async def touched(conn: Connection, cooperation: Cooperation, unit: UnitId) -> Sequence[Cooperation]:
        found = await cooperations.of_one_household(conn, cooperation, unit, await db.now(conn))
        locked.update(each.case_id for each in found)
        return found

    async def do(conn: Connection, cooperation: Cooperation, unit: UnitId, now: datetime) -> Cooperation | Refusal:
        found = await cooperations.of_one_household(conn, cooperation, unit, now)
        together = [each for each in found if each.case_id in locked]
        return await cooperations.name_lead(conn, together, unit, body.unit, now)

    return await _do(change, cooperation_id, do, touched)


@router.post("/{cooperation_id}/meeting", **allowed(TAKE_PART), response_model=CooperationView, responses=_ACT_PROBLEMS)
async def plan_meeting(change: Changing, cooperation_id: UUID, body: Meeting) -> Response:
    """Set the day on which you meet; a later one takes its place."""

    async def do(conn: Connection, cooperation: Cooperation, unit: UnitId, now: datetime) -> Cooperation | Refusal:
        return await cooperations.plan_meeting(conn, cooperation, unit, body.meets_on, now)

    return await _do(change, cooperation_id, do)


@router.post("/{cooperation_id}/steps", **allowed(TAKE_PART), response_model=CooperationView, responses=_ACT_PROBLEMS)
async def plan_step(change: Changing, cooperation_id: UUID, body: NewStep) -> Response:
    """Note what you have agreed: which unit does what until when."""
    wanted = WantedStep(StepId(new_id()), body.kind, body.unit, body.due_on)

    async def do(conn: Connection, cooperation: Cooperation, unit: UnitId, now: datetime) -> Cooperation | Refusal:
        return await cooperations.plan_step(conn, cooperation, unit, wanted, now)

    return await _do(change, cooperation_id, do)


@router.post(
    "/{cooperation_id}/steps/{step_id}/done",
    **allowed(TAKE_PART),
    response_model=CooperationView,
    responses=_ACT_PROBLEMS,
)
async def do_step(change: Changing, cooperation_id: UUID, step_id: UUID, body: Nothing | None = None) -> Response:
    """Say that your unit has done its step."""
    return await _settle(change, cooperation_id, step_id, Act.DO_STEP)


@router.post(
    "/{cooperation_id}/steps/{step_id}/drop",
    **allowed(TAKE_PART),
    response_model=CooperationView,
    responses=_ACT_PROBLEMS,
)
async def drop_step(change: Changing, cooperation_id: UUID, step_id: UUID, body: Nothing | None = None) -> Response:
    """Say that a step of yours, or one that you planned, is not to be done any more."""
    return await _settle(change, cooperation_id, step_id, Act.DROP_STEP)


async def _settle(change: Change, cooperation_id: UUID, step_id: UUID, act: Act) -> Response:
    async def do(conn: Connection, cooperation: Cooperation, unit: UnitId, now: datetime) -> Cooperation | Refusal:
        return await cooperations.settle_step(conn, cooperation, unit, StepId(step_id), act, now)

    return await _do(change, cooperation_id, do)


@router.post("/{cooperation_id}/end", **allowed(TAKE_PART), response_model=CooperationView, responses=_ACT_PROBLEMS)
async def end_cooperation(change: Changing, cooperation_id: UUID, body: Ending) -> Response:
    """End it for all as its proposer, or your own part in it; needs no consent."""

    async def do(conn: Connection, cooperation: Cooperation, unit: UnitId, now: datetime) -> Cooperation | Refusal:
        return await cooperations.end(conn, cooperation, unit, body.reason, now)

    return await _do(change, cooperation_id, do)


async def _alone(_conn: Connection, cooperation: Cooperation, _unit: UnitId) -> Sequence[Cooperation]:
    return [cooperation]


async def _do(change: Change, cooperation_id: UUID, do: Do, touched: Touched = _alone) -> Response:
    """touched: which cooperations `do` may write, to lock their cases."""
    unit = unit_of(change.caller, change.context)

    async def keys(conn: Connection) -> Sequence[Key] | Refusal:
        found = await cooperations.own_part(conn, CooperationId(cooperation_id), change.caller, TAKE_PART)
        if isinstance(found, Refusal):
            return found
        return [case_key(each.case_id) for each in await touched(conn, found, unit)]

    async def act(conn: Connection, now: datetime) -> Answer | Refusal:
        found = await cooperations.own_part(conn, CooperationId(cooperation_id), change.caller, TAKE_PART)
        if isinstance(found, Refusal):
            return found
        before = await _view(conn, change.context, change.caller.partner, found, unit, now)
        if before.version is not None and (stale := check_version(change, before.version, required=False)):
            return stale
        moved = await do(conn, found, unit, now)
        if isinstance(moved, Refusal):
            return moved
        return await _view(conn, change.context, change.caller.partner, moved, unit, now)

    async def again(conn: Connection, ids: Sequence[str], now: datetime) -> Answer:
        return await _shown(conn, change, TAKE_PART, UUID(ids[0]), now)

    return await perform(change, ids=[cooperation_id], keys=keys, act=act, again=again)


async def _shown(conn: Connection, change: Change, action_id: str, cooperation_id: UUID, now: datetime) -> Answer:
    """Also a repeated request comes here, perhaps from another unit of the partner: the part is looked at again."""
    found = await cooperations.own_part(conn, CooperationId(cooperation_id), change.caller, action_id)
    if isinstance(found, Refusal):
        raise Problem(found)
    return await _view(conn, change.context, change.caller.partner, found, UnitId(change.caller.unit), now)


async def _view(
    conn: Connection, context: Context, partner: str, cooperation: Cooperation, unit: UnitId, now: datetime
) -> Answer:
    [seen] = await cooperations.seen(conn, [cooperation], unit, now)
    shown = view(seen, unit, partial(context.references.reference, partner))
    return Answer(shown, version=version_of(shown))


@router.get(
    "/{cooperation_id}", **allowed(READ), response_model=CooperationView, responses=documented(401, 403, 404, 422)
)
async def show_cooperation(caller: Caller, context: Running, cooperation_id: UUID) -> Response:
    """Show a cooperation in which your unit has a part, as far as it may know of it."""
    unit = unit_of(caller, context)
    async with context.database.reading() as conn:
        found = await cooperations.own_part(conn, CooperationId(cooperation_id), caller, READ)
        if isinstance(found, Refusal):
            raise Problem(found)
        shown = await _view(conn, context, caller.partner, found, unit, await db.now(conn))
    await note_access(context.database, caller, READ, [context.references.reference(caller.partner, found.case_id)])
    return respond(shown)


@router.get("", **allowed(READ), responses=documented(401, 403, 422))
async def list_cooperations(
    caller: Caller, context: Running, after: After = None, limit: Limit = 50
) -> CooperationPage:
    """List the cooperations in which your unit has a part, the earliest first."""
    unit = unit_of(caller, context)
    beyond = None if after is None else CooperationId(after)
    async with context.database.reading() as conn:
        found = await store.cooperations_with(conn, unit, beyond, limit + 1)
        page = await cooperations.seen(conn, found[:limit], unit, await db.now(conn))
    items = [view(each, unit, partial(context.references.reference, caller.partner)) for each in page]
    await note_access(context.database, caller, READ, [each.case_ref for each in items])
    return CooperationPage(items=items, next=items[-1].cooperation_id if len(found) > limit else None)
