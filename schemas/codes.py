"""The code lists, each saying whether it may grow and what a reader makes of a code it does not know."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, NewType

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, StringConstraints, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

READER = {"reader": True}
"""Validation context of the open reader; without it unknown codes are refused."""

READER_ONLY = "unknown"
"""A fallback of this name is what a reader makes of an unknown code; no writer may say it."""

# RFC 5646 in its canonical case; extensions and private use are left out, nobody here speaks them.
LanguageTag = NewType(
    "LanguageTag",
    Annotated[
        str,
        StringConstraints(
            pattern=r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?(-([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*$",
            max_length=35,
        ),
    ],
)


class Code(StrEnum):
    """A code list.

    grows: codes may be added later. unknown: the code a reader takes for one it does not know; a growing list
    must name it. A list that does not grow refuses unknown codes, for readers as for writers.
    """

    grows: ClassVar[bool]
    fallback: ClassVar[str | None]
    _written: ClassVar[frozenset[str]]

    def __init_subclass__(cls, *, grows: bool, unknown: str | None = None) -> None:
        super().__init_subclass__()
        if grows != (unknown is not None):
            raise TypeError(f"code list {cls.__name__}: only a list that grows names its `unknown` code, and it must")
        if unknown is not None and unknown not in [member.value for member in cls]:
            raise TypeError(f"code list {cls.__name__}: its `unknown` code {unknown!r} is not in the list")
        cls.grows = grows
        cls.fallback = unknown
        cls._written = frozenset(cls.writable())

    @classmethod
    def writable(cls) -> list[str]:
        """Return the codes a writer may use, in the order of declaration."""
        return [member.value for member in cls if member.value != READER_ONLY]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        if not cls.grows:
            return schema
        return core_schema.with_info_before_validator_function(cls._known_or_fallback, schema)

    @classmethod
    def _known_or_fallback(cls, value: Any, info: ValidationInfo) -> Any:
        """Give a reader the fallback for a code that is unknown here; refuse a writer's `unknown`."""
        if isinstance(value, str) and value in cls._written:  # nearly always, and several times an event
            return value
        if info.context == READER:
            is_unknown = isinstance(value, str) and value not in cls._value2member_map_
            return cls.fallback if is_unknown else value
        if value == READER_ONLY:
            raise PydanticCustomError("enum", "Input should be one of the codes of the list")
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        result = handler(schema)
        described = handler.resolve_ref_schema(result)
        described["enum"] = cls.writable()
        if cls.grows:
            described |= {"x-grows": True, "x-unknown": cls.fallback}
        return result


class Scope(Code, grows=True, unknown=READER_ONLY):
    """What one consent allows; an unknown scope allows nothing."""

    TRANSFER = "transfer"
    FEEDBACK_STATUS = "feedback-status"
    FEEDBACK_OUTCOME = "feedback-outcome"
    COOPERATION = "cooperation"
    UNKNOWN = READER_ONLY


class ConsentState(Code, grows=True, unknown=READER_ONLY):
    """Where a consent stands (ISO/IEC TS 27560 event states); only `given` and `renewed` allow anything."""

    REQUESTED = "requested"
    """The person has been asked and has not answered yet."""
    GIVEN = "given"
    RENEWED = "renewed"
    WITHDRAWN = "withdrawn"
    """Ended by the person."""
    EXPIRED = "expired"
    REVOKED = "revoked"
    """Ended by somebody else than the person."""
    INVALIDATED = "invalidated"
    """It should never have counted."""
    UNKNOWN = READER_ONLY


class ConsentForm(Code, grows=True, unknown=READER_ONLY):
    """How a consent was expressed; all are proof, the strength differs."""

    PAPER = "paper"
    SIGNATURE_PAD = "signature-pad"
    ELECTRONIC_CLICK = "electronic-click"
    ORAL_DOCUMENTED = "oral-documented"
    UNKNOWN = READER_ONLY


