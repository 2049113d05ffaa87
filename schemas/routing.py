"""The words of a routing question and its answer: closed lists, and NOT_STATED in each that is asked of a person.

Nothing of a question is stored or sent. Religion, nationality and the lack of papers are no words of it, on purpose.
"""

from dataclasses import dataclass

from schemas.codes import Code, Concern, ServiceType
from schemas.ids import UnitId


class StatusGroup(Code, grows=False):
    """What a person says of the residence status, as coarse as the choice of a service needs it."""

    EU_EEA = "eu-eea"
    LONG_TERM_TITLE = "long-term-title"
    """A title that leads to stay: work, family, settlement."""
    RECOGNISED_PROTECTION = "recognised-protection"
    TEMPORARY_PROTECTION = "temporary-protection"
    """§ 24 AufenthG."""
    ASYLUM_PROCEDURE = "asylum-procedure"
    """Aufenthaltsgestattung."""
    LATE_REPATRIATE = "late-repatriate"
    OPPORTUNITY_TITLE = "opportunity-title"
    """§ 104c AufenthG."""
    TOLERATED_WITH_PROSPECT = "tolerated-with-prospect"
    TOLERATED = "tolerated"
    OTHER = "other"
    NOT_STATED = "not-stated"


class BenefitRegime(Code, grows=False):
    """Which law a person's income support rests on."""

    SGB2 = "SGB2"
    SGB3 = "SGB3"
    SGB12 = "SGB12"
    ASYLBLG = "ASYLBLG"
    NONE = "none"
    NOT_STATED = "not-stated"


class Danger(Code, grows=False):
    """What cannot wait for an appointment."""

    VIOLENCE = "violence"
    TRAFFICKING = "trafficking"
    MEDICAL = "medical"
    CHILD_AT_RISK = "child-at-risk"


class CourseRight(Code, grows=False):
    """On what a place in an integration course rests."""

    CLAIM = "claim-44-1"
    """§ 44(1) AufenthG."""
    OBLIGED = "obliged-44a"
    """§ 44a AufenthG."""
    ADMISSION_ONLY = "only-44-4"
    """§ 44(4) AufenthG."""
    NOT_STATED = "not-stated"


class Stated(Code, grows=False):
    """The answer to a plain question."""

    YES = "yes"
    NO = "no"
    NOT_STATED = "not-stated"


class ConsentAnswer(Code, grows=False):
    """What the person has said to the transfer of the own data."""

    NOT_ASKED = "not-asked"
    GIVEN = "given"
    REFUSED = "refused"


class ProposalKind(Code, grows=False):
    """What is proposed."""

    AT_ONCE = "at-once"
    """A person acts now, by telephone; nothing is sent and nothing waits."""
    REFER = "refer"
    ASK_AGAIN = "ask-again"
    """A referral to units that no consent names yet."""
    SIGNPOST = "signpost"
    """The person is told where to go; nothing is transferred."""
    INFORM = "inform"
    """The person gets flyer, list of offers and advice; nothing is transferred."""


class Requirement(Code, grows=False):
    """What has to be done before or with what is proposed."""

    CONSENT = "consent"
    """The person's, naming one of the units."""
    GUARDIAN_CONSENT = "guardian-consent"
    """Someone with parental responsibility gives the consent."""
    EACH_ADULT_CONSENTS = "each-adult-consents"
    REASON = "reason"
    """Why this service and not the usual one."""
    CASE_LEAD = "case-lead"
    """The services agree on one case lead."""
    APPOINTMENT = "appointment"


class Priority(Code, grows=False):
    """Whom the funding guideline names first; never a ground to turn somebody away."""

    NEWCOMER = "newcomer"
    CATCH_UP = "catch-up"


class RankedBy(Code, grows=False):
    """By what the units of one service are put in order."""

    CAPACITY = "capacity"
    """Units that say they have no place now come last, and those without a waiting list after those with one."""
    WISH = "wish"
    LANGUAGE = "language"
    ALTERNATING = "alternating"
    """By the day, in turn."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is said of a person when a service is sought; all of it may be left unsaid.

    age: completed years today, 0 to 130. months_since_arrival: months begun since the month of entry or of the first
    lasting title, whichever is later; the month itself is 0. first_title: its month, such as `2025-04`.
    named_units: whom the consent names, where it is given. silent_units: who has not answered in time.
    """

    consent: ConsentAnswer = ConsentAnswer.NOT_ASKED
    danger: frozenset[Danger] = frozenset()
    age: int | None = None
    unaccompanied: Stated = Stated.NOT_STATED
    status: StatusGroup = StatusGroup.NOT_STATED
    declined_by: frozenset[ServiceType] = frozenset()
    wish: ServiceType | None = None
    own_children: Stated = Stated.NOT_STATED
    household_spans_27: Stated = Stated.NOT_STATED
    months_since_arrival: int | None = None
    first_title: str | None = None
    regime: BenefitRegime = BenefitRegime.NOT_STATED
    able_to_work: Stated = Stated.NOT_STATED
    concerns: frozenset[Concern] = frozenset()
    course: CourseRight = CourseRight.NOT_STATED
    wished_unit: UnitId | None = None
    language: str | None = None
    named_units: frozenset[UnitId] = frozenset()
    silent_units: frozenset[UnitId] = frozenset()
