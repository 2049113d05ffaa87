"""What a unit has to do about its consents, as a worklist."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel

from schemas import UnitId
from services.chassis.api import Answer, Body, Caller, Changing, context_of, perform, respond
from services.chassis.context import Context
from services.chassis.db import Connection
from services.chassis.keys import Key
from services.chassis.permissions import allowed, may, unit_of
from services.chassis.problems import NOT_FOUND, Problem, Refusal, documented
from services.intake.commands.information import unit_key
from services.intake.commands.tasks import finish
from services.intake.model.tasks import Task, TaskKind
from services.intake.store import tasks as store

router = APIRouter(prefix="/v1/tasks", tags=["tasks"])


class Nothing(Body):
    """Nothing needs to be said."""


class TaskRecord(BaseModel):
    """Something to do about a consent by that day; done_at: null while it is to be done."""

    task_id: UUID
    consent_ref: str
    kind: TaskKind
    due_on: date
    done_at: datetime | None


class TaskPage(BaseModel):
    """What is to be done, the first due first; `next` goes into `after` of the next request."""

    items: list[TaskRecord]
    next: UUID | None


def _shown(task: Task, context: Context, unit: UnitId) -> TaskRecord:
    return TaskRecord(
        task_id=task.task_id,
        consent_ref=context.references.reference(unit.partition("/")[0], task.consent_id),
        kind=task.kind,
        due_on=task.due_on,
        done_at=task.done_at,
    )


@router.get("", **allowed("work-on-tasks"), response_model=TaskPage, responses=documented(401, 403, 422))
async def list_tasks(
    request: Request,
    caller: Caller,
    after: Annotated[UUID | None, Query(description="The last task you have seen.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """List what your unit has to do about its consents: ask again, destroy a sheet."""
    context = context_of(request)
    unit = unit_of(caller, context)
    async with context.database.reading() as conn:
        last = await store.task(conn, after) if after else None
        found = await store.open_tasks(conn, unit, (last.due_on, last.task_id) if last else None, limit + 1)
    items = [_shown(each, context, unit) for each in found[:limit]]
    return respond(Answer(TaskPage(items=items, next=items[-1].task_id if len(found) > limit else None)))


@router.post(
    "/{task_id}/done",
    **allowed("work-on-tasks"),
    response_model=TaskRecord,
    responses=documented(400, 401, 403, 404, 413, 422),
)
async def done(task_id: UUID, change: Changing, body: Nothing | None = None) -> Response:
    """Say that your unit has done it; said twice, the first time stays."""
    unit = unit_of(change.caller, change.context)

    async def keys(_conn: Connection) -> Sequence[Key]:
        return [unit_key(unit)]

    async def act(conn: Connection, now: datetime) -> Answer | Refusal:
        task = await store.task(conn, task_id)
        if task is None or not may(change.caller, "work-on-tasks", task.unit):
            return NOT_FOUND
        await finish(conn, task, unit, now)
        return await again(conn, [], now)

    async def again(conn: Connection, _ids: Sequence[str], _now: datetime) -> Answer:
        task = await store.task(conn, task_id)
        if task is None or not may(change.caller, "work-on-tasks", task.unit):
            raise Problem(NOT_FOUND)
        return Answer(_shown(task, change.context, unit))

    return await perform(change, ids=[task_id], keys=keys, act=act, again=again)
