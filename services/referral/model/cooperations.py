"""The rules of a cooperation: who may do what when, and what each event makes of it.

The proposer is its centre: with every other participant it needs the person's consents there and back. What two of the
others hear of each other rests on consents of their own and is looked at when it is told or read.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from schemas import (
    CaseId,
    ConsentId,
    CooperationAgreed,
    CooperationAnswered,
    CooperationDeclined,
    CooperationEnded,
    CooperationEvent,
    CooperationId,
    CooperationJoined,
    CooperationLapsed,
    CooperationLeadNamed,
    CooperationLeft,
    CooperationLinked,
    CooperationMeetingPlanned,
    CooperationProposed,
    CooperationStepDone,
    CooperationStepDropped,
    CooperationStepPlanned,
    HouseholdId,
    PartnerSlug,
    StepId,
    UnitId,
    partner_of,
)
from schemas.cooperation import CooperationEndReason, CooperationState, ParticipantState, StepKind, StepState


class Act(StrEnum):
    """What a participant does with a cooperation."""

    AGREE = "agree"
    DECLINE = "decline"
    NAME_LEAD = "name-lead"
    PLAN_MEETING = "plan-meeting"
    PLAN_STEP = "plan-step"
    DO_STEP = "do-step"
    DROP_STEP = "drop-step"
    END = "end"
    """The proposer ends it for all, another its own part; the last one beside the proposer ends it too."""


class Part(StrEnum):
    """What a unit is to a cooperation."""

    PROPOSER = "proposer"
    ASKED = "asked"
    TAKING_PART = "taking-part"
    OUT = "out"
    """It declined or left: it sees nothing of the others any more."""


PROPOSED, AGREED, LAPSED, ENDED = (
    CooperationState.PROPOSED,
    CooperationState.AGREED,
    CooperationState.LAPSED,
    CooperationState.ENDED,
)
WORK = frozenset({Act.NAME_LEAD, Act.PLAN_MEETING, Act.PLAN_STEP, Act.DO_STEP, Act.DROP_STEP})
ANSWERS = frozenset({Act.AGREE, Act.DECLINE})

PERMITTED: Mapping[tuple[CooperationState, Part], frozenset[Act]] = {
    (PROPOSED, Part.PROPOSER): frozenset({Act.END}),
    (PROPOSED, Part.ASKED): ANSWERS,
    (AGREED, Part.PROPOSER): WORK | {Act.END},
    (AGREED, Part.ASKED): ANSWERS,
    (AGREED, Part.TAKING_PART): WORK | {Act.END},
}
"""Who may do what in which state; all else is refused."""

OPEN = frozenset({PROPOSED, AGREED})
IN = frozenset({ParticipantState.ASKED, ParticipantState.AGREED})


@dataclass(frozen=True, slots=True)
class Participant:
    """One unit's part. `responsible`: the function that takes part, for the participants alone.

    `rests_on`: the consents between the proposer and this unit: there, and once it takes part, back. `lead`: whom it
    has named as case lead.
    """

    unit: UnitId
    state: ParticipantState = ParticipantState.ASKED
    responsible: str | None = None
    rests_on: tuple[ConsentId, ...] = ()
    lead: UnitId | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One agreed step; `settled_by`: the unit that did it or let it go."""

    step_id: StepId
    kind: StepKind
    done_by: UnitId
    due_on: date
    planned_by: UnitId
    state: StepState = StepState.PLANNED
    settled_by: UnitId | None = None


