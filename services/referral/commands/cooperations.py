"""The life of a cooperation; the case is locked by the caller."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from schemas import (
    CaseId,
    ConsentId,
    CooperationDeclined,
    CooperationEvent,
    CooperationId,
    CooperationLeadNamed,
    CooperationLinked,
    CooperationMeetingPlanned,
    CooperationStepDone,
    CooperationStepDropped,
    CooperationStepPlanned,
    HouseholdId,
    StepId,
    UnitId,
    partner_of,
)
from schemas.calendar import local_day
from schemas.codes import Scope
from schemas.cooperation import CooperationEndReason, DeclineReason, ParticipantState, StepKind, StepState
from services.chassis import outbox
from services.chassis.auth import Principal
from services.chassis.db import Connection
from services.chassis.permissions import may
from services.chassis.problems import NOT_FOUND, Refusal
from services.referral.commands import consents
from services.referral.model.consents import Direction
from services.referral.model.cooperation_insight import Seen, seen_by
from services.referral.model.cooperations import (
    Act,
    Cooperation,
    agreement,
    applied,
    begun,
    ending,
    is_over_for_want,
    link,
    over,
    permits,
    proposal,
    work,
)
from services.referral.store import cooperations as store
from services.referral.store import households

UNKNOWN_UNIT = Refusal(422, "unit-unknown", "No partner of the agreement has this unit.", field="units")
SAME_PARTNER = Refusal(422, "same-partner", "Name units of other partners, one of each.", field="units")
NO_CONSENT_TO_ASK = Refusal(
    409,
    "no-consent",
    "No COOPERATION consent from your unit to each of these that holds now is known here; record them first.",
    field="units",
)
NO_CONSENT_BACK = Refusal(
    409,
    "no-consent",
    "The COOPERATION consents between the proposer and your unit do not both hold; ask the person, and record yours.",
)
NO_CONSENT_TO_TELL = Refusal(
    409, "no-consent", "No COOPERATION consent that holds now lets your unit tell this to the others; record one first."
)
NOT_TAKING_PART = Refusal(409, "not-taking-part", "Name a unit that takes part.", field="unit")
NOT_LEADING = Refusal(
    409,
    "not-taking-part",
    "Name a unit that takes part, in a household for each member for whom yours does.",
    field="unit",
)
NOT_YOUR_STEP = Refusal(
    403, "not-your-step", "Only the unit whose step this is says that it is done; who planned it may drop it too."
)
STEP_SETTLED = Refusal(409, "step-settled", "This step is done or dropped already.")


@dataclass(frozen=True, slots=True)
class Proposed:
    """Who asks whom on which case; `responsible`: the function that takes part in the proposer's unit."""

    case_id: CaseId
    proposer: UnitId
    asked: Sequence[UnitId]
    responsible: str

    def fault(self, known_units: Mapping[UnitId, object]) -> Refusal | None:
        """What is wrong with the units, whatever the case."""
        if any(unit not in known_units for unit in self.asked):
            return UNKNOWN_UNIT
        partners = [partner_of(unit) for unit in (self.proposer, *self.asked)]
        return SAME_PARTNER if len(set(partners)) < len(partners) else None


async def propose(
    conn: Connection, cooperation_id: CooperationId, wanted: Proposed, now: datetime
) -> Cooperation | Refusal:
    """Ask units to work together, each under the consent to tell it."""
    asked: dict[UnitId, ConsentId] = {}
    for unit in wanted.asked:
        consent_id = await _consent(conn, wanted.case_id, wanted.proposer, unit, now)
        if consent_id is None:
            return NO_CONSENT_TO_ASK
        asked[unit] = consent_id
    event = proposal(cooperation_id, wanted.case_id, wanted.proposer, asked)
    made = _with_responsible(begun(event, now), wanted.proposer, wanted.responsible)
    household_id = await households.household_of(conn, wanted.proposer, wanted.case_id)
    if household_id is None:
        return await _tell(conn, made, [event], now)
    [linked] = await links(conn, [made], household_id, now)
    return await _tell(conn, applied(made, linked), [event, linked], now)


