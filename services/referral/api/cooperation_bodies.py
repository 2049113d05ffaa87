"""What requests about cooperations say, and how a cooperation is shown."""

import hashlib
from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from schemas import CooperationId, StepId, UnitId
from schemas.calendar import Day
from schemas.cooperation import CooperationEndReason, CooperationState, DeclineReason, StepKind, StepState
from schemas.texts import ShortText
from schemas.visibility import Reference
from services.chassis.api import Body
from services.referral.api.bodies import CaseRef, HouseholdRef
from services.referral.model.cooperation_insight import Seen
from services.referral.model.cooperations import Part, Participant

Responsible = Annotated[
    ShortText, Field(description="the function that takes part, such as a team; a person's name has no place in it")
]


class NewCooperation(Body):
    """With whom to work together on a case (your own reference of it), and which function of yours takes part."""

    case_ref: CaseRef
    units: Annotated[list[UnitId], Field(min_length=1, max_length=9)]
    responsible: Responsible


class TakingPart(Body):
    """Which function of yours takes part."""

    responsible: Responsible


class Declining(Body):
    """Why your unit does not take part."""

    reason: DeclineReason


class NamingLead(Body):
    """Which participant should lead the case; in a household the cases of all members for whom your unit works."""

    unit: UnitId


class Meeting(Body):
    """When you meet."""

    meets_on: Day


class NewStep(Body):
    """Which unit does what until when; what was spoken about has no place here."""

    kind: StepKind
    unit: UnitId
    due_on: Day


class Ending(Body):
    """Why it ends."""

    reason: Literal[
        CooperationEndReason.AIM_REACHED,
        CooperationEndReason.NO_LONGER_NEEDED,
        CooperationEndReason.PERSON_DECLINED,
        CooperationEndReason.MOVED_AWAY,
        CooperationEndReason.OTHER,
    ]


class ParticipantView(BaseModel):
    """One participant, as far as the reader may know: `asked` also where the reader hears nothing of its answer."""

    unit: UnitId
    state: Literal["asked", "agreed", "declined", "left"]
    responsible: str | None
    names_as_lead: UnitId | None


class StepView(BaseModel):
    """One agreed step."""

    step_id: StepId
    kind: StepKind
    unit: UnitId
    due_on: date
    planned_by: UnitId
    state: StepState


class CooperationView(BaseModel):
    """A cooperation as far as the reader may know of it; null for what it may not know, or what is not there.

    Who has not agreed yet, or is out, sees who was asked by whom and its own part, and nothing else. `case_lead`: whom
    all who take part have named, as far as the reader hears them.
    """

    cooperation_id: CooperationId
    case_ref: CaseRef
    household_ref: HouseholdRef | None
    part: Part
    proposed_at: datetime
    state: CooperationState | None
    participants: list[ParticipantView]
    case_lead: UnitId | None
    meets_on: date | None
    steps: list[StepView]
    end_reason: CooperationEndReason | None


class CooperationPage(BaseModel):
    """Cooperations, the earliest first; `next` goes into `after` of the next request."""

    items: list[CooperationView]
    next: CooperationId | None


def view(known: Seen, unit: UnitId, reference: Reference) -> CooperationView:
    """Show one of its units what it may know; `reference` makes its partner's own."""
    seen = known.cooperation
    return CooperationView(
        cooperation_id=seen.cooperation_id,
        case_ref=reference(seen.case_id),
        household_ref=None if seen.household_id is None else reference(seen.household_id),
        part=seen.part(unit) or Part.OUT,
        proposed_at=seen.proposed_at,
        state=known.state,
        participants=[_participant(each) for each in seen.participants],
        case_lead=seen.case_lead if known.state is CooperationState.AGREED else None,
        meets_on=seen.meets_on,
        steps=[
            StepView(
                step_id=each.step_id,
                kind=each.kind,
                unit=each.done_by,
                due_on=each.due_on,
                planned_by=each.planned_by,
                state=each.state,
            )
            for each in seen.steps
        ],
        end_reason=seen.end_reason,
    )


def _participant(each: Participant) -> ParticipantView:
    return ParticipantView.model_validate(
        {
            "unit": each.unit,
            "state": each.state.value,
            "responsible": each.responsible,
            "names_as_lead": each.lead,
        }
    )


def version_of(shown: CooperationView) -> int:
    """A number of what is shown; a count of changes would tell how often those act whom the reader may not hear."""
    return int.from_bytes(hashlib.sha256(shown.model_dump_json().encode()).digest()[:6])
