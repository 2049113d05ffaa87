"""Routes of drafts: referrals that a unit prepares before the person has consented, seen by that unit alone."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel

from schemas import CaseId, OfferId, ReferralId, UnitId, new_id
from services.chassis.access import note_access
from services.chassis.api import Answer, Body, Caller, Change, Changing, check_version, perform, respond
from services.chassis.auth import Principal
from services.chassis.context import Context
from services.chassis.db import Connection
from services.chassis.keys import Key
from services.chassis.permissions import allowed, unit_of
from services.chassis.problems import Problem, Refusal, documented
from services.referral.api.bodies import CaseRef, OwnNumber, ReferralView
from services.referral.api.referrals import READ, REQUEST
from services.referral.api.requests import After, Limit, Nothing, Running, once_consent_arrives
from services.referral.api.showing import views
from services.referral.commands import drafts, referrals
from services.referral.commands.consents import case_key
from services.referral.model.drafts import Draft
from services.referral.resources import resources_of
from services.referral.store import drafts as store

router = APIRouter(prefix="/v1/drafts", tags=["drafts"])

DraftAct: TypeAlias = Callable[[Connection, Draft, datetime], Awaitable[Answer | Refusal]]


class DraftBody(Body):
    """What is prepared: to which offer, from which referral it goes on, your own number; null: not decided yet."""

    offer_id: UUID | None = None
    based_on: UUID | None = None
    own_number: OwnNumber | None = None


class NewDraft(DraftBody):
    """For whom (your own reference of the case)."""

    case_ref: CaseRef


class DraftView(BaseModel):
    """A draft of your unit. `referral_id`: that of the referral which it becomes; `forgotten_at`: when it goes."""

    referral_id: ReferralId
    case_ref: CaseRef
    from_unit: UnitId
    offer_id: OfferId | None
    based_on: ReferralId | None
    own_number: str | None
    made_at: datetime
    forgotten_at: datetime


class DraftPage(BaseModel):
    """Drafts, the earliest first; `next` goes into `after` of the next request."""

    items: list[DraftView]
    next: ReferralId | None


class Discarded(BaseModel):
    """Which draft is gone."""

    referral_id: ReferralId


@router.post(
    "", **allowed(REQUEST), status_code=201, response_model=DraftView, responses=documented(400, 401, 403, 409, 422)
)
async def prepare_referral(change: Changing, body: NewDraft) -> Response:
    """Prepare a referral: nobody is told, and no consent is needed yet."""
    context, caller, referral_id = change.context, change.caller, ReferralId(new_id())
    case_id = CaseId(context.references.resolve(caller.partner, body.case_ref))
    unit = unit_of(caller, context)

    async def keys(_conn: Connection) -> Sequence[Key]:
        return [case_key(case_id)]

    async def act(conn: Connection, now: datetime) -> Answer | Refusal:
        offer_id, based_on = _ids(body)
        kept = await drafts.keep(conn, Draft(referral_id, case_id, unit, offer_id, based_on, body.own_number, now))
        return kept if isinstance(kept, Refusal) else _answer(context, caller, kept, is_new=True)

    async def again(conn: Connection, ids: Sequence[str], _now: datetime) -> Answer:
        return _answer(context, caller, await _found(conn, caller, REQUEST, UUID(ids[0])), is_new=True)

    return await perform(change, ids=[referral_id], keys=keys, act=act, again=again, status=201)


@router.put(
    "/{referral_id}",
    **allowed(REQUEST),
    response_model=DraftView,
    responses=documented(401, 403, 404, 409, 412, 422, 428),
)
async def change_draft(change: Changing, referral_id: UUID, body: DraftBody) -> Response:
    """Prepare it otherwise."""

    async def act(conn: Connection, draft: Draft, _now: datetime) -> Answer | Refusal:
        if stale := check_version(change, draft.version, required=True):
            return stale
        changed = await drafts.change(conn, draft, *_ids(body), body.own_number)
        return changed if isinstance(changed, Refusal) else _answer(change.context, change.caller, changed)

    async def again(conn: Connection, _ids: Sequence[str], _now: datetime) -> Answer:
        return _answer(change.context, change.caller, await _found(conn, change.caller, REQUEST, referral_id))

    return await _act_on(change, referral_id, act, again)


@router.post(
    "/{referral_id}/discard",
    **allowed(REQUEST),
    response_model=Discarded,
    responses=documented(400, 401, 403, 404, 422),
)
async def discard_draft(change: Changing, referral_id: UUID, body: Nothing | None = None) -> Response:
    """Throw a draft away."""

    async def act(conn: Connection, draft: Draft, _now: datetime) -> Answer:
        await store.delete_draft(conn, draft.referral_id)
        return Answer(Discarded(referral_id=draft.referral_id))

    async def again(_conn: Connection, ids: Sequence[str], _now: datetime) -> Answer:
        return Answer(Discarded(referral_id=ReferralId(UUID(ids[0]))))

    return await _act_on(change, referral_id, act, again)


@router.post(
    "/{referral_id}/send",
    **allowed(REQUEST),
    status_code=201,
    response_model=ReferralView,
    responses=documented(400, 401, 403, 404, 409, 422),
)
async def send_draft(change: Changing, referral_id: UUID, body: Nothing | None = None) -> Response:
    """Make it a referral, which keeps the id; a consent that is still on its way is waited for up to 2 s."""
    context, caller = change.context, change.caller

    async def act(conn: Connection, draft: Draft, now: datetime) -> Answer | Refusal:
        made = await drafts.send(conn, draft, resources_of(context).agreement.deadlines, now)
        return made if isinstance(made, Refusal) else await shown(conn, made.referral_id, now)

    async def shown(conn: Connection, own: ReferralId, now: datetime) -> Answer:
        found = await referrals.own_part(conn, own, caller, READ)
        if isinstance(found, Refusal):
            raise Problem(found)
        [(view, known)] = await views(conn, context, caller, [found], now)
        return Answer(view, version=known.version, location=f"/v1/referrals/{own}")

    async def again(conn: Connection, ids: Sequence[str], now: datetime) -> Answer:
        return await shown(conn, ReferralId(UUID(ids[0])), now)

    async def attempt() -> Response:
        return await _act_on(change, referral_id, act, again, status=201)

    async def lacks(conn: Connection, now: datetime) -> bool:
        draft = await store.find_draft(conn, ReferralId(referral_id))
        wanted = drafts.wanted_of(draft) if draft else None
        if wanted is None or isinstance(wanted, Refusal):
            return False
        return await referrals.lacks_consent(conn, wanted.case_id, wanted.offer_id, wanted.from_unit, now)

    return await once_consent_arrives(context, attempt, referrals.NO_CONSENT, lacks)


async def _act_on(
    change: Change,
    referral_id: UUID,
    act: DraftAct,
    again: Callable[[Connection, Sequence[str], datetime], Awaitable[Answer]],
    status: int = 200,
) -> Response:
    async def keys(conn: Connection) -> Sequence[Key] | Refusal:
        found = await drafts.own_draft(conn, ReferralId(referral_id), change.caller, REQUEST)
        return found if isinstance(found, Refusal) else [case_key(found.case_id)]

    async def decide(conn: Connection, now: datetime) -> Answer | Refusal:
        found = await drafts.own_draft(conn, ReferralId(referral_id), change.caller, REQUEST)
        return found if isinstance(found, Refusal) else await act(conn, found, now)

    return await perform(change, ids=[referral_id], keys=keys, act=decide, again=again, status=status)


@router.get("/{referral_id}", **allowed(READ), response_model=DraftView, responses=documented(401, 403, 404, 422))
async def show_draft(caller: Caller, context: Running, referral_id: UUID) -> Response:
    """Show a draft of your unit."""
    async with context.database.reading() as conn:
        draft = await _found(conn, caller, READ, referral_id)
    await note_access(context.database, caller, READ, [_view(context, caller, draft).case_ref])
    return respond(_answer(context, caller, draft))


@router.get("", **allowed(READ), responses=documented(401, 403, 422))
async def list_drafts(caller: Caller, context: Running, after: After = None, limit: Limit = 50) -> DraftPage:
    """List what your unit has prepared, the earliest first."""
    beyond = None if after is None else ReferralId(after)
    async with context.database.reading() as conn:
        found = await store.drafts_of(conn, unit_of(caller, context), beyond, limit + 1)
    items = [_view(context, caller, each) for each in found[:limit]]
    await note_access(context.database, caller, READ, [each.case_ref for each in items])
    return DraftPage(items=items, next=items[-1].referral_id if len(found) > limit else None)


def _ids(body: DraftBody) -> tuple[OfferId | None, ReferralId | None]:
    return (
        None if body.offer_id is None else OfferId(body.offer_id),
        None if body.based_on is None else ReferralId(body.based_on),
    )


async def _found(conn: Connection, caller: Principal, action_id: str, referral_id: UUID) -> Draft:
    found = await drafts.own_draft(conn, ReferralId(referral_id), caller, action_id)
    if isinstance(found, Refusal):
        raise Problem(found)
    return found


def _answer(context: Context, caller: Principal, draft: Draft, *, is_new: bool = False) -> Answer:
    location = f"/v1/drafts/{draft.referral_id}" if is_new else None
    return Answer(_view(context, caller, draft), version=draft.version, location=location)


def _view(context: Context, caller: Principal, draft: Draft) -> DraftView:
    return DraftView(
        referral_id=draft.referral_id,
        case_ref=context.references.reference(caller.partner, draft.case_id),
        from_unit=draft.from_unit,
        offer_id=draft.offer_id,
        based_on=draft.based_on,
        own_number=draft.number,
        made_at=draft.made_at,
        forgotten_at=draft.forgotten_at,
    )