async def lacks_consent_to_ask(conn: Connection, wanted: Proposed, now: datetime) -> bool:
    """Whether a proposal would be refused for want of a consent."""
    found = [await _consent(conn, wanted.case_id, wanted.proposer, unit, now) for unit in wanted.asked]
    return None in found


async def own_part(
    conn: Connection, cooperation_id: CooperationId, caller: Principal, action_id: str
) -> Cooperation | Refusal:
    """Load a cooperation in which the caller's unit has a part and may do this."""
    cooperation = await store.find_cooperation(conn, cooperation_id)
    if cooperation is None or not may(caller, action_id, *cooperation.units):
        return NOT_FOUND
    return cooperation if cooperation.part(caller.unit) else NOT_FOUND


def not_permitted(cooperation: Cooperation, unit: UnitId, act: Act) -> Refusal | None:
    """Refuse what the unit may not do as things stand."""
    if permits(cooperation, unit, act):
        return None
    participant = cooperation.participant(unit)
    stands = "not part of it" if participant is None else participant.state
    # The whole's state is told to who takes part only: whoever has not agreed may not know that others have.
    return Refusal(409, "illegal-transition", f"Your unit, which is {stands}, cannot do `{act}` in this cooperation.")


async def agree(
    conn: Connection, cooperation: Cooperation, unit: UnitId, responsible: str, now: datetime
) -> Cooperation | Refusal:
    """Take part; from now on both sides tell each other, so both consents have to hold."""
    if refused := not_permitted(cooperation, unit, Act.AGREE):
        return refused
    there = await _consent(conn, cooperation.case_id, cooperation.proposer, unit, now)
    back = await _consent(conn, cooperation.case_id, unit, cooperation.proposer, now)
    if there is None or back is None:
        return NO_CONSENT_BACK
    event = agreement(cooperation, unit, (there, back))
    return await _tell(conn, _with_responsible(applied(cooperation, event), unit, responsible), [event], now)


async def lacks_consent_to_agree(conn: Connection, cooperation: Cooperation, unit: UnitId, now: datetime) -> bool:
    """Whether an agreement would be refused for want of a consent."""
    ways = [(cooperation.proposer, unit), (unit, cooperation.proposer)]
    return None in [await _consent(conn, cooperation.case_id, *way, now) for way in ways]


async def decline(
    conn: Connection, cooperation: Cooperation, unit: UnitId, reason: DeclineReason, now: datetime
) -> Cooperation | Refusal:
    """Do not take part; with the last who was asked the whole has come to nothing."""
    if refused := not_permitted(cooperation, unit, Act.DECLINE):
        return refused
    event = work(CooperationDeclined, cooperation, unit, reason=reason)
    declined = applied(cooperation, event)
    events: list[CooperationEvent] = [event]
    if is_over_for_want(declined):
        events.append(over(declined, CooperationEndReason.NOBODY_LEFT))
        declined = applied(declined, events[-1])
    return await _tell(conn, declined, events, now)


async def plan_meeting(
    conn: Connection, cooperation: Cooperation, unit: UnitId, meets_on: date, now: datetime
) -> Cooperation | Refusal:
    """Set the day on which the participants meet; a later one takes its place."""
    if refused := await _not_told(conn, cooperation, unit, Act.PLAN_MEETING, now) or _gone_by(
        meets_on, now, "meets_on"
    ):
        return refused
    event = work(CooperationMeetingPlanned, cooperation, unit, meets_on=meets_on)
    return await _tell(conn, applied(cooperation, event), [event], now)


async def links(
    conn: Connection, together: Sequence[Cooperation], household_id: HouseholdId, now: datetime
) -> Sequence[CooperationLinked]:
    """What a proposer says of its open cooperations, to whom it may: that the persons belong to a household."""
    ways = {Direction(each.case_id, each.proposer, unit) for each in together for unit in each.units[1:]}
    named = await consents.household_consents(conn, ways, Scope.COOPERATION, now)
    return [
        link(each, household_id, {way.to_unit: named[way] for way in named if way[:2] == (each.case_id, each.proposer)})
        for each in together
    ]


