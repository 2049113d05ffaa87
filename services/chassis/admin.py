"""The operator's routes, the same in every service: look at parked keys, try them again, let go of what is beyond help.

An event's value is never shown: it may hold pseudonymous data, and nobody needs it to decide.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, TypeAlias
from uuid import UUID

import structlog
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from schemas import new_id
from services.chassis import operator_store as store
from services.chassis import parking
from services.chassis.api import Answer, Change, Changing, context_of, perform, respond
from services.chassis.db import Connection
from services.chassis.handling import Handlers
from services.chassis.keys import Key, parked_among
from services.chassis.operator_views import (
    Discard,
    KeyText,
    OperatorAct,
    OperatorActs,
    Outcome,
    ParkedKeys,
    Retry,
    TopicName,
    WaitingRecords,
    WithoutKey,
    discarded,
    discarded_row,
    is_terminal,
    parked_key,
    stuck_record,
    waiting_record,
)
from services.chassis.permissions import allowed
from services.chassis.problems import NOT_FOUND, Problem, Refusal, documented, refuse

log = structlog.get_logger()
router = APIRouter(prefix="/admin", tags=["operator"])

LOOK, MEND = allowed("look-at-parked-keys"), allowed("mend-parked-keys")

Limit: TypeAlias = Annotated[int, Query(ge=1, le=200)]


@router.get("/parked", **LOOK, response_model=ParkedKeys, responses=documented(401, 403, 422))
async def parked(
    request: Request, limit: Limit = 50, after: Annotated[str | None, Query(max_length=3000)] = None
) -> Response:
    """List the keys that are parked, and how many records have no key."""
    place = None if after is None else _place_after(after)
    async with context_of(request).database.reading() as conn:
        rows = await store.parked_page(conn, place, limit + 1)
        others = await store.without_key(conn)
    shown = [parked_key(row) for row in rows[:limit]]
    more = f"{shown[-1].parked_at.isoformat()} {shown[-1].topic} {shown[-1].key}" if len(rows) > limit else None
    return respond(Answer(ParkedKeys(parked=shown, without_key=[WithoutKey(**row) for row in others], next=more)))


@router.get("/parked/queue", **LOOK, response_model=WaitingRecords, responses=documented(401, 403, 422))
async def queue(
    request: Request,
    topic: TopicName,
    key: KeyText | None = None,
    limit: Limit = 50,
    after: Annotated[str | None, Query(pattern=r"^\d{1,9}:\d{1,18}$")] = None,
) -> Response:
    """Show what waits behind a key; without `key`, the topic's records that have none."""
    partition, _, offset = (after or "-1:0").partition(":")
    async with context_of(request).database.reading() as conn:
        rows = await store.waiting_page(conn, topic, key, (int(partition), int(offset)), limit + 1)
    shown = [waiting_record(row) for row in rows[:limit]]
    more = f"{shown[-1].partition}:{shown[-1].offset}" if len(rows) > limit else None
    return respond(Answer(WaitingRecords(topic=topic, key=key, records=shown, next=more)))


@router.post("/parked/retry", **MEND, response_model=OperatorAct, responses=documented(400, 401, 403, 404, 413, 422))
async def retry(request: Request, body: Retry, change: Changing) -> Response:
    """Replay what waits behind a parked key, in order, up to the first record that still cannot be applied."""
    key = Key(body.topic, body.key)

    async def do(conn: Connection, now: datetime) -> Outcome | Refusal:
        if not await parked_among(conn, [key]):
            return NOT_FOUND
        replayed = await parking.replay(conn, _handlers(request), key, now)
        return Outcome(
            left=replayed.left,
            discarded=None,
            stuck=stuck_record(replayed.stuck),
            waiting=await store.waiting_count(conn, key),
        )

    return await _perform(change, "retry", body, [key], do)


@router.post(
    "/parked/discard",
    **MEND,
    response_model=OperatorAct,
    responses=documented(400, 401, 403, 404, 409, 413, 422),
)
async def discard(request: Request, body: Discard, change: Changing) -> Response:
    """Let go of the first record of a key that cannot be applied, then replay the rest.

    Of a gap, what is given up are the missing versions: the record itself is applied. What the queue ended for good
    stays ended.
    """
    if body.key is None:
        return await _perform(change, "discard", body, [], lambda conn, _now: _discard_without_key(conn, body))
    key = Key(body.topic, body.key)

    async def do(conn: Connection, now: datetime) -> Outcome | Refusal:
        if not await parked_among(conn, [key]):
            return NOT_FOUND
        return await _discard_of_key(conn, _handlers(request), key, body, now)

    return await _perform(change, "discard", body, [key], do)