@dataclass(frozen=True, slots=True)
class Cooperation:
    """One cooperation as it stands; the first participant proposed it. `household_id`: as the proposer said it."""

    cooperation_id: CooperationId
    case_id: CaseId
    proposed_at: datetime
    participants: tuple[Participant, ...]
    steps: tuple[Step, ...] = ()
    state: CooperationState = PROPOSED
    meets_on: date | None = None
    meeting_planned_by: UnitId | None = None
    end_reason: CooperationEndReason | None = None
    ended_by: UnitId | None = None
    household_id: HouseholdId | None = None

    @property
    def proposer(self) -> UnitId:
        """Who asked the others."""
        return self.participants[0].unit

    @property
    def units(self) -> tuple[UnitId, ...]:
        """All that ever had a part in it."""
        return tuple(each.unit for each in self.participants)

    def participant(self, unit: str) -> Participant | None:
        """A unit's part; None where it has none."""
        return next((each for each in self.participants if each.unit == unit), None)

    def part(self, unit: str) -> Part | None:
        """What a unit is to this cooperation; None where it has no part in it."""
        found = self.participant(unit)
        if found is None:
            return None
        if found.unit == self.proposer:
            return Part.PROPOSER
        return {ParticipantState.ASKED: Part.ASKED, ParticipantState.AGREED: Part.TAKING_PART}.get(
            found.state, Part.OUT
        )

    def those(self, *states: ParticipantState) -> tuple[UnitId, ...]:
        """The units in one of these states."""
        return tuple(each.unit for each in self.participants if each.state in states)

    @property
    def case_lead(self) -> UnitId | None:
        """The participant that all who take part have named; None as long as they have not."""
        working = [each for each in self.participants if each.state is ParticipantState.AGREED]
        named = {each.lead for each in working}
        lead = next(iter(named)) if len(named) == 1 and len(working) > 1 else None
        return lead if lead in self.those(ParticipantState.AGREED) else None

    def step(self, step_id: StepId) -> Step | None:
        """One agreed step; None where there is no such."""
        return next((each for each in self.steps if each.step_id == step_id), None)


def permits(cooperation: Cooperation, unit: str, act: Act) -> bool:
    """Whether a unit may do this as things stand."""
    part = cooperation.part(unit)
    return part is not None and act in PERMITTED.get((cooperation.state, part), frozenset())


def proposal(
    cooperation_id: CooperationId, case_id: CaseId, proposer: UnitId, asked: Mapping[UnitId, ConsentId]
) -> CooperationProposed:
    """Tell those who are asked; for each the consent to tell it."""
    return CooperationProposed(
        case_id=case_id,
        acted_by=partner_of(proposer),
        cooperation_id=cooperation_id,
        unit=proposer,
        units=(proposer, *asked),
        asked=tuple(asked),
        rests_on=tuple(asked.values()),
    )


def begun(event: CooperationProposed, at: datetime) -> Cooperation:
    """What a proposal makes."""
    proposer = Participant(event.units[0], ParticipantState.AGREED)
    asked = (
        Participant(unit, rests_on=(consent_id,))
        for unit, consent_id in zip(event.units[1:], event.rests_on, strict=True)
    )
    return Cooperation(event.cooperation_id, event.case_id, at, (proposer, *asked))


def agreement(cooperation: Cooperation, unit: UnitId, rests_on: tuple[ConsentId, ConsentId]) -> CooperationAnswered:
    """A unit takes part: the first makes it agreed, later ones join."""
    event_class = CooperationAgreed if cooperation.state is PROPOSED else CooperationJoined
    units = (*cooperation.those(ParticipantState.AGREED), unit)
    return event_class(**_about(cooperation, unit, units), rests_on=rests_on)


def work(event_class: type[CooperationEvent], cooperation: Cooperation, unit: UnitId, **facts: Any) -> CooperationEvent:
    """Something done by one who takes part, for those who do."""
    return event_class(**_about(cooperation, unit, cooperation.those(ParticipantState.AGREED)), **facts)


def link(cooperation: Cooperation, household_id: HouseholdId, allowed: Mapping[UnitId, ConsentId]) -> CooperationLinked:
    """The proposer tells to which household the person belongs; allowed: the consents that let it tell whom."""
    told = [unit for unit in cooperation.those(*IN) if unit in allowed]
    about = _about(cooperation, cooperation.proposer, (cooperation.proposer, *told))
    return CooperationLinked(**about, household_id=household_id, rests_on=tuple(allowed[unit] for unit in told))


def ending(
    cooperation: Cooperation, unit: UnitId, reason: CooperationEndReason, *, is_act: bool = True
) -> CooperationEvent:
    """A unit's part is over; with the proposer's, or that of the last one beside it, the whole is.

    is_act: the unit itself ended it, not the person or the clock.
    """
    others = set(cooperation.those(*IN)) - {unit, cooperation.proposer}
    acting = unit if is_act else None
    if unit == cooperation.proposer or not others:
        return over(cooperation, reason, acting)
    hearing = (*(each for each in cooperation.those(ParticipantState.AGREED) if each != unit), unit)
    said = {**_about(cooperation, unit, hearing), "acted_by": _acting(acting)}
    return CooperationLeft(**said, reason=reason)