async def save_links(
    conn: Connection, together: Sequence[Cooperation], said: Sequence[CooperationLinked], now: datetime
) -> None:
    """Bring cooperations to the household that was said of each."""
    linked = [applied(each, event) for each, event in zip(together, said, strict=True)]
    await store.save_cooperations(conn, linked, now)


async def knowing_household(
    conn: Connection, together: Sequence[Cooperation], unit: UnitId, now: datetime
) -> Sequence[Cooperation]:
    """Those in which a unit has a part, and in which it may know of the household now."""
    known = await seen(conn, [each for each in together if each.part(unit)], unit, now)
    return [each.cooperation for each in known if each.cooperation.household_id is not None]


async def of_one_household(
    conn: Connection, cooperation: Cooperation, unit: UnitId, now: datetime
) -> Sequence[Cooperation]:
    """A cooperation, and all others that a unit works in and may know to be of its household: they have one lead."""
    if cooperation.household_id is None:
        return [cooperation]
    found = await store.open_cooperations_in(conn, cooperation.proposer, cooperation.household_id)
    known = {each.cooperation_id for each in await knowing_household(conn, found, unit, now)}
    if cooperation.cooperation_id not in known:
        return [cooperation]
    others = (each for each in found if each.cooperation_id in known - {cooperation.cooperation_id})
    return [cooperation, *(each for each in others if permits(each, unit, Act.NAME_LEAD))]


async def name_lead(
    conn: Connection, together: Sequence[Cooperation], unit: UnitId, lead: UnitId, now: datetime
) -> Cooperation | Refusal:
    """Say who should lead the case, or a household's cases; returns the first of them.

    together: one cooperation, or those of one household in which the unit works. The lead takes part in each.
    """
    named: list[Cooperation] = []
    told: list[CooperationEvent] = []
    for cooperation in together:
        if refused := await _not_told(conn, cooperation, unit, Act.NAME_LEAD, now):
            return refused
        if lead != unit and lead not in await _known_at_work(conn, cooperation, unit, now):
            return NOT_LEADING
        event = work(CooperationLeadNamed, cooperation, unit, lead=lead)
        named.append(applied(cooperation, event))
        told.append(event)
    await store.save_cooperations(conn, named, now)
    await outbox.publish_all(conn, [(event, None) for event in told], at=now)
    return named[0]


async def _known_at_work(conn: Connection, cooperation: Cooperation, unit: UnitId, now: datetime) -> Collection[UnitId]:
    """Who takes part as far as a unit may know."""
    [known] = await seen(conn, [cooperation], unit, now)
    return known.cooperation.those(ParticipantState.AGREED)


@dataclass(frozen=True, slots=True)
class WantedStep:
    """What is to be done by which unit until when."""

    step_id: StepId
    kind: StepKind
    done_by: UnitId
    due_on: date


async def plan_step(
    conn: Connection, cooperation: Cooperation, unit: UnitId, wanted: WantedStep, now: datetime
) -> Cooperation | Refusal:
    """Note an agreed step; the unit that is to do it has to be one that may be told."""
    if refused := await _not_told(conn, cooperation, unit, Act.PLAN_STEP, now) or _gone_by(
        wanted.due_on, now, "due_on"
    ):
        return refused
    if wanted.done_by not in cooperation.those(ParticipantState.AGREED):
        return NOT_TAKING_PART
    if wanted.done_by not in {unit, *await _hearing(conn, cooperation, unit, now)}:
        return NO_CONSENT_TO_TELL
    event = work(
        CooperationStepPlanned,
        cooperation,
        unit,
        step_id=wanted.step_id,
        kind=wanted.kind,
        done_by=wanted.done_by,
        due_on=wanted.due_on,
    )
    return await _tell(conn, applied(cooperation, event), [event], now)