class GivenBy(Code, grows=True, unknown=READER_ONLY):
    """Who said yes for the person."""

    SELF = "self"
    GUARDIAN = "guardian"
    LEGAL_CARER = "legal-carer"
    UNKNOWN = READER_ONLY


class InterpreterKind(Code, grows=True, unknown=READER_ONLY):
    """Who interpreted the notice aloud; a child never does."""

    PROFESSIONAL = "professional"
    TELEPHONE = "telephone"
    STAFF = "staff"
    ADULT_RELATIVE = "adult-relative"
    UNKNOWN = READER_ONLY


class WithdrawalChannel(Code, grows=True, unknown=READER_ONLY):
    """How the person took a consent back."""

    COUNTER = "counter"
    TELEPHONE = "telephone"
    LETTER = "letter"
    EMAIL = "email"
    PERSON_PAGE = "person-page"
    UNKNOWN = READER_ONLY


class RevocationReason(Code, grows=True, unknown="other"):
    """Why somebody else than the person ended a consent."""

    UNIT_CLOSED = "unit-closed"
    PURPOSE_GONE = "purpose-gone"
    PROTECTION = "protection"
    """The person, or somebody else, would be in danger."""
    GIVER_NO_LONGER_ENTITLED = "giver-no-longer-entitled"
    OTHER = "other"


class InvalidationReason(Code, grows=True, unknown="other"):
    """Why a consent should never have counted."""

    NOT_INFORMED = "not-informed"
    NOT_UNDERSTOOD = "not-understood"
    NOT_VOLUNTARY = "not-voluntary"
    GIVER_NOT_ENTITLED = "giver-not-entitled"
    WRONG_PERSON = "wrong-person"
    ENTERED_IN_ERROR = "entered-in-error"
    OTHER = "other"


class AccessibilityNeed(Code, grows=False):
    """What a person needs to be able to come and to take part; health data in the sense of Art. 9 DSGVO."""

    WHEELCHAIR = "wheelchair"
    STEP_FREE = "step-free"
    SIGN_LANGUAGE = "sign-language"
    HEARING = "hearing"
    VISION = "vision"
    PLAIN_LANGUAGE = "plain-language"
    COMPANION = "companion"


class DataCategory(Code, grows=True, unknown=READER_ONLY):
    """What is consented to one by one: the parts of a person's record, sealed and handed out so, and the household."""

    IDENTITY = "identity"
    """The name."""
    CONTACT = "contact"
    """One contact channel."""
    LANGUAGE = "language"
    """The preferred language and the wish for an interpreter."""
    AGE = "age"
    """The birth date or the age band."""
    ACCESSIBILITY = "accessibility"
    """What the person needs to be able to come: health data, with a consent of its own."""
    HOUSEHOLD = "household"
    """That the person belongs to a household with others who are referred: said by a link, no part of the record."""
    UNKNOWN = READER_ONLY


class AgeBand(Code, grows=False):
    """Age in completed years, as coarse as the choice of a service needs it."""

    UNDER_12 = "under-12"
    FROM_12 = "12-14"
    FROM_15 = "15-17"
    FROM_18 = "18-26"
    FROM_27 = "27-plus"


class ChannelKind(Code, grows=False):
    """How a person wishes to be reached."""

    PHONE = "phone"
    SMS = "sms"
    MESSENGER = "messenger"
    EMAIL = "email"
    POST = "post"


class ErasureReason(Code, grows=True, unknown=READER_ONLY):
    """Why a person's record was erased."""

    NEVER_CONSENTED = "never-consented"
    REQUESTED = "requested"
    RETENTION = "retention"
    UNKNOWN = READER_ONLY


class HoldGround(Code, grows=False):
    """Why a person's data must not be erased for now (Art. 17(3), 18 DSGVO)."""

    LEGAL_CLAIM = "legal-claim"
    """Somebody needs it to raise or defend a claim."""
    SUPERVISORY_REQUEST = "supervisory-request"
    """A supervisory authority or a court has asked for it."""
    PERSON_WISHES = "person-wishes"
    """The person wants it kept."""


