"""A service with one resource: what the API basics promise can be tried on it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter
from pydantic import BaseModel, Field

from schemas import CaseId, Topic
from services.chassis.api import Answer, Body, Caller, Changing, check_version, perform, respond
from services.chassis.context import Context, Service
from services.chassis.db import Connection
from services.chassis.handling import Handlers
from services.chassis.keys import Key
from services.chassis.outbox import publish
from services.chassis.permissions import allowed
from services.chassis.problems import NOT_FOUND, Refusal, documented, refuse
from services.chassis.schedule import Job
from tests.chassis.probe import given

TABLE = "create table public.thing (id uuid primary key, partner text, name text, version int not null default 1)"

router = APIRouter(responses=documented(400, 401, 403, 404, 409, 413, 422))


class Thing(Body):
    name: Annotated[str, Field(max_length=20)]
    size: int = 1


class ThingView(BaseModel):
    id: UUID
    name: str


@router.post("/v1/things", **allowed("register-person"))
async def make_thing(changing: Changing, body: Thing) -> object:
    """Make one."""
    new = uuid4()

    async def keys(_conn: Connection) -> Sequence[Key]:
        return [Key(str(Topic.CASES), str(new))]

    async def act(conn: Connection, now: datetime) -> Answer | Refusal:
        if body.name == "refused":
            return Refusal(409, "thing-refused", "This name is never taken.", field="name")
        if body.name == "breaks":
            raise RuntimeError(f"broke on {body.name}")
        await conn.execute(
            "insert into thing (id, partner, name) values ($1, $2, $3)", new, changing.caller.partner, body.name
        )
        await publish(conn, given(CaseId(new)), at=now)
        return await show(conn, [str(new)], now)

    return await perform(changing, ids=[new], keys=keys, act=act, again=show, status=201)


@router.put("/v1/things/{thing_id}", **allowed("read-compliance"))
async def change_thing(changing: Changing, thing_id: UUID, body: Thing) -> object:
    """Change one that was seen in its present version; one that is closed stays as it is."""

    async def keys(conn: Connection) -> Sequence[Key] | Refusal:
        if await conn.fetchval("select name = 'closed' from thing where id = $1", thing_id):
            return Refusal(409, "thing-closed", "This one does not change any more.")
        return [Key(str(Topic.CASES), str(thing_id))]

    async def act(conn: Connection, now: datetime) -> Answer | Refusal:
        row = await conn.fetchrow(
            "select * from thing where id = $1 and partner = $2", thing_id, changing.caller.partner
        )
        if row is None:
            return NOT_FOUND
        stale = check_version(changing, row["version"], required=True)
        if stale:
            return stale
        await conn.execute("update thing set name = $2, version = version + 1 where id = $1", thing_id, body.name)
        return await show(conn, [str(thing_id)], now)

    return await perform(changing, ids=[thing_id], keys=keys, act=act, again=show)


@router.get("/v1/things/{thing_id}", **allowed("read-compliance"))
async def get_thing(caller: Caller, thing_id: UUID) -> object:
    """Nobody's."""
    refuse(NOT_FOUND)
    return respond(Answer(ThingView(id=thing_id, name=caller.partner)))


async def show(conn: Connection, ids: Sequence[str], _now: datetime) -> Answer:
    row = await conn.fetchrow("select * from thing where id = $1", UUID(ids[0]))
    return Answer(ThingView(id=row["id"], name=row["name"]), version=row["version"], location=f"/v1/things/{ids[0]}")


def handlers(_context: Context) -> Handlers:
    """It reads nothing."""
    return Handlers(frozenset())


async def _find(conn: Connection, _now: datetime, limit: int) -> Sequence[UUID]:
    return [row["id"] for row in await conn.fetch("select id from thing where name <> 'done' limit $1", limit)]


async def _finish(conn: Connection, thing: UUID, _now: datetime) -> None:
    if await conn.fetchval("select name = 'stuck' from thing where id = $1", thing):
        raise RuntimeError("stuck")
    await conn.execute("update thing set name = 'done' where id = $1", thing)


FINISH = Job("finish", timedelta(hours=1), _find, lambda thing: [Key(str(Topic.CASES), str(thing))], _finish)

SERVICE = Service("chassis", "Things", [router], handlers, jobs=lambda _context: [FINISH])
