"""Routes of the trainings that units offer to the staff of all partners, and of the people counted for them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field, StrictInt

from schemas import (
    PartnerAttended,
    PartnerSlug,
    Topic,
    TrainingId,
    TrainingState,
    UnitId,
    UnitRegistered,
    new_id,
)
from services.chassis import db
from services.chassis.api import Answer, Body, Change, Changing, check_version, perform, respond
from services.chassis.db import Connection
from services.chassis.keys import Key
from services.chassis.permissions import allowed, unit_of
from services.chassis.problems import NOT_FOUND, Problem, Refusal, documented
from services.referral.api import directory
from services.referral.api.directory import DatedView, IncludeInactive
from services.referral.api.requests import After, Limit, Nothing, Running
from services.referral.commands import trainings
from services.referral.model.trainings import Training, attendance_of, registrations_of
from services.referral.paper.calendar import CALENDAR, trainings_as_calendar

router = APIRouter(prefix="/v1/trainings", tags=["trainings"])

OFFER, REGISTER = "offer-trainings", "register-for-trainings"
READING, WRITING = allowed("read-trainings"), allowed(OFFER)

Act: TypeAlias = Callable[[Connection, datetime], Awaitable[Training | Refusal]]
ActOn: TypeAlias = Callable[[Connection, Training, datetime], Awaitable[Training | Refusal]]
Unit: TypeAlias = Annotated[UnitId | None, Query(description="the unit that offers it")]
Need: TypeAlias = Annotated[UUID | None, Query(description="a need that it answers")]


class Registration(Body):
    """How many people of your unit are registered from now on; 0 takes all of them back."""

    people: Annotated[StrictInt, Field(ge=0, le=1000)]


class Attendance(Body):
    """Who was there: the whole list, each partner once; empty takes the attendance back."""

    attendance: Annotated[tuple[PartnerAttended, ...], Field(max_length=100)]


class TrainingView(TrainingState, DatedView):
    """A training as every partner sees it; `withdrawn_at`: when it was cancelled."""

    training_id: TrainingId
    registrations: tuple[UnitRegistered, ...]
    seats_left: int
    attendance: tuple[PartnerAttended, ...]


class TrainingPage(BaseModel):
    """Trainings, the earliest offered first; `next` goes into `after` of the next request."""

    items: list[TrainingView]
    next: TrainingId | None


def _view(training: Training) -> TrainingView:
    return TrainingView(
        training_id=TrainingId(training.id),
        **training.state.model_dump(),
        **DatedView.times_of(training.entry),
        registrations=registrations_of(training),
        seats_left=training.state.seats - training.registered,
        attendance=attendance_of(training),
    )


def _answer(training: Training, *, is_new: bool = False) -> Answer:
    location = f"/v1/trainings/{training.id}" if is_new else None
    return Answer(_view(training), version=training.entry.version, location=location)


@router.post("", **WRITING, status_code=201, response_model=TrainingView, responses=documented(400, 401, 403, 422))
async def offer_training(change: Changing, body: TrainingState) -> Response:
    """Offer a training of one of your units that answers a need."""
    directory.check_own_unit(change, OFFER, body.unit)
    training_id, partner = new_id(), PartnerSlug(change.caller.partner)

    async def act(conn: Connection, now: datetime) -> Training | Refusal:
        return await trainings.offer(conn, training_id, body, partner, now)

    return await _perform(change, training_id, act, status=201)


@router.put(
    "/{training_id}",
    **WRITING,
    response_model=TrainingView,
    responses=documented(401, 403, 404, 409, 412, 422, 428),
)
async def change_training(change: Changing, training_id: UUID, body: TrainingState) -> Response:
    """Replace what is said of a training; the others hear which fields changed."""
    directory.check_own_unit(change, OFFER, body.unit)

    async def act(conn: Connection, training: Training, now: datetime) -> Training | Refusal:
        return await trainings.change(conn, training, body, PartnerSlug(change.caller.partner), now)

    return await _act_on_own(change, training_id, act, if_match_required=True)


@router.post(
    "/{training_id}/cancel",
    **WRITING,
    response_model=TrainingView,
    responses=documented(400, 401, 403, 404, 409, 412, 422),
)
async def cancel_training(change: Changing, training_id: UUID, body: Nothing | None = None) -> Response:
    """Call a training off for good."""

    async def act(conn: Connection, training: Training, now: datetime) -> Training | Refusal:
        return await trainings.cancel(conn, training, PartnerSlug(change.caller.partner), now)

    return await _act_on_own(change, training_id, act, if_match_required=False)


@router.put(
    "/{training_id}/registrations",
    **allowed(REGISTER),
    response_model=TrainingView,
    responses=documented(401, 403, 404, 409, 412, 422),
)
async def register_for_training(change: Changing, training_id: UUID, body: Registration) -> Response:
    """Say how many people of your unit come; who they are is not asked."""
    unit, partner = unit_of(change.caller, change.context), PartnerSlug(change.caller.partner)

    async def act(conn: Connection, now: datetime) -> Training | Refusal:
        training = await trainings.training_to_attend(conn, training_id)
        if isinstance(training, Refusal):
            return training
        if stale := check_version(change, training.entry.version, required=False):
            return stale
        return await trainings.register(conn, training, unit, body.people, partner, now)

    return await _perform(change, training_id, act)


@router.put(
    "/{training_id}/attendance",
    **WRITING,
    response_model=TrainingView,
    responses=documented(401, 403, 404, 409, 412, 422, 428),
)
async def note_attendance(change: Changing, training_id: UUID, body: Attendance) -> Response:
    """Say how many people of each partner were at a training of your units that is over."""
    given = _by_partner(change, body)

    async def act(conn: Connection, training: Training, now: datetime) -> Training | Refusal:
        return await trainings.note_attendance(conn, training, given, PartnerSlug(change.caller.partner), now)

    return await _act_on_own(change, training_id, act, if_match_required=True)


def _by_partner(change: Change, body: Attendance) -> Mapping[PartnerSlug, int]:
    """The people of each partner; a problem 422 for a partner outside the agreement, or named twice."""
    given = {each.partner: each.people for each in body.attendance}
    partners = change.context.partners.slugs
    if len(given) < len(body.attendance) or not given.keys() <= set(partners):
        detail = f"Name each partner once, of {', '.join(partners)}."
        raise Problem(Refusal(422, "not-valid", detail, field="attendance"))
    return given


async def _act_on_own(change: Change, training_id: UUID, act: ActOn, *, if_match_required: bool) -> Response:
    async def act_on_own(conn: Connection, now: datetime) -> Training | Refusal:
        training = await trainings.training_to_change(conn, training_id, change.caller, OFFER)
        if isinstance(training, Refusal):
            return training
        if stale := check_version(change, training.entry.version, required=if_match_required):
            return stale
        return await act(conn, training, now)

    return await _perform(change, training_id, act_on_own)


async def _perform(change: Change, training_id: UUID, act: Act, *, status: int = 200) -> Response:
    async def keys(_conn: Connection) -> Sequence[Key]:
        return [Key(Topic.DIRECTORY, str(training_id))]

    async def answered(conn: Connection, now: datetime) -> Answer | Refusal:
        done = await act(conn, now)
        return done if isinstance(done, Refusal) else _answer(done, is_new=status == 201)

    async def again(conn: Connection, ids: Sequence[str], _now: datetime) -> Answer:
        return _answer(await _found(conn, UUID(ids[0])), is_new=status == 201)

    return await perform(change, ids=[training_id], keys=keys, act=answered, again=again, status=status)


@router.get(
    ".ics",
    **READING,
    response_class=Response,
    responses={200: {"content": {"text/calendar": {}}}, **documented(401, 403, 422)},
)
async def trainings_calendar(context: Running, unit: Unit = None, need: Need = None) -> Response:
    """The trainings ahead as an iCalendar file (RFC 5545), cancelled ones marked."""
    async with context.database.reading() as conn:
        now = await db.now(conn)
        ahead = await trainings.listed(conn, _wanted(unit, need), now, None, None, include_cancelled=True)
    return Response(trainings_as_calendar(ahead, context.partners), media_type=CALENDAR)


@router.get("/{training_id}", **READING, response_model=TrainingView, responses=documented(401, 403, 404, 422))
async def show_training(context: Running, training_id: UUID) -> Response:
    """Show one training, cancelled or not."""
    async with context.database.reading() as conn:
        return respond(_answer(await _found(conn, training_id)))


async def _found(conn: Connection, training_id: UUID) -> Training:
    training = await trainings.find(conn, training_id)
    if training is None:
        raise Problem(NOT_FOUND)
    return training


@router.get("", **READING, responses=documented(401, 403, 422))
async def list_trainings(
    context: Running,
    unit: Unit = None,
    need: Need = None,
    upcoming: Annotated[bool, Query(description="only those that are not over")] = False,
    include_inactive: IncludeInactive = False,
    after: After = None,
    limit: Limit = 50,
) -> TrainingPage:
    """List the trainings that units offer or have held, without the cancelled ones unless you ask for all."""
    async with context.database.reading() as conn:
        ending_after = await db.now(conn) if upcoming else None
        found = await trainings.listed(
            conn, _wanted(unit, need), ending_after, after, limit + 1, include_cancelled=include_inactive
        )
    page = found[:limit]
    following = TrainingId(page[-1].id) if len(found) > limit else None
    return TrainingPage(items=[_view(training) for training in page], next=following)


def _wanted(unit: UnitId | None, need: UUID | None) -> dict[str, Any]:
    by_unit = {} if unit is None else {"unit": unit}
    return by_unit if need is None else {**by_unit, "needs": [str(need)]}
