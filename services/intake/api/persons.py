"""Registering a person, and looking at the record without what the person said."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self
from uuid import UUID

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, StrictBool, model_validator

from schemas import CaseId, UnitId, new_id
from schemas.calendar import Day
from schemas.codes import AccessibilityNeed, AgeBand, ChannelKind, DataCategory, LanguageTag
from services.chassis import db
from services.chassis.access import note_access
from services.chassis.api import Answer, Body, Caller, Changing, context_of, perform, respond
from services.chassis.context import Context
from services.chassis.db import Connection
from services.chassis.keys import Key
from services.chassis.permissions import allowed, unit_of
from services.chassis.problems import NOT_FOUND, Problem, Refusal, documented, refuse
from services.intake.api.callers import Reference, vault_of
from services.intake.api.fields import Line
from services.intake.commands.persons import KEY_GONE, case_key, person_of, register_person, reserve_key
from services.intake.model.persons import Person
from services.intake.resources import resources_of
from services.intake.store import persons as store
from services.intake.vault import DataKey, WrapperAway, WrappingKeyLost, new_data_key, seal

log = structlog.get_logger()
router = APIRouter(tags=["persons"])


class Channel(Body):
    """The one way in which the person wishes to be reached."""

    kind: ChannelKind
    value: Line


class NewPerson(Body):
    """What a person says at registration; every part is sealed."""

    name: Line
    channel: Channel
    language: LanguageTag
    interpreter: StrictBool
    birth_date: Day | None = None
    age_band: AgeBand | None = None
    accessibility: frozenset[AccessibilityNeed] = frozenset()

    @model_validator(mode="after")
    def _one_age(self) -> Self:
        if (self.birth_date is None) == (self.age_band is None):
            raise ValueError("Give exactly one of birth_date and age_band")
        return self

    def by_category(self) -> dict[DataCategory, dict[str, Any]]:
        """What goes into the vault, one entry a seal."""
        said = self.model_dump(mode="json", exclude_none=True)
        parts = {
            DataCategory.IDENTITY: {"name": said["name"]},
            DataCategory.CONTACT: said["channel"],
            DataCategory.LANGUAGE: {"language": said["language"], "interpreter": said["interpreter"]},
            DataCategory.AGE: {key: said[key] for key in ("birth_date", "age_band") if key in said},
        }
        if self.accessibility:
            parts[DataCategory.ACCESSIBILITY] = {"needs": sorted(self.accessibility)}
        return parts


class Registered(BaseModel):
    """A new record: without any consent it is erased after `erase_after`."""

    case_ref: str
    registered_at: datetime
    erase_after: datetime | None


class PersonRecord(Registered):
    """A record without what the person said: which data categories it has.

    correct_again: what was corrected once and, since a restore, is as it was before. on_hold: whether a legal hold
    keeps it from being erased.
    """

    categories: list[DataCategory]
    correct_again: list[DataCategory]
    on_hold: bool


@router.post(
    "/v1/persons",
    **allowed("register-person"),
    status_code=201,
    response_model=Registered,
    responses=documented(400, 401, 403, 413, 422, 503),
)
async def register(body: NewPerson, change: Changing) -> Response:
    """Register a person. Nobody else is told; without a consent the record is erased after 72 hours."""
    unit = unit_of(change.caller, change.context)
    # Before a data key is made, not only in `perform`: what is refused should leave nothing to clear away.
    refuse(change.context.admission.refusal())
    data_key = await _make_key(change.context)
    case_id = CaseId(new_id())
    sealed = seal(data_key, case_id, body.by_category())
    entries = index_entries(change.context, unit, body)

    async def keys(_conn: Connection) -> Sequence[Key]:
        return [case_key(case_id)]

    async def act(conn: Connection, now: datetime) -> Answer | Refusal:
        person = Person(case_id, unit, data_key.key_id, now)
        return await register_person(conn, person, sealed, entries, body.birth_date, now) or answer(person)

    async def again(conn: Connection, ids: Sequence[str], _now: datetime) -> Answer:
        person = await store.person(conn, UUID(ids[0]))
        if person is None:
            raise Problem(NOT_FOUND)
        return answer(person)

    def answer(person: Person) -> Answer:
        case_ref = change.context.references.reference(change.caller.partner, person.case_id)
        shown = Registered(case_ref=case_ref, registered_at=person.registered_at, erase_after=person.erase_after)
        return Answer(shown, location=f"/v1/persons/{case_ref}")

    return await perform(change, ids=[case_id], keys=keys, act=act, again=again, status=201)


def index_entries(context: Context, unit: UnitId, person: NewPerson) -> Sequence[bytes]:
    """By what a unit finds the person again."""
    born = person.birth_date.year if person.birth_date else None
    return resources_of(context).index.entries(unit, person.name, born)


async def _make_key(context: Context) -> DataKey:
    """A key is made before its person; noted first, so that one whose person never comes is found."""
    data_key = new_data_key()
    async with context.database.transaction() as conn:
        await reserve_key(conn, data_key.key_id, await db.now(conn))
    try:
        await vault_of(context).keep(data_key)
    except (WrapperAway, WrappingKeyLost) as error:
        log.warning("kms_not_answering", error=str(error))
        raise Problem(KEY_GONE) from None
    return data_key


@router.get(
    "/v1/persons/{case_ref}",
    **allowed("read-person"),
    response_model=PersonRecord,
    responses=documented(401, 403, 404, 422),
)
async def show(case_ref: Reference, request: Request, caller: Caller) -> Response:
    """Look at a record your unit registered, without what the person said."""
    context = context_of(request)
    unit_of(caller, context)
    case_id = context.references.resolve(caller.partner, case_ref)
    async with context.database.reading() as conn:
        person = await person_of(conn, case_id, caller, "read-person", await db.now(conn))
        if isinstance(person, Refusal):
            raise Problem(person)
        categories = await store.sealed_categories(conn, person.case_id)
    await note_access(context.database, caller, "read-person", [case_ref])
    return respond(Answer(record_of(person, case_ref, categories), version=person.version))


def record_of(person: Person, case_ref: str, categories: Sequence[DataCategory]) -> PersonRecord:
    """The record as it stands, under the caller's own reference."""
    return PersonRecord(
        case_ref=case_ref,
        registered_at=person.registered_at,
        erase_after=person.erase_after,
        categories=list(categories),
        correct_again=list(person.correct_again),
        on_hold=person.is_held,
    )
