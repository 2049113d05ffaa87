"""Counting people told of the offers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, Field, StrictInt

from schemas import new_id
from schemas.codes import LanguageTag
from services.chassis.api import Answer, Body, Changing, perform
from services.chassis.db import Connection
from services.chassis.keys import Key
from services.chassis.permissions import allowed, unit_of
from services.chassis.problems import documented
from services.intake.commands.information import count_information, unit_key
from services.intake.store import information as store

router = APIRouter(tags=["information"])


class InformationGiven(Body):
    """People told of the services' offers, without saying whom."""

    language: LanguageTag
    count: Annotated[StrictInt, Field(ge=1, le=1000)]


class InformationRecord(BaseModel):
    """What was counted; the month is that of Koblenz."""

    information_id: UUID
    unit: str
    language: str
    month: str
    count: int


@router.post(
    "/v1/information",
    **allowed("count-information"),
    status_code=201,
    response_model=InformationRecord,
    responses=documented(400, 401, 403, 413, 422),
)
async def count(body: InformationGiven, change: Changing) -> Response:
    """Count people your unit told of the services' offers."""
    unit, information_id = unit_of(change.caller, change.context), new_id()

    async def keys(_conn: Connection) -> Sequence[Key]:
        return [unit_key(unit)]

    async def act(conn: Connection, now: datetime) -> Answer:
        await count_information(conn, information_id, unit, body.language, body.count, now)
        return await again(conn, [str(information_id)], now)

    async def again(conn: Connection, ids: Sequence[str], _now: datetime) -> Answer:
        return Answer(InformationRecord.model_validate(await store.count(conn, UUID(ids[0]))))

    return await perform(change, ids=[information_id], keys=keys, act=act, again=again, status=201)