def over(cooperation: Cooperation, reason: CooperationEndReason, acting: UnitId | None = None) -> CooperationEvent:
    """The whole is over: ended where it was agreed, lapsed where it never was."""
    event_class = CooperationEnded if cooperation.state is AGREED else CooperationLapsed
    return event_class(**_about(cooperation, acting, cooperation.those(*IN)), reason=reason)


def ends_without(
    cooperation: Cooperation, consent_id: ConsentId, reason: CooperationEndReason
) -> CooperationEvent | None:
    """What the end of a consent does to an open cooperation; None where nothing in it rests on that."""
    for each in cooperation.participants:
        if each.state in IN and consent_id in each.rests_on:
            return ending(cooperation, each.unit, reason, is_act=False)
    return None


def is_over_for_want(cooperation: Cooperation) -> bool:
    """Whether nobody but the proposer is left in an open cooperation."""
    return cooperation.state in OPEN and cooperation.those(*IN) == (cooperation.proposer,)


def _about(cooperation: Cooperation, unit: UnitId | None, units: Sequence[UnitId]) -> dict[str, Any]:
    return {
        "case_id": cooperation.case_id,
        "acted_by": _acting(unit),
        "cooperation_id": cooperation.cooperation_id,
        "unit": unit,
        "units": tuple(units),
    }


def _acting(unit: UnitId | None) -> PartnerSlug | None:
    return None if unit is None else partner_of(unit)


def applied(cooperation: Cooperation, event: CooperationEvent) -> Cooperation:
    """What an event makes of a cooperation, when it happens and when a restored database hears of it again."""
    return _APPLY[type(event)](cooperation, event)


def _with(cooperation: Cooperation, unit: UnitId | None, **changes: Any) -> Cooperation:
    changed = (replace(each, **changes) if each.unit == unit else each for each in cooperation.participants)
    return replace(cooperation, participants=tuple(changed))


def _answered(cooperation: Cooperation, event: CooperationAnswered) -> Cooperation:
    agreed = _with(cooperation, event.unit, state=ParticipantState.AGREED, rests_on=event.rests_on)
    return replace(agreed, state=AGREED)


def _planned(cooperation: Cooperation, event: CooperationStepPlanned) -> Cooperation:
    step = Step(event.step_id, event.kind, event.done_by, event.due_on, event.unit or event.done_by)
    return replace(cooperation, steps=(*cooperation.steps, step))


def _settled(state: StepState) -> Callable[[Cooperation, Any], Cooperation]:
    def settle(cooperation: Cooperation, event: CooperationStepDone | CooperationStepDropped) -> Cooperation:
        steps = (
            replace(each, state=state, settled_by=event.unit) if each.step_id == event.step_id else each
            for each in cooperation.steps
        )
        return replace(cooperation, steps=tuple(steps))

    return settle


def _linked(cooperation: Cooperation, event: CooperationLinked) -> Cooperation:
    """The lead is the household's: in another one it has to be agreed anew."""
    parts = tuple(replace(each, lead=None) for each in cooperation.participants)
    return replace(cooperation, participants=parts, household_id=event.household_id)


def _over(state: CooperationState) -> Callable[[Cooperation, Any], Cooperation]:
    def end(cooperation: Cooperation, event: CooperationEnded | CooperationLapsed) -> Cooperation:
        return replace(cooperation, state=state, end_reason=event.reason, ended_by=event.unit)

    return end


_APPLY: Mapping[type[CooperationEvent], Callable[[Cooperation, Any], Cooperation]] = {
    CooperationAgreed: _answered,
    CooperationJoined: _answered,
    CooperationDeclined: lambda before, event: _with(before, event.unit, state=ParticipantState.DECLINED),
    CooperationLeft: lambda before, event: _with(before, event.unit, state=ParticipantState.LEFT),
    CooperationLinked: _linked,
    CooperationLeadNamed: lambda before, event: _with(before, event.unit, lead=event.lead),
    CooperationMeetingPlanned: lambda before, event: replace(
        before, meets_on=event.meets_on, meeting_planned_by=event.unit
    ),
    CooperationStepPlanned: _planned,
    CooperationStepDone: _settled(StepState.DONE),
    CooperationStepDropped: _settled(StepState.DROPPED),
    CooperationLapsed: _over(LAPSED),
    CooperationEnded: _over(ENDED),
}