class RecallAction(Code, grows=True, unknown=READER_ONLY):
    """What a partner did with what it had been told or had fetched, when it was asked to."""

    DELETED = "deleted"
    RESTRICTED = "restricted"
    """Kept, but used for nothing but what the law demands (Art. 18 DSGVO)."""
    KEPT_ON_OWN_BASIS = "kept-on-own-basis"
    """The partner goes on with the person on a legal basis of its own."""
    NOTHING_HELD = "nothing-held"
    UNKNOWN = READER_ONLY


class ReferralState(Code, grows=True, unknown=READER_ONLY):
    """Where a referral stands: FHIR Task names, and `detached` for one that goes on without Lotse."""

    REQUESTED = "requested"
    RECEIVED = "received"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    DETACHED = "detached"
    ON_HOLD = "on-hold"
    FAILED = "failed"
    EXPIRED = "expired"
    """Nobody answered in time."""
    ENTERED_IN_ERROR = "entered-in-error"
    """It should never have existed."""
    UNKNOWN = READER_ONLY


class RejectionReason(Code, grows=True, unknown="other"):
    """Why a service cannot take a person; never a judgement on the person."""

    NOT_ELIGIBLE = "not-eligible"
    NO_CAPACITY = "no-capacity"
    SERVICE_NOT_PROVIDED = "service-not-provided"
    ALREADY_ENROLLED = "already-enrolled"
    OUT_OF_AREA = "out-of-area"
    LANGUAGE_NOT_AVAILABLE = "language-not-available"
    MISSING_INFORMATION = "missing-information"
    CONFLICT_OF_INTEREST = "conflict-of-interest"
    OTHER = "other"


class Outcome(Code, grows=True, unknown="other"):
    """What came of a completed referral."""

    ENROLLED = "enrolled"
    ADVISED_ONCE = "advised-once"
    NEED_MET = "need-met"
    NEED_PARTLY_MET = "need-partly-met"
    CLIENT_DECLINED = "client-declined"
    COULD_NOT_CONTACT = "could-not-contact"
    REFERRED_ONWARD = "referred-onward"
    NO_LONGER_NEEDED = "no-longer-needed"
    MOVED_AWAY = "moved-away"
    OTHER = "other"


class HoldReason(Code, grows=True, unknown="other"):
    """Why the work on a referral rests."""

    WAITLIST = "waitlist"
    AWAITING_PERSON = "awaiting-person"
    AWAITING_DOCUMENTS = "awaiting-documents"
    OTHER = "other"


class FailureReason(Code, grows=True, unknown="other"):
    """Why a service could not finish what it had accepted; why somebody did not come is nobody's to say."""

    COULD_NOT_CONTACT = "could-not-contact"
    APPOINTMENTS_NOT_KEPT = "appointments-not-kept"
    MOVED_AWAY = "moved-away"
    OTHER = "other"


class TakenBackReason(Code, grows=True, unknown="other"):
    """Why a service takes its acceptance back."""

    WRONG_REFERRAL = "wrong-referral"
    ACCEPTED_BY_MISTAKE = "accepted-by-mistake"
    OTHER = "other"


class ErrorReason(Code, grows=True, unknown="other"):
    """Why a referral should never have existed."""

    WRONG_PERSON = "wrong-person"
    WRONG_RECIPIENT = "wrong-recipient"
    ENTERED_TWICE = "entered-twice"
    OTHER = "other"


class EndMode(Code, grows=False):
    """How a referral ended early: cancelled before the first contact, detached after it."""

    CANCELLED = "cancelled"
    DETACHED = "detached"


class EndReason(Code, grows=True, unknown="other"):
    """Why a referral ended before its work was done."""

    CONSENT_WITHDRAWN = "consent-withdrawn"
    CONSENT_EXPIRED = "consent-expired"
    CONSENT_REVOKED = "consent-revoked"
    CONSENT_INVALIDATED = "consent-invalidated"
    PERSON_ERASED = "person-erased"
    PERSON_DECLINED = "person-declined"
    RECALLED = "recalled"
    DUPLICATE = "duplicate"
    OTHER = "other"


