"""The operator's routes on the vault's keys: what wraps them, and wrapping them anew. No person is seen here."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from schemas import new_id
from services.chassis import db
from services.chassis.api import Answer, Body, Caller, context_of, respond
from services.chassis.operator_views import ReasonText
from services.chassis.permissions import allowed
from services.chassis.problems import Problem, documented
from services.intake.api.callers import vault_of
from services.intake.commands.gate import KMS_AWAY
from services.intake.store.rotations import Rotation, insert_rotation, latest_rotations
from services.intake.vault import FIRST, WrapperAway, WrappingKeyLost

log = structlog.get_logger()
router = APIRouter(prefix="/admin/vault", tags=["operator"])

SHOWN = 10


class WrappedBy(BaseModel):
    """How many data keys one key wraps. wrapped_by: its id; null: from before keys had ids."""

    wrapped_by: str | None
    state: str = Field(description="current, former, unknown, or unnamed until a rotation names what wraps it.")
    keys: int


class RotationRecord(BaseModel):
    """That somebody began to wrap all data keys anew."""

    at: datetime
    author: str
    reason: str
    to_key: str


class VaultStatus(BaseModel):
    """What wraps the data keys. current: the id of the key that new ones are wrapped under."""

    current: str
    keys: list[WrappedBy]
    rotations: list[RotationRecord]


class Rotate(Body):
    """One step. after: `next` of the step before; left out at the beginning, which is noted with author and reason."""

    reason: ReasonText
    after: UUID | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 500


class RotationStep(BaseModel):
    """What a step did. stuck: data keys that no key here opens. next: null when the end is reached."""

    rewrapped: int
    stuck: int
    next: UUID | None


@router.get("", **allowed("look-at-vault-keys"), response_model=VaultStatus, responses=documented(401, 403, 503))
async def status(request: Request) -> Response:
    """How many data keys are wrapped under which key."""
    context = context_of(request)
    vault = vault_of(context)
    counts = await vault.count()
    async with context.database.reading() as conn:
        rotations = await latest_rotations(conn, SHOWN)
    keys = [WrappedBy(wrapped_by=each, state=vault.state_of(each), keys=count) for each, count in counts.items()]
    shown = [RotationRecord(**each._asdict()) for each in rotations]
    return respond(Answer(VaultStatus(current=vault.wrapper.current, keys=keys, rotations=shown)))


@router.post(
    "/rotate",
    **allowed("rotate-vault-keys"),
    response_model=RotationStep,
    responses=documented(400, 401, 403, 413, 422, 503),
)
async def rotate(request: Request, body: Rotate, caller: Caller) -> Response:
    """Wrap the next data keys under the current key. Broken off anywhere, it is begun again without loss."""
    context = context_of(request)
    vault = vault_of(context)
    if body.after is None:
        async with context.database.transaction() as conn:
            noted = Rotation(await db.now(conn), caller.subject, body.reason, vault.wrapper.current)
            await insert_rotation(conn, new_id(), noted)
        log.info("vault_rotation_began", author=caller.subject, reason=body.reason, to_key=vault.wrapper.current)
    try:
        done = await vault.rewrap(body.after or FIRST, body.limit)
    except (WrapperAway, WrappingKeyLost) as error:
        log.warning("kms_not_answering", error=str(error))
        raise Problem(KMS_AWAY) from None
    return respond(Answer(RotationStep(rewrapped=done.done, stuck=done.stuck, next=done.last)))
