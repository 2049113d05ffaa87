"""Asking which services fit a person: nothing of the question is kept, and a person decides what is done."""

from collections.abc import Iterable
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, StrictBool, StrictInt, StringConstraints

from schemas import OfferId, UnitId, partner_of
from schemas.calendar import Day, years_between
from schemas.codes import AgeBand, Concern, LanguageTag, ServiceType
from schemas.directory import Capacity
from schemas.partner_file import Partners
from schemas.routing import (
    BenefitRegime,
    ConsentAnswer,
    CourseRight,
    Danger,
    Priority,
    ProposalKind,
    Question,
    Requirement,
    Stated,
    StatusGroup,
)
from schemas.routing_file import OLDEST, RoutingFile
from services.chassis import db
from services.chassis.api import Answer, Body, Caller, context_of, respond
from services.chassis.permissions import allowed
from services.chassis.problems import Problem, Refusal, documented
from services.referral.api.directory import as_of
from services.referral.commands.routing import providers
from services.referral.model.routing import Proposal, Provider, Reason, months_since, propose
from services.referral.resources import resources_of

router = APIRouter(tags=["routing"])

LOWEST_AGE = {
    AgeBand.UNDER_12: 0,
    AgeBand.FROM_12: 12,
    AgeBand.FROM_15: 15,
    AgeBand.FROM_18: 18,
    AgeBand.FROM_27: 27,
}
Month = Annotated[str, StringConstraints(pattern=r"^(19|20)[0-9]{2}-(0[1-9]|1[0-2])$")]
Units = Annotated[frozenset[UnitId], Field(max_length=50)]


class RoutingQuestion(Body):
    """What is known of a person; all of it may be left out. One of `birth_date`, `age` and `age_band` at most."""

    consent: ConsentAnswer = ConsentAnswer.NOT_ASKED
    named_units: Units = frozenset()
    """The units that the given consent names."""
    danger: frozenset[Danger] = frozenset()
    birth_date: Day | None = None
    age: Annotated[StrictInt, Field(ge=0, le=OLDEST)] | None = None
    age_band: AgeBand | None = None
    unaccompanied: Stated = Stated.NOT_STATED
    status: StatusGroup = StatusGroup.NOT_STATED
    entry_month: Month | None = None
    first_title_month: Month | None = None
    """When the first lasting title was given."""
    regime: BenefitRegime = BenefitRegime.NOT_STATED
    able_to_work: Stated = Stated.NOT_STATED
    concerns: frozenset[Concern] = frozenset()
    course: CourseRight = CourseRight.NOT_STATED
    own_children: Stated = Stated.NOT_STATED
    household_spans_27: Stated = Stated.NOT_STATED
    language: LanguageTag | None = None
    wish: ServiceType | None = None
    wished_unit: UnitId | None = None
    declined_by: frozenset[ServiceType] = frozenset()
    """Kinds of service that have said that they are not responsible."""
    silent_units: Units = frozenset()
    """Units that have declined or not answered in time."""


class ReasonView(BaseModel):
    """Which rule led to a proposal, and what the clerk is told (German)."""

    rule: str
    code: str
    text: str


class UnitView(BaseModel):
    """A unit that could take the person. `is_own`: it is your own organisation's, so nothing needs to be referred.

    `capacity`, `expected_from`: what it says about its places. `reasons`: why it stands behind others.
    `is_stale`: it has not said for long that any of these offers is right; ask before you rely on them.
    """

    unit: UnitId
    name: str
    offers: list[OfferId]
    is_own: StrictBool
    capacity: Capacity | None
    expected_from: date | None
    reasons: list[ReasonView]
    is_stale: StrictBool


class ProposalView(BaseModel):
    """One thing to do. `to` names a kind of service or a place outside the agreement; null: the person is informed."""

    kind: ProposalKind
    to: str | None
    name: str | None
    phone: str | None
    note: str | None
    priority: Priority | None
    requires: list[Requirement]
    reasons: list[ReasonView]
    units: list[UnitView]