class Frequency(Code, grows=False):
    """How often hours come again, as in an RRULE."""

    WEEKLY = "WEEKLY"
    MONTHLY = "MONTHLY"


class Accessibility(Code, grows=True, unknown="other"):
    """What a place or a service has for people who need it."""

    WHEELCHAIR = "wheelchair"
    STEP_FREE = "step-free"
    ACCESSIBLE_TOILET = "accessible-toilet"
    SIGN_LANGUAGE = "sign-language"
    HEARING = "hearing"
    VISION = "vision"
    PLAIN_LANGUAGE = "plain-language"
    OTHER = "other"


class Concern(Code, grows=True, unknown="other"):
    """What a person seeks advice on, and an offer gives it on."""

    LANGUAGE_COURSE = "language-course"
    HOUSING = "housing"
    WORK = "work"
    INCOME_SUPPORT = "income-support"
    RECOGNITION = "recognition"
    SCHOOL_TRAINING = "school-training"
    STUDY = "study"
    CHILD_CARE = "child-care"
    HEALTH_INSURANCE = "health-insurance"
    FAMILY = "family"
    RESIDENCE_LAW = "residence-law"
    RESIDENCE_TITLE = "residence-title"
    """To be given a title, a permit or a travel document, or to have it prolonged."""
    ASYLUM_PROCEDURE = "asylum-procedure"
    DEBTS = "debts"
    ADDICTION = "addiction"
    PREGNANCY = "pregnancy"
    DAILY_LIFE = "daily-life"
    OTHER = "other"


class ReferralClock(Code, grows=True, unknown="other"):
    """What a service is reminded of about a referral."""

    ANSWER = "answer"
    FIRST_CONTACT = "first-contact"
    REVIEW = "review"
    OTHER = "other"


class ContactLevel(Code, grows=False):
    """The two levels on which the agreement asks every partner to name contacts."""

    COORDINATING = "coordinating"
    OPERATIONAL = "operational"


class ServiceType(Code, grows=True, unknown="other"):
    """The kind of service: MBE, JMD and MFD are the migration services' own official names."""

    MBE = "MBE"
    JMD = "JMD"
    MFD = "MFD"
    JOBCENTER = "jobcenter"
    INTEGRATION_OFFICE = "integration-office"
    OTHER = "other"


class OfferStatus(Code, grows=False):
    """Whether an offer can be used now (the values of HSDS 3.1, spelled as there)."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    DEFUNCT = "defunct"
    TEMPORARILY_CLOSED = "temporarily closed"


class TrainingTopic(Code, grows=True, unknown="other"):
    """What staff of the partners need to learn."""

    RESIDENCE_LAW = "residence-law"
    BENEFITS_LAW = "benefits-law"
    DATA_PROTECTION = "data-protection"
    LANGUAGE_COURSES = "language-courses"
    RECOGNITION = "recognition-of-qualifications"
    WORK = "work-and-training"
    SCHOOL = "school-and-childcare"
    HEALTH_SYSTEM = "health-system"
    HOUSING = "housing"
    INTERPRETING = "interpreting"
    INTERCULTURAL = "intercultural-skills"
    DISCRIMINATION = "discrimination"
    PROTECTION = "protection-from-violence"
    COUNSELLING = "counselling-methods"
    SOFTWARE = "software"
    OTHER = "other"


class LegalRegime(Code, grows=False):
    """The data protection law a unit works under."""

    DSGVO = "DSGVO"
    KDG = "KDG"
    SGB_X = "SGB-X"


class PartnerRole(Code, grows=False):
    """A unit's part in the agreement."""

    CITY = "city"
    JOBCENTER = "jobcenter"
    MIGRATION_SERVICE = "migration-service"
