"""Correcting and erasing a person's record, and holding it back from erasure."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, Field

from schemas import CaseId, new_id
from schemas.codes import HoldGround
from services.chassis.api import Answer, Body, Change, Changing, FindKeys, check_version, perform
from services.chassis.context import Context
from services.chassis.db import Connection
from services.chassis.keys import Key
from services.chassis.permissions import allowed, unit_of
from services.chassis.problems import NOT_FOUND, Problem, Refusal, documented
from services.intake.api.callers import Reference, data_key_of
from services.intake.api.persons import NewPerson, PersonRecord, index_entries, record_of
from services.intake.commands import rights as commands
from services.intake.commands.persons import key_of_person_of, person_of
from services.intake.model.rights import Hold, proof_kept_until
from services.intake.resources import resources_of
from services.intake.store import persons as person_store
from services.intake.store import rights as store

router = APIRouter(tags=["rights"])


class ErasureRecord(BaseModel):
    """What is left after an erasure: that there were consents and fetches, without what the person said."""

    case_ref: str
    erased_at: datetime
    proof_kept_until: date = Field(description="The last day on which it can be shown what the person consented to.")


class NewHold(Body):
    """Why nothing of the person may be erased for now."""

    ground: HoldGround


class HoldRecord(BaseModel):
    """A legal hold; released_at, released_by: null while it stands."""

    hold_ref: str
    case_ref: str
    ground: HoldGround
    set_by: str
    set_at: datetime
    released_by: str | None
    released_at: datetime | None


@router.put(
    "/v1/persons/{case_ref}",
    **allowed("correct-person"),
    response_model=PersonRecord,
    responses=documented(400, 401, 403, 404, 409, 412, 413, 422, 428, 503),
)
async def correct(case_ref: Reference, body: NewPerson, change: Changing) -> Response:
    """Put the whole record right, with If-Match. Whoever fetched what has changed is told to fetch it again."""
    caller, context = change.caller, change.context
    unit, case_id = unit_of(caller, context), context.references.resolve(caller.partner, case_ref)
    data_key = await data_key_of(context, case_id)
    entries = index_entries(context, unit, body)

    async def act(conn: Connection, now: datetime) -> Answer | Refusal:
        person = await person_of(conn, case_id, caller, "correct-person", now)
        if isinstance(person, Refusal):
            return person
        if stale := check_version(change, person.version, required=True):
            return stale
        if isinstance(data_key, Refusal):
            return data_key
        refusal = await commands.correct_person(
            conn, person, data_key, body.by_category(), entries, body.birth_date, unit, context.references, now
        )
        return refusal or await again(conn, [], now)

    async def again(conn: Connection, _ids: Sequence[str], now: datetime) -> Answer:
        person = await person_of(conn, case_id, caller, "correct-person", now)
        if isinstance(person, Refusal):
            raise Problem(person)
        categories = await person_store.sealed_categories(conn, person.case_id)
        return Answer(record_of(person, case_ref, categories), version=person.version)

    keys = _key_of(change, case_id, "correct-person")
    return await perform(change, ids=[case_id], keys=keys, act=act, again=again)


@router.post(
    "/v1/persons/{case_ref}/erase",
    **allowed("erase-person"),
    response_model=ErasureRecord,
    responses=documented(400, 401, 403, 404, 409, 413, 422, 503),
)
async def erase(case_ref: Reference, change: Changing) -> Response:
    """Erase a person your unit registered, for good. All consents end; whoever knew of it is asked to erase too."""
    caller, context = change.caller, change.context
    unit, case_id = unit_of(caller, context), context.references.resolve(caller.partner, case_ref)

    async def act(conn: Connection, now: datetime) -> Answer | Refusal:
        person = await person_of(conn, case_id, caller, "erase-person", now)
        if isinstance(person, Refusal):
            return person
        return await commands.erase_on_request(conn, person, unit, now) or await again(conn, [], now)

    async def again(conn: Connection, _ids: Sequence[str], _now: datetime) -> Answer:
        person = await person_store.person(conn, case_id)
        if person is None or person.erased_at is None:
            raise Problem(NOT_FOUND)
        until = proof_kept_until(person.erased_at, resources_of(context).agreement.retention.years_of_proof)
        return Answer(ErasureRecord(case_ref=case_ref, erased_at=person.erased_at, proof_kept_until=until))

    keys = _key_of(change, case_id, "erase-person")
    return await perform(change, ids=[case_id], keys=keys, act=act, again=again)


@router.post(
    "/v1/persons/{case_ref}/holds",
    **allowed("hold-person"),
    status_code=201,
    response_model=HoldRecord,
    responses=documented(400, 401, 403, 404, 413, 422, 503),
)
async def hold(case_ref: Reference, body: NewHold, change: Changing) -> Response:
    """Keep all that is held about a person from being erased, on request and by the clock, until you release it."""
    caller, context = change.caller, change.context
    unit, case_id = unit_of(caller, context), context.references.resolve(caller.partner, case_ref)
    hold_id = new_id()

    async def act(conn: Connection, now: datetime) -> Answer | Refusal:
        person = await person_of(conn, case_id, caller, "hold-person", now)
        if isinstance(person, Refusal):
            return person
        made = Hold(hold_id, person.case_id, body.ground, unit, now)
        await store.insert_hold(conn, made)
        return Answer(shown(made, context, caller.partner))

    async def again(conn: Connection, ids: Sequence[str], _now: datetime) -> Answer:
        return Answer(shown(await _kept(conn, CaseId(case_id), ids[0]), context, caller.partner))

    keys = _key_of(change, case_id, "hold-person")
    return await perform(change, ids=[hold_id], keys=keys, act=act, again=again, status=201)


@router.post(
    "/v1/persons/{case_ref}/holds/{hold_ref}/release",
    **allowed("hold-person"),
    response_model=HoldRecord,
    responses=documented(400, 401, 403, 404, 413, 422, 503),
)
async def release(case_ref: Reference, hold_ref: Reference, change: Changing) -> Response:
    """The ground is gone: what is due by the clock goes at its next look."""
    caller, context = change.caller, change.context
    unit = unit_of(caller, context)
    case_id = CaseId(context.references.resolve(caller.partner, case_ref))
    hold_id = context.references.resolve(caller.partner, hold_ref)

    async def act(conn: Connection, now: datetime) -> Answer | Refusal:
        person = await person_of(conn, case_id, caller, "hold-person", now)
        if isinstance(person, Refusal):
            return person
        found = await _kept(conn, case_id, str(hold_id))
        await store.release_hold(conn, found.hold_id, unit, now)
        return await again(conn, [], now)

    async def again(conn: Connection, _ids: Sequence[str], _now: datetime) -> Answer:
        return Answer(shown(await _kept(conn, case_id, str(hold_id)), context, caller.partner))

    keys = _key_of(change, case_id, "hold-person")
    return await perform(change, ids=[hold_id], keys=keys, act=act, again=again)


def _key_of(change: Change, case_id: UUID, action_id: str) -> FindKeys:
    async def keys(conn: Connection) -> Sequence[Key] | Refusal:
        key = await key_of_person_of(conn, case_id, change.caller, action_id)
        return key if isinstance(key, Refusal) else [key]

    return keys


async def _kept(conn: Connection, case_id: CaseId, hold_id: str) -> Hold:
    """A hold on this person's data; a problem 404 for any other."""
    found = await store.hold(conn, UUID(hold_id))
    if found is None or found.case_id != case_id:
        raise Problem(NOT_FOUND)
    return found


def shown(hold: Hold, context: Context, partner: str) -> HoldRecord:
    """A hold under a partner's own references."""
    return HoldRecord(
        hold_ref=context.references.reference(partner, hold.hold_id),
        case_ref=context.references.reference(partner, hold.case_id),
        ground=hold.ground,
        set_by=hold.set_by,
        set_at=hold.set_at,
        released_by=hold.released_by,
        released_at=hold.released_at,
    )
