"""What units have to do about their consents."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from schemas import CaseId, ConsentId, UnitId
from services.chassis.db import Connection
from services.intake.model.tasks import Task, TaskKind

_COLUMNS = "task_id, consent_id, unit, kind, due_on, done_at"


async def insert_task(conn: Connection, task: Task, now: datetime) -> None:
    """Ask a unit to do something; the same for the same day is asked once."""
    await conn.execute(
        """
        insert into intake.task (task_id, consent_id, unit, kind, due_on, made_at) values ($1, $2, $3, $4, $5, $6)
        on conflict (consent_id, kind, due_on) do nothing
        """,
        task.task_id,
        task.consent_id,
        task.unit,
        task.kind,
        task.due_on,
        now,
    )


async def task(conn: Connection, task_id: UUID) -> Task | None:
    """One task, a done one too."""
    row = await conn.fetchrow(f"select {_COLUMNS} from intake.task where task_id = $1", task_id)  # noqa: S608  # fixed column names
    return _task(row) if row else None


async def tasks_of_case(conn: Connection, case_id: CaseId) -> list[Task]:
    """What was to do about a person's consents, done or not, the first due first."""
    rows = await conn.fetch(
        f"""
        select {_COLUMNS} from intake.task
        where consent_id in (select consent_id from intake.consent where case_id = $1) order by due_on, task_id
        """,  # noqa: S608  # fixed column names
        case_id,
    )
    return [_task(row) for row in rows]


async def open_tasks(conn: Connection, unit: UnitId, after: tuple[date, UUID] | None, limit: int) -> list[Task]:
    """What a unit has to do, the first due first; `after`: the last one of the page before."""
    day, task_id = after or (date.min, UUID(int=0))
    rows = await conn.fetch(
        f"""
        select {_COLUMNS} from intake.task
        where unit = $1 and done_at is null and (due_on, task_id) > ($2, $3) order by due_on, task_id limit $4
        """,  # noqa: S608  # fixed column names
        unit,
        day,
        task_id,
        limit,
    )
    return [_task(row) for row in rows]


async def close_task(conn: Connection, task_id: UUID, now: datetime, by: UnitId) -> None:
    """Note that a task was done; the first time stays."""
    await conn.execute(
        "update intake.task set done_at = $2, done_by = $3 where task_id = $1 and done_at is null", task_id, now, by
    )


async def close_tasks(
    conn: Connection, consent_id: ConsentId, kind: TaskKind, now: datetime, by: UnitId | None
) -> None:
    """Note that what was asked about a consent needs to be done no more."""
    await conn.execute(
        """
        update intake.task set done_at = $3, done_by = $4
        where consent_id = $1 and kind = $2 and done_at is null
        """,
        consent_id,
        kind,
        now,
        by,
    )


def _task(row: Any) -> Task:
    return Task(
        task_id=row["task_id"],
        consent_id=ConsentId(row["consent_id"]),
        unit=UnitId(row["unit"]),
        kind=TaskKind(row["kind"]),
        due_on=row["due_on"],
        done_at=row["done_at"],
    )
