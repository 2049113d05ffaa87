"""Routes of referrals: what each party may do, and see, of its own."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response

from schemas import CaseId, OfferId, Party, ReferralId, new_id
from schemas.agreement_file import Deadlines
from services.chassis import db
from services.chassis.access import note_access
from services.chassis.api import Answer, Caller, Change, Changing, check_version, perform, respond
from services.chassis.auth import Principal
from services.chassis.context import Context
from services.chassis.db import Connection
from services.chassis.keys import Key
from services.chassis.permissions import allowed, unit_of
from services.chassis.problems import Problem, Refusal, documented
from services.referral.api.bodies import (
    Acceptance,
    Annulment,
    Cancellation,
    Completion,
    Failure,
    Hold,
    NewReferral,
    Numbering,
    OwnNumber,
    ReferralPage,
    ReferralView,
    Rejection,
    Start,
    TakingBack,
)
from services.referral.api.requests import After, Limit, Nothing, Running, once_consent_arrives
from services.referral.api.showing import case_ref, views
from services.referral.commands import referrals
from services.referral.commands.consents import case_key
from services.referral.commands.referrals import Doing
from services.referral.model.drafts import Wanted
from services.referral.model.referrals import Act, Referral
from services.referral.resources import resources_of
from services.referral.store import referrals as store

router = APIRouter(prefix="/v1/referrals", tags=["referrals"])

REQUEST, READ, ANSWER, CANCEL = "request-referral", "read-referrals", "act-on-received-referral", "cancel-referral"
ANNUL, NUMBER, DISMISS = "annul-referral", "number-referral", "dismiss-referral"
ACTION: Mapping[Act, str] = {Act.CANCEL: CANCEL, Act.ANNUL: ANNUL}
"""What a caller must be allowed to; for all other acts it is ANSWER."""

NO_IF_MATCH = Refusal(
    400, "if-match-not-taken", "Whoever sent a referral cancels it without If-Match.", field="If-Match"
)
_ACT_PROBLEMS = documented(400, 401, 403, 404, 409, 412, 422)


@router.post(
    "",
    **allowed(REQUEST),
    status_code=201,
    response_model=ReferralView,
    responses=documented(400, 401, 403, 409, 422),
)
async def request_referral(change: Changing, body: NewReferral) -> Response:
    """Refer a person to another partner's offer; a consent that is still on its way is waited for up to 2 s."""
    wanted = Wanted(
        CaseId(change.context.references.resolve(change.caller.partner, body.case_ref)),
        OfferId(body.offer_id),
        unit_of(change.caller, change.context),
        None if body.based_on is None else ReferralId(body.based_on),
        body.own_number,
    )

    async def attempt() -> Response:
        return await _request(change, wanted)

    async def lacks(conn: Connection, now: datetime) -> bool:
        return await referrals.lacks_consent(conn, wanted.case_id, wanted.offer_id, wanted.from_unit, now)

    return await once_consent_arrives(change.context, attempt, referrals.NO_CONSENT, lacks)


async def _request(change: Change, wanted: Wanted) -> Response:
    referral_id = ReferralId(new_id())

    async def keys(_conn: Connection) -> Sequence[Key]:
        return [case_key(wanted.case_id)]

    async def act(conn: Connection, now: datetime) -> Answer | Refusal:
        made = await referrals.request(conn, referral_id, wanted, _deadlines(change), now)
        if isinstance(made, Refusal):
            return made
        shown = await _view(conn, change.context, change.caller, made, Party.SENDER, now)
        return replace(shown, location=f"/v1/referrals/{referral_id}")

    async def again(conn: Connection, ids: Sequence[str], now: datetime) -> Answer:
        shown = await _shown(conn, change.context, change.caller, REQUEST, UUID(ids[0]), now)
        return replace(shown, location=f"/v1/referrals/{ids[0]}")

    return await perform(change, ids=[referral_id], keys=keys, act=act, again=again, status=201)


@router.post("/{referral_id}/receive", **allowed(ANSWER), response_model=ReferralView, responses=_ACT_PROBLEMS)
async def receive_referral(change: Changing, referral_id: UUID, body: Nothing | None = None) -> Response:
    """Say that the request has reached your unit."""
    return await _do(change, referral_id, Act.RECEIVE, {})


@router.post("/{referral_id}/accept", **allowed(ANSWER), response_model=ReferralView, responses=_ACT_PROBLEMS)
async def accept_referral(change: Changing, referral_id: UUID, body: Acceptance) -> Response:
    """Take the person: which function does, and when the first contact is planned."""
    return await _do(change, referral_id, Act.ACCEPT, body.model_dump())


@router.post("/{referral_id}/reject", **allowed(ANSWER), response_model=ReferralView, responses=_ACT_PROBLEMS)
async def reject_referral(change: Changing, referral_id: UUID, body: Rejection) -> Response:
    """Say that your unit cannot take the person, and why."""
    facts = {"rejection_reason": body.reason, "happened_on": body.happened_on}
    return await _do(change, referral_id, Act.REJECT, facts)


