"""What a participant may see of a cooperation: its own words, and those of whom the person lets tell it."""

from collections.abc import Set
from dataclasses import dataclass, replace

from schemas import UnitId
from schemas.cooperation import CooperationState, ParticipantState, StepState
from services.referral.model.cooperations import IN, OPEN, PROPOSED, Cooperation, Part, Participant, Step

WORKING = frozenset({Part.PROPOSER, Part.TAKING_PART})


@dataclass(frozen=True, slots=True)
class Seen:
    """A cooperation as far as one of its units may know it; `state` is None for one that is out."""

    cooperation: Cooperation
    state: CooperationState | None


def seen_by(cooperation: Cooperation, unit: UnitId, heard: Set[UnitId], *, hears_household: bool = False) -> Seen:
    """Return a cooperation as far as one of its units may know it.

    heard: the units that a COOPERATION consent lets tell this one now; hears_household: whether the proposer's names
    the household too. Who has not agreed yet, or is out, knows who was asked by whom and its own part. Who takes part
    sees what it or a unit it hears has said. That somebody declined, left or ended it needs no consent; why does.
    """
    is_working = cooperation.part(unit) in WORKING
    known = frozenset(heard | {unit}) if is_working else frozenset({unit})
    is_planned = cooperation.meeting_planned_by in known
    knows_household = unit == cooperation.proposer or (hears_household and cooperation.part(unit) is not Part.OUT)
    seen = replace(
        cooperation,
        household_id=cooperation.household_id if knows_household and cooperation.state in OPEN else None,
        participants=tuple(
            _participant(each, cooperation.proposer, known, is_working) for each in cooperation.participants
        ),
        steps=tuple(_step(each, known) for each in cooperation.steps if each.planned_by in known),
        meets_on=cooperation.meets_on if is_planned else None,
        meeting_planned_by=cooperation.meeting_planned_by if is_planned else None,
        end_reason=cooperation.end_reason if cooperation.ended_by in known else None,
        ended_by=cooperation.ended_by if cooperation.ended_by in known else None,
    )
    return Seen(seen, _state(cooperation, unit))


def _state(cooperation: Cooperation, unit: UnitId) -> CooperationState | None:
    part = cooperation.part(unit)
    if part is Part.ASKED and cooperation.state in OPEN:
        return PROPOSED
    return None if part is Part.OUT else cooperation.state


def _participant(each: Participant, proposer: UnitId, known: Set[UnitId], is_working: bool) -> Participant:
    if each.unit in known:
        return each
    tells_its_state = each.unit == proposer or (is_working and each.state not in IN)
    state = each.state if tells_its_state else ParticipantState.ASKED
    return replace(each, state=state, responsible=None, lead=None)


def _step(step: Step, known: Set[UnitId]) -> Step:
    is_known = step.settled_by is None or step.settled_by in known
    return step if is_known else replace(step, state=StepState.PLANNED, settled_by=None)
