"""Case cooperation: units of several partners work together on one person's case; never what counselling is about.

Each event names the unit that it is about and the units it is meant for. What a unit says reaches another only with
the person's COOPERATION consent from the one to the other, at that moment; an end needs none. The function that takes
part in a unit stays inside the service. The consents that a participation rests on stay inside too.
"""

from datetime import date
from typing import Annotated

from schemas.codes import READER_ONLY, Code, Scope
from schemas.envelope import CaseEvent
from schemas.ids import ConsentId, CooperationId, HouseholdId, StepId, UnitId
from schemas.visibility import Pairwise, Party, Shared


class CooperationState(Code, grows=True, unknown=READER_ONLY):
    """Where a cooperation stands."""

    PROPOSED = "proposed"
    AGREED = "agreed"
    """At least one of those who were asked takes part."""
    LAPSED = "lapsed"
    """It was never agreed and never will be."""
    ENDED = "ended"
    UNKNOWN = READER_ONLY


class ParticipantState(Code, grows=True, unknown=READER_ONLY):
    """Where one participant stands."""

    ASKED = "asked"
    AGREED = "agreed"
    """Takes part; whoever proposes does from the beginning."""
    DECLINED = "declined"
    LEFT = "left"
    UNKNOWN = READER_ONLY


class StepKind(Code, grows=True, unknown="other-agreed"):
    """What the participants have agreed to do; what for, and what was said, has no place here."""

    JOINT_APPOINTMENT = "joint-appointment"
    FORM_HELP = "form-help"
    LANGUAGE_COURSE_PLACE = "language-course-place"
    RECOGNITION_OF_QUALIFICATIONS = "recognition-of-qualifications"
    BENEFIT_APPLICATION = "benefit-application"
    WORK_CONTACT = "work-contact"
    TRAINING_CONTACT = "training-contact"
    SCHOOL_CONTACT = "school-contact"
    CHILD_CARE_PLACE = "child-care-place"
    HOUSING_CONTACT = "housing-contact"
    INTERPRETER = "interpreter"
    OTHER_AGREED = "other-agreed"


class StepState(Code, grows=True, unknown=READER_ONLY):
    """Where a step stands."""

    PLANNED = "planned"
    DONE = "done"
    DROPPED = "dropped"
    """It is not to be done any more."""
    UNKNOWN = READER_ONLY


class DeclineReason(Code, grows=True, unknown="other"):
    """Why a unit does not take part; what the person said to it is nobody's to say."""

    NOT_OUR_TASK = "not-our-task"
    NO_CAPACITY = "no-capacity"
    ALREADY_INVOLVED = "already-involved"
    """The unit works with the proposer on this case already."""
    OTHER = "other"


class CooperationEndReason(Code, grows=True, unknown="other"):
    """Why a cooperation ended, or one unit's part in it."""

    AIM_REACHED = "aim-reached"
    NO_LONGER_NEEDED = "no-longer-needed"
    PERSON_DECLINED = "person-declined"
    MOVED_AWAY = "moved-away"
    NOBODY_LEFT = "nobody-left"
    """Everybody whom the proposer asked has declined or left."""
    CONSENT_WITHDRAWN = "consent-withdrawn"
    CONSENT_EXPIRED = "consent-expired"
    CONSENT_REVOKED = "consent-revoked"
    CONSENT_INVALIDATED = "consent-invalidated"
    PERSON_ERASED = "person-erased"
    OTHER = "other"


PARTICIPANTS = frozenset({Party.PARTICIPANT})
EndReason = Annotated[CooperationEndReason, Shared(needs=Scope.COOPERATION)]


class CooperationEvent(CaseEvent, abstract=True):
    """Something happened to one cooperation.

    `unit`: whose act it is, or who left; None where the person or the clock ended it. `units`: whom it is meant for;
    who else takes part is told by nobody but them, so it stays inside.
    """

    cooperation_id: Annotated[CooperationId, Shared]
    unit: Annotated[UnitId | None, Shared] = None
    units: tuple[UnitId, ...]

    def participants(self) -> tuple[UnitId, ...]:
        """Return the units that it is meant for, one a partner."""
        return self.units


class CooperationProposed(CooperationEvent, type="lotse.cooperation.proposed.v1", audience=PARTICIPANTS):
    """A unit, the first of `units`, asks the others to work together on a case."""

    asked: Annotated[tuple[UnitId, ...], Shared]
    rests_on: tuple[ConsentId, ...]
    """For each of those who are asked, in their order, the consent to tell it."""


class CooperationAnswered(CooperationEvent, abstract=True):
    """A unit takes part from now on."""

    rests_on: tuple[ConsentId, ConsentId]
    """The consents between the proposer and this unit: there, and back."""


class CooperationAgreed(CooperationAnswered, type="lotse.cooperation.agreed.v1", audience=PARTICIPANTS):
    """The first of those who were asked takes part: the cooperation is agreed."""


class CooperationJoined(CooperationAnswered, type="lotse.cooperation.joined.v1", audience=PARTICIPANTS):
    """Another of those who were asked takes part as well."""


class CooperationDeclined(CooperationEvent, type="lotse.cooperation.declined.v1", audience=PARTICIPANTS, closing=True):
    """A unit does not take part."""

    reason: Annotated[DeclineReason, Shared(needs=Scope.COOPERATION)]


class CooperationLinked(CooperationEvent, type="lotse.cooperation.linked.v1", audience=PARTICIPANTS):
    """The proposer says to which household the person belongs from now on; whom anybody named as case lead is void."""

    household_id: Annotated[HouseholdId, Pairwise]
    rests_on: tuple[ConsentId, ...]
    """The COOPERATION consents that name the household, one for each of `units` but the proposer."""


class CooperationLeadNamed(CooperationEvent, type="lotse.cooperation.lead_named.v1", audience=PARTICIPANTS):
    """A participant says which of them should lead the case; the lead is agreed when all name the same one."""

    lead: Annotated[UnitId, Shared]


class CooperationMeetingPlanned(CooperationEvent, type="lotse.cooperation.meeting_planned.v1", audience=PARTICIPANTS):
    """The participants meet on a day; a later one takes the place of the one before."""

    meets_on: Annotated[date, Shared]


class CooperationStepEvent(CooperationEvent, abstract=True):
    """Something happened to one agreed step."""

    step_id: Annotated[StepId, Shared]


class CooperationStepPlanned(CooperationStepEvent, type="lotse.cooperation.step_planned.v1", audience=PARTICIPANTS):
    """A step was agreed: which unit does what until when."""

    kind: Annotated[StepKind, Shared]
    done_by: Annotated[UnitId, Shared]
    due_on: Annotated[date, Shared]


class CooperationStepDone(CooperationStepEvent, type="lotse.cooperation.step_done.v1", audience=PARTICIPANTS):
    """The unit whose step it was has done it."""


class CooperationStepDropped(CooperationStepEvent, type="lotse.cooperation.step_dropped.v1", audience=PARTICIPANTS):
    """A step is not to be done any more."""


class CooperationLeft(CooperationEvent, type="lotse.cooperation.left.v1", audience=PARTICIPANTS, closing=True):
    """A unit takes part no longer, or is asked no longer; the others go on."""

    reason: EndReason


class CooperationLapsed(CooperationEvent, type="lotse.cooperation.lapsed.v1", audience=PARTICIPANTS, closing=True):
    """What was proposed has come to nothing."""

    reason: EndReason


class CooperationEnded(CooperationEvent, type="lotse.cooperation.ended.v1", audience=PARTICIPANTS, closing=True):
    """A cooperation that was agreed is over."""

    reason: EndReason