class RoutingAnswer(BaseModel):
    """The proposals, the first choice first; there is always one. A person decides.

    `is_emergency`: act now, by telephone; nothing else is proposed. `on`: the day in Koblenz that the rules were
    looked at for; `edition`: which state of the table.
    """

    on: date
    edition: str
    is_emergency: bool
    proposals: list[ProposalView]


@router.post(
    "/v1/routing",
    **allowed("ask-for-routing"),
    response_model=RoutingAnswer,
    responses=documented(400, 401, 403, 413, 422),
)
async def ask_for_routing(body: RoutingQuestion, request: Request, caller: Caller) -> Response:
    """Say which services fit, in order, with reasons. Changes and keeps nothing."""
    context = context_of(request)
    table, partners = resources_of(context).routing, context.partners
    _check(body, partners)
    async with context.database.reading() as conn:
        seen = as_of(context, await db.now(conn))
        known = await providers(conn, partners, table, seen)
    today = seen.today
    proposals = propose(table, table.used_on(today), _question(body, today), known, today)
    answer = RoutingAnswer(
        on=today,
        edition=table.edition,
        is_emergency=proposals[0].kind is ProposalKind.AT_ONCE,
        proposals=[_view(each, table, partners, caller.partner) for each in proposals],
    )
    response = respond(Answer(answer))
    response.headers["Cache-Control"] = "no-store"
    return response


def _check(body: RoutingQuestion, partners: Partners) -> None:
    """Refuse what does not go together, and units that are not there."""
    if [body.birth_date, body.age, body.age_band].count(None) < 2:
        raise _not_valid("age", "Send one of birth_date, age and age_band.")
    if body.named_units and body.consent is not ConsentAnswer.GIVEN:
        raise _not_valid("named_units", "Units are named by a consent that is given: send consent `given` with them.")
    wished = set() if body.wished_unit is None else {body.wished_unit}
    for field, units in (
        ("named_units", body.named_units),
        ("silent_units", body.silent_units),
        ("wished_unit", wished),
    ):
        if unknown := sorted(set(units) - partners.units.keys()):
            raise _not_valid(field, f"The agreement has no unit {unknown[0]}; it has {', '.join(partners.units)}.")


def _not_valid(field: str, detail: str) -> Problem:
    return Problem(Refusal(422, "not-valid", detail, field=field))


def _question(body: RoutingQuestion, today: date) -> Question:
    same = body.model_dump(include={*Question.__dataclass_fields__} - {"age", "first_title"})
    months = [each for each in (body.entry_month, body.first_title_month) if each is not None]
    return Question(
        **same,
        age=_age(body, today),
        months_since_arrival=months_since(today, months),
        first_title=body.first_title_month,
    )


def _age(body: RoutingQuestion, today: date) -> int | None:
    if body.age_band is not None:
        return LOWEST_AGE[body.age_band]
    if body.birth_date is None:
        return body.age
    age = years_between(body.birth_date, today)
    if not 0 <= age <= OLDEST:
        raise _not_valid("birth_date", f"A birth date is today at the latest and {OLDEST} years ago at the earliest.")
    return age


def _view(proposal: Proposal, table: RoutingFile, partners: Partners, caller: str) -> ProposalView:
    place = None if proposal.to is None else table.place(proposal.to)
    return ProposalView(
        kind=proposal.kind,
        to=proposal.to,
        name=place and place.name,
        phone=place and place.phone,
        note=place and place.note,
        priority=proposal.priority,
        requires=sorted(proposal.requires),
        reasons=_reasons(proposal.reasons),
        units=[_unit(each, partners, caller) for each in proposal.providers],
    )


def _reasons(reasons: Iterable[Reason]) -> list[ReasonView]:
    return [ReasonView(rule=each.rule, code=each.code, text=each.text) for each in reasons]


def _unit(provider: Provider, partners: Partners, caller: str) -> UnitView:
    return UnitView(
        unit=provider.unit,
        name=partners.unit(provider.unit).name,
        offers=list(provider.offers),
        is_own=partner_of(provider.unit) == caller,
        capacity=provider.places and provider.places.capacity,
        expected_from=provider.places and provider.places.expected_from,
        reasons=_reasons(provider.reasons),
        is_stale=provider.is_stale,
    )