@router.post("/{referral_id}/take-back", **allowed(ANSWER), response_model=ReferralView, responses=_ACT_PROBLEMS)
async def take_acceptance_back(change: Changing, referral_id: UUID, body: TakingBack) -> Response:
    """Take an acceptance back that was a mistake, within one working day; the request waits for its answer again."""
    return await _do(change, referral_id, Act.TAKE_BACK, {"taken_back_reason": body.reason})


@router.post("/{referral_id}/start", **allowed(ANSWER), response_model=ReferralView, responses=_ACT_PROBLEMS)
async def start_referral(change: Changing, referral_id: UUID, body: Start) -> Response:
    """Say that the first contact with the person took place."""
    return await _do(change, referral_id, Act.START, {"first_contact_on": body.first_contact_on})


@router.post("/{referral_id}/complete", **allowed(ANSWER), response_model=ReferralView, responses=_ACT_PROBLEMS)
async def complete_referral(change: Changing, referral_id: UUID, body: Completion) -> Response:
    """Say that the work is done, and what came of it."""
    return await _do(change, referral_id, Act.COMPLETE, body.model_dump())


@router.post("/{referral_id}/hold", **allowed(ANSWER), response_model=ReferralView, responses=_ACT_PROBLEMS)
async def hold_referral(change: Changing, referral_id: UUID, body: Hold) -> Response:
    """Say that the work rests, why, and when it is looked at again."""
    return await _do(change, referral_id, Act.HOLD, {"hold_reason": body.reason, "review_on": body.review_on})


@router.post("/{referral_id}/resume", **allowed(ANSWER), response_model=ReferralView, responses=_ACT_PROBLEMS)
async def resume_referral(change: Changing, referral_id: UUID, body: Nothing | None = None) -> Response:
    """Go on where the work rested."""
    return await _do(change, referral_id, Act.RESUME, {})


@router.post("/{referral_id}/fail", **allowed(ANSWER), response_model=ReferralView, responses=_ACT_PROBLEMS)
async def fail_referral(change: Changing, referral_id: UUID, body: Failure) -> Response:
    """Say that your unit could not finish what it had accepted."""
    facts = {"failure_reason": body.reason, "happened_on": body.happened_on}
    return await _do(change, referral_id, Act.FAIL, facts)


@router.post("/{referral_id}/cancel", **allowed(CANCEL), response_model=ReferralView, responses=_ACT_PROBLEMS)
async def cancel_referral(change: Changing, referral_id: UUID, body: Cancellation) -> Response:
    """End a referral early, as its sender or its recipient; after the first contact the service goes on by itself."""
    return await _do(change, referral_id, Act.CANCEL, {"end_reason": body.reason})


@router.post("/{referral_id}/annul", **allowed(ANNUL), response_model=ReferralView, responses=_ACT_PROBLEMS)
async def annul_referral(change: Changing, referral_id: UUID, body: Annulment) -> Response:
    """Say that a referral of your unit should never have existed; it counts once a second person has said so too."""
    return await _do(change, referral_id, Act.ANNUL, {"error_reason": body.reason})


@router.put(
    "/{referral_id}/number",
    **allowed(NUMBER),
    response_model=ReferralView,
    responses=documented(401, 403, 404, 422),
)
async def number_referral(change: Changing, referral_id: UUID, body: Numbering) -> Response:
    """Write your own unit's number of a referral; the other side never sees it, and no event tells it."""

    async def write(conn: Connection, referral: Referral, party: Party) -> Referral:
        await store.set_number(conn, referral.referral_id, party, body.own_number)
        return referral

    return await _note(change, referral_id, NUMBER, write)


@router.post("/{referral_id}/dismiss", **allowed(DISMISS), response_model=ReferralView, responses=_ACT_PROBLEMS)
async def dismiss_referral(change: Changing, referral_id: UUID, body: Nothing | None = None) -> Response:
    """Take a referral that your unit sent off its worklists; it stays what it is, and nobody is told."""
    return await _note(change, referral_id, DISMISS, referrals.dismiss)


async def _note(
    change: Change,
    referral_id: UUID,
    action_id: str,
    write: Callable[[Connection, Referral, Party], Awaitable[Referral | Refusal]],
) -> Response:
    """Write what is the unit's own matter; no state changes."""

    async def keys(conn: Connection) -> Sequence[Key] | Refusal:
        found = await _own_part(conn, referral_id, change.caller, action_id)
        return found if isinstance(found, Refusal) else [case_key(found[0].case_id)]

    async def decide(conn: Connection, now: datetime) -> Answer | Refusal:
        found = await _own_part(conn, referral_id, change.caller, action_id)
        if isinstance(found, Refusal):
            return found
        written = await write(conn, *found)
        if isinstance(written, Refusal):
            return written
        return await _view(conn, change.context, change.caller, written, found[1], now)

    async def again(conn: Connection, ids: Sequence[str], now: datetime) -> Answer:
        return await _shown(conn, change.context, change.caller, action_id, UUID(ids[0]), now)

    return await perform(change, ids=[referral_id], keys=keys, act=decide, again=again)