async def settle_step(
    conn: Connection, cooperation: Cooperation, unit: UnitId, step_id: StepId, act: Act, now: datetime
) -> Cooperation | Refusal:
    """Say that a step is done, or not to be done any more."""
    [known] = await seen(conn, [cooperation], unit, now)
    step = known.cooperation.step(step_id)
    if step is None:
        return NOT_FOUND
    if refused := await _not_told(conn, cooperation, unit, act, now):
        return refused
    if unit != step.done_by and (act is Act.DO_STEP or unit != step.planned_by):
        return NOT_YOUR_STEP
    if step.state is not StepState.PLANNED:
        return STEP_SETTLED
    event_class = CooperationStepDone if act is Act.DO_STEP else CooperationStepDropped
    event = work(event_class, cooperation, unit, step_id=step_id)
    return await _tell(conn, applied(cooperation, event), [event], now)


async def end(
    conn: Connection, cooperation: Cooperation, unit: UnitId, reason: CooperationEndReason, now: datetime
) -> Cooperation | Refusal:
    """End it, or the unit's part in it; needs no consent."""
    if refused := not_permitted(cooperation, unit, Act.END):
        return refused
    event = ending(cooperation, unit, reason)
    return await _tell(conn, applied(cooperation, event), [event], now)


async def seen(conn: Connection, cooperations: Sequence[Cooperation], unit: UnitId, now: datetime) -> Sequence[Seen]:
    """Each of these as far as one of its units may know it at `now`."""
    ways = {
        (each.cooperation_id, other): Direction(each.case_id, other, unit)
        for each in cooperations
        for other in each.units
        if other != unit
    }
    scopes = await consents.known_scopes(conn, set(ways.values()), now)
    heard = {way for way, direction in ways.items() if Scope.COOPERATION in scopes.get(direction, frozenset())}
    linked = {Direction(each.case_id, each.proposer, unit) for each in cooperations if each.household_id is not None}
    named = await consents.household_consents(conn, linked, Scope.COOPERATION, now)
    return [
        seen_by(
            each,
            unit,
            {other for other in each.units if (each.cooperation_id, other) in heard},
            hears_household=Direction(each.case_id, each.proposer, unit) in named,
        )
        for each in cooperations
    ]


async def _not_told(
    conn: Connection, cooperation: Cooperation, unit: UnitId, act: Act, now: datetime
) -> Refusal | None:
    """Refuse what is not permitted now, and what nobody might hear."""
    if refused := not_permitted(cooperation, unit, act):
        return refused
    return None if await _hearing(conn, cooperation, unit, now) else NO_CONSENT_TO_TELL


async def _hearing(conn: Connection, cooperation: Cooperation, unit: UnitId, now: datetime) -> set[UnitId]:
    """Which of the others who take part hear what a unit says now."""
    others = set(cooperation.those(ParticipantState.AGREED)) - {unit}
    ways = {other: Direction(cooperation.case_id, unit, other) for other in others}
    scopes = await consents.known_scopes(conn, set(ways.values()), now)
    return {other for other, way in ways.items() if Scope.COOPERATION in scopes.get(way, frozenset())}


async def _consent(
    conn: Connection, case_id: CaseId, from_unit: UnitId, to_unit: UnitId, now: datetime
) -> ConsentId | None:
    return await consents.known_consent(conn, Direction(case_id, from_unit, to_unit), Scope.COOPERATION, now)


def _gone_by(day: date, now: datetime, field: str) -> Refusal | None:
    return Refusal(422, "not-valid", "This is today or later.", field=field) if day < local_day(now) else None


def _with_responsible(cooperation: Cooperation, unit: UnitId, responsible: str) -> Cooperation:
    parts = (replace(each, responsible=responsible) if each.unit == unit else each for each in cooperation.participants)
    return replace(cooperation, participants=tuple(parts))


async def _tell(
    conn: Connection, cooperation: Cooperation, events: Sequence[CooperationEvent], now: datetime
) -> Cooperation:
    """Save a cooperation as it stands now, and tell how it came there."""
    await store.save_cooperations(conn, [cooperation], now)
    await outbox.publish_all(conn, [(event, None) for event in events], at=now)
    return cooperation