@router.get("/acts", **LOOK, response_model=OperatorActs, responses=documented(401, 403, 422))
async def acts(request: Request, limit: Limit = 50, before: UUID | None = None) -> Response:
    """List what operators did to parked keys."""
    async with context_of(request).database.reading() as conn:
        rows = await store.acts_page(conn, before, limit + 1)
    shown = [OperatorAct(**row) for row in rows[:limit]]
    return respond(Answer(OperatorActs(acts=shown, next=shown[-1].act_id if len(rows) > limit else None)))


async def _discard_of_key(
    conn: Connection, handlers: Handlers, key: Key, body: Discard, now: datetime
) -> Outcome | Refusal:
    before = await parking.replay(conn, handlers, key, now)
    stuck = before.stuck
    if stuck is None:
        return Outcome(left=before.left, discarded=None, stuck=None, waiting=0)
    record = stuck.incoming.record
    if (record.partition, record.offset) != (body.partition, body.offset):
        first = f"partition {record.partition}, offset {record.offset}"
        return Refusal(409, "not-the-first", f"The first record that cannot be applied is at {first}.", field="offset")
    let_go = await parking.let_go(conn, key, stuck)
    if let_go.dropped and is_terminal(stuck.incoming.type) and not body.even_terminal:
        detail = "This record ends something for good, which would go on here. Say so if that is what you want."
        return Refusal(409, "terminal-event", detail, field="even_terminal")
    after = await parking.replay(conn, handlers, key, now)
    return Outcome(
        left=before.left + after.left + let_go.dropped,
        discarded=discarded(stuck, let_go),
        stuck=stuck_record(after.stuck),
        waiting=await store.waiting_count(conn, key),
    )


async def _discard_without_key(conn: Connection, body: Discard) -> Outcome | Refusal:
    row = await store.delete_without_key(conn, body.topic, body.partition, body.offset)
    if row is None:
        return NOT_FOUND
    return Outcome(left=1, discarded=discarded_row(row), stuck=None, waiting=0)


Do: TypeAlias = Callable[[Connection, datetime], Awaitable[Outcome | Refusal]]


async def _perform(change: Change, name: str, body: Retry | Discard, keys: Sequence[Key], do: Do) -> Response:
    """Do it and note it in one transaction; a full outbox does not keep an operator from mending, a recovery does."""
    refuse(change.context.admission.refusal("recovering"))
    done, act_id = list[Outcome](), new_id()

    async def wanted(_conn: Connection) -> Sequence[Key]:
        return keys

    async def act(conn: Connection, now: datetime) -> Answer | Refusal:
        outcome = await do(conn, now)
        if isinstance(outcome, Refusal):
            return outcome
        done[:] = [outcome]
        author, said = change.caller.subject, outcome.model_dump(mode="json")
        note = store.Note(now, author, name, body.topic, body.key, body.reason, said)
        await store.insert_act(conn, act_id, note)
        return await again(conn, [str(act_id)], now)

    async def again(conn: Connection, ids: Sequence[str], _now: datetime) -> Answer:
        return Answer(OperatorAct(**await store.act(conn, UUID(ids[0]))))

    response = await perform(change, ids=[act_id], keys=wanted, act=act, again=again, urgent=True)
    for outcome in done:
        log.info(
            "operator_acted",
            act=name,
            author=change.caller.subject,
            reason=body.reason,
            topic=body.topic,
            key=body.key,
            outcome=outcome.model_dump(mode="json"),
        )
    return response


def _handlers(request: Request) -> Handlers:
    handlers: Handlers = request.app.state.handlers
    return handlers


def _place_after(after: str) -> tuple[datetime, str, str]:
    moment, _, rest = after.partition(" ")
    topic, _, key = rest.partition(" ")
    try:
        when = datetime.fromisoformat(moment)
        if when.tzinfo is None or "\0" in after:
            raise ValueError("no `next` of ours")
        return when.astimezone(UTC), topic, key
    except (ValueError, OverflowError):
        raise Problem(Refusal(422, "not-valid", "Give the `next` of the page before.", field="after")) from None
