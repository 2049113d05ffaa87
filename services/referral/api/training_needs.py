"""Routes of what the partners' staff need to learn."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel

from schemas import TrainingNeedId, TrainingNeedState
from schemas.codes import TrainingTopic
from services.chassis.api import Changing
from services.chassis.permissions import allowed
from services.chassis.problems import documented
from services.referral.api import directory
from services.referral.api.directory import DatedView, Listing, Shelf
from services.referral.api.requests import Nothing, Running
from services.referral.model.trainings import NEEDS

router = APIRouter(prefix="/v1/training-needs", tags=["trainings"])


class TrainingNeedView(TrainingNeedState, DatedView):
    """A need as every partner sees it; `withdrawn_at`: when it was closed."""

    training_need_id: TrainingNeedId


class TrainingNeedPage(BaseModel):
    """Needs, the earliest stated first; `next` goes into `after` of the next request."""

    items: list[TrainingNeedView]
    next: TrainingNeedId | None


class TrainingNeedListing(Listing):
    """Which needs."""

    training_topic: TrainingTopic | None = None


SHELF = Shelf(
    NEEDS,
    "/v1/training-needs",
    "read-trainings",
    "state-training-needs",
    TrainingNeedView,
    TrainingNeedPage,
    TrainingNeedListing,
)
READING, WRITING = allowed(SHELF.reading), allowed(SHELF.writing)


@router.post("", **WRITING, status_code=201, response_model=TrainingNeedView, responses=documented(400, 401, 403, 422))
async def state_training_need(change: Changing, body: TrainingNeedState) -> Response:
    """Say what the staff of one of your units need to learn."""
    return await directory.publish(change, SHELF, body)


@router.put(
    "/{training_need_id}",
    **WRITING,
    response_model=TrainingNeedView,
    responses=documented(401, 403, 404, 409, 412, 422, 428),
)
async def change_training_need(change: Changing, training_need_id: UUID, body: TrainingNeedState) -> Response:
    """Replace a need's state; the others hear which fields changed."""
    return await directory.replace(change, SHELF, training_need_id, body)


@router.post(
    "/{training_need_id}/close",
    **WRITING,
    response_model=TrainingNeedView,
    responses=documented(400, 401, 403, 404, 409, 412, 422),
)
async def close_training_need(change: Changing, training_need_id: UUID, body: Nothing | None = None) -> Response:
    """Say that a need is answered or gone, for good."""
    return await directory.withdraw(change, SHELF, training_need_id)


@router.get("/{training_need_id}", **READING, response_model=TrainingNeedView, responses=documented(401, 403, 404, 422))
async def show_training_need(context: Running, training_need_id: UUID) -> Response:
    """Show one need, closed or not."""
    return await directory.show(context, SHELF, training_need_id)


@router.get("", **READING, response_model=TrainingNeedPage, responses=documented(401, 403, 422))
async def list_training_needs(context: Running, asked: Annotated[TrainingNeedListing, Query()]) -> BaseModel:
    """List the partners' needs, without the closed ones unless you ask for all."""
    return await directory.listed(context, SHELF, asked)