async def _do(change: Change, referral_id: UUID, act: Act, facts: Mapping[str, Any]) -> Response:
    action_id = ACTION.get(act, ANSWER)

    async def keys(conn: Connection) -> Sequence[Key] | Refusal:
        found = await _own_part(conn, referral_id, change.caller, action_id)
        if isinstance(found, Refusal):
            return found
        referral, party = found
        return _not_permitted(change, act, party) or [case_key(referral.case_id)]

    async def decide(conn: Connection, now: datetime) -> Answer | Refusal:
        found = await _own_part(conn, referral_id, change.caller, action_id)
        if isinstance(found, Refusal):
            return found
        referral, party = found
        if stale := check_version(change, referral.version, required=False):
            return stale
        doing = Doing(party, act, facts, _deadlines(change))
        if act is Act.ANNUL:
            moved = await referrals.annul(conn, referral, doing, change.caller.subject, now)
        else:
            moved = await referrals.act_on(conn, referral, doing, now)
        if isinstance(moved, Refusal):
            return moved
        return await _view(conn, change.context, change.caller, moved, party, now)

    async def again(conn: Connection, ids: Sequence[str], now: datetime) -> Answer:
        return await _shown(conn, change.context, change.caller, action_id, UUID(ids[0]), now)

    return await perform(change, ids=[referral_id], keys=keys, act=decide, again=again)


def _deadlines(change: Change) -> Deadlines:
    return resources_of(change.context).agreement.deadlines


async def _own_part(
    conn: Connection, referral_id: UUID, caller: Principal, action_id: str
) -> tuple[Referral, Party] | Refusal:
    return await referrals.own_part(conn, ReferralId(referral_id), caller, action_id)


def _not_permitted(change: Change, act: Act, party: Party) -> Refusal | None:
    """A sender's If-Match is refused unread: comparing it would tell how often the state has changed."""
    if party is Party.SENDER and change.if_match is not None:
        return NO_IF_MATCH
    return referrals.permit(act, party)


@router.get("/{referral_id}", **allowed(READ), response_model=ReferralView, responses=documented(401, 403, 404, 422))
async def show_referral(caller: Caller, context: Running, referral_id: UUID) -> Response:
    """Show a referral of your unit, as far as you may know of it."""
    async with context.database.reading() as conn:
        referral, party = await _found(conn, caller, READ, referral_id)
        shown = await _view(conn, context, caller, referral, party, await db.now(conn))
    await note_access(context.database, caller, READ, [case_ref(context, caller, referral)])
    return respond(shown)


async def _shown(
    conn: Connection, context: Context, caller: Principal, action_id: str, referral_id: UUID, now: datetime
) -> Answer:
    """Also a repeated request comes here, perhaps from another unit of the partner: the part is looked at again."""
    return await _view(conn, context, caller, *await _found(conn, caller, action_id, referral_id), now)


async def _found(conn: Connection, caller: Principal, action_id: str, referral_id: UUID) -> tuple[Referral, Party]:
    found = await _own_part(conn, referral_id, caller, action_id)
    if isinstance(found, Refusal):
        raise Problem(found)
    return found


async def _view(
    conn: Connection, context: Context, caller: Principal, referral: Referral, party: Party, now: datetime
) -> Answer:
    [(shown, known)] = await views(conn, context, caller, [(referral, party)], now)
    return Answer(shown, version=known.version)


@router.get("", **allowed(READ), responses=documented(401, 403, 422))
async def list_referrals(
    caller: Caller,
    context: Running,
    role: Annotated[Literal["sent", "received"], Query(description="your unit's part in them")],
    own_number: Annotated[OwnNumber | None, Query(description="only those with this number of your own")] = None,
    after: After = None,
    limit: Limit = 50,
) -> ReferralPage:
    """List what your unit sent or received, the earliest first."""
    unit = unit_of(caller, context)
    party = Party.SENDER if role == "sent" else Party.RECIPIENT
    beyond = None if after is None else ReferralId(after)
    async with context.database.reading() as conn:
        found = await store.referrals_with(conn, party, unit, own_number, beyond, limit + 1)
        page = found[:limit]
        shown = await views(conn, context, caller, [(each, party) for each in page], await db.now(conn))
    items = [each for each, _ in shown]
    await note_access(context.database, caller, READ, [each.case_ref for each in items])
    return ReferralPage(items=items, next=page[-1].referral_id if len(found) > limit else None)
