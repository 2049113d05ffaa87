"""What a partner has to answer after a consent ended or a person was erased: what became of what it knew."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from schemas import EventId, PartnerSlug, Topic
from schemas.codes import RecallAction
from services.chassis.api import Answer, Body, Caller, Changing, context_of, perform, respond
from services.chassis.context import Context
from services.chassis.db import Connection
from services.chassis.keys import Key
from services.chassis.permissions import allowed
from services.chassis.problems import NOT_FOUND, Problem, Refusal, documented
from services.notifier import commands, store
from services.notifier.store import RecallRow

router = APIRouter(prefix="/v1/recalls", tags=["recalls"])


class Recall(BaseModel):
    """What your partner is asked after an end, under your partner's own references.

    acknowledged_at, action: null until it is answered.
    """

    event_id: UUID = Field(description="The ce_id of the record on your stream that told of the end.")
    type: str = Field(description="The event's type: the end of a consent, or lotse.person.erased.v1.")
    case_ref: str
    consent_ref: str | None = Field(description="Null for an erasure.")
    opened_at: datetime
    due_at: datetime
    acknowledged_at: datetime | None
    action: RecallAction | None


class RecallPage(BaseModel):
    """Recalls, the oldest first."""

    recalls: list[Recall]
    next_after: UUID | None = Field(description="Ask again with this `after`; null when this was all.")


class Acknowledgement(Body):
    """What your partner did with what it had been told, and with the data it had fetched."""

    action: RecallAction


@router.get("", **allowed("answer-recalls"), response_model=RecallPage, responses=documented(401, 403, 422))
async def list_recalls(
    request: Request,
    caller: Caller,
    state: Annotated[Literal["open", "all"], Query(description="`open`: not answered yet.")] = "open",
    after: Annotated[UUID | None, Query(description="The event_id of the last recall you have seen.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """List what your partner has to answer, or has answered."""
    context, partner = context_of(request), caller.partner
    async with context.database.reading() as conn:
        last = await store.recall(conn, partner, _internal(context, partner, after)) if after else None
        found = await store.recalls_after(conn, partner, last, limit + 1, only_open=state == "open")
    shown = [_shown(context, partner, each) for each in found[:limit]]
    return respond(Answer(RecallPage(recalls=shown, next_after=shown[-1].event_id if len(found) > limit else None)))


@router.post(
    "/{event_id}/acknowledge",
    **allowed("answer-recalls"),
    response_model=Recall,
    responses=documented(400, 401, 403, 404, 409, 413, 422, 503),
)
async def acknowledge(event_id: UUID, body: Acknowledgement, change: Changing) -> Response:
    """Say what your partner did. The first answer stays; the same one again is welcome."""
    context, partner = change.context, PartnerSlug(change.caller.partner)
    ended_by = _internal(context, partner, event_id)

    async def keys(_conn: Connection) -> Sequence[Key]:
        return [Key(Topic.DELIVERIES, partner)]

    async def act(conn: Connection, now: datetime) -> Answer | Refusal:
        done = await commands.acknowledge(conn, partner, ended_by, body.action, now)
        return done if isinstance(done, Refusal) else Answer(_shown(context, partner, done))

    async def again(conn: Connection, _ids: Sequence[str], _now: datetime) -> Answer:
        known = await store.recall(conn, partner, ended_by)
        if known is None:
            raise Problem(NOT_FOUND)
        return Answer(_shown(context, partner, known))

    return await perform(change, ids=[ended_by], keys=keys, act=act, again=again)


def _internal(context: Context, partner: str, event_id: UUID) -> EventId:
    return EventId(context.references.resolve(partner, event_id.hex))


def _shown(context: Context, partner: str, row: RecallRow) -> Recall:
    def reference(each: UUID) -> str:
        return context.references.reference(partner, each)

    return Recall(
        event_id=UUID(hex=reference(row.event_id)),
        type=row.type,
        case_ref=reference(row.case_id),
        consent_ref=reference(row.consent_id) if row.consent_id else None,
        opened_at=row.opened_at,
        due_at=row.due_at,
        acknowledged_at=row.acknowledged_at,
        action=row.action,
    )
