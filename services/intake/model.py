"""Persons, consents and referrals as intake knows them, and the rules about them. Pure: no I/O, time is an argument."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum, auto
from uuid import UUID
from zoneinfo import ZoneInfo

from schemas import (
    CaseId,
    ConsentExpired,
    ConsentGiven,
    ConsentId,
    ConsentWithdrawn,
    ReferralId,
    UnitId,
    partner_of,
)
from schemas.codes import ConsentForm, ConsentState, DataCategory, ErasureReason, LanguageTag, ReferralState, Scope

NEVER_CONSENTED_KEPT = timedelta(hours=72)
KEY_WAITS_FOR_PERSON = timedelta(hours=1)
EARLIEST_BIRTH = date(1900, 1, 1)

OPEN_STATES = frozenset(
    {ReferralState.REQUESTED, ReferralState.RECEIVED, ReferralState.ACCEPTED, ReferralState.IN_PROGRESS}
)
FEEDBACK_STATES = OPEN_STATES | {ReferralState.COMPLETED}
FEEDBACK_SCOPES = frozenset({Scope.FEEDBACK_STATUS, Scope.FEEDBACK_OUTCOME})

# The agreement counts by the calendar of Koblenz.
LOCAL_TIME = ZoneInfo("Europe/Berlin")


@dataclass(frozen=True)
class Sealed:
    """One data category of a person, encrypted; `version` says how (see vault)."""

    category: DataCategory
    version: int
    nonce: bytes
    ciphertext: bytes


@dataclass(frozen=True)
class Person:
    """A person's record without what the person said.

    lost_at: when a restore found that what the person said is gone; the consents are known from the bus.
    """

    case_id: CaseId
    registered_by: UnitId
    key_id: UUID
    registered_at: datetime
    first_consent_at: datetime | None = None
    erased_at: datetime | None = None
    erasure_reason: ErasureReason | None = None
    lost_at: datetime | None = None

    @property
    def erase_after(self) -> datetime | None:
        """When the record is erased unless a consent is given before; None once one was."""
        return None if self.first_consent_at else self.registered_at + NEVER_CONSENTED_KEPT

    def is_kept_at(self, now: datetime) -> bool:
        """Whether the record is still there as of `now`: without a consent not after its time, job or no job."""
        return self.erased_at is None and (self.erase_after is None or now < self.erase_after)


@dataclass(frozen=True)
class Signature:
    """What a person was shown and how the person said yes; one may stand for several consents."""

    notice_version: str
    notice_language: LanguageTag
    form: ConsentForm


@dataclass(frozen=True)
class WantedConsent:
    """What one consent is to allow."""

    from_unit: UnitId
    to_unit: UnitId
    scope: Scope
    data_categories: frozenset[DataCategory]
    valid_until: datetime


@dataclass(frozen=True)
class Consent:
    """One consent: one direction, one purpose."""

    consent_id: ConsentId
    case_id: CaseId
    wanted: WantedConsent
    signature: Signature
    recorded_by: UnitId
    given_at: datetime
    state: ConsentState = ConsentState.GIVEN
    ended_at: datetime | None = None

    def state_at(self, now: datetime) -> ConsentState:
        """The state as of `now`: expired as soon as its time is over, whether or not the job has been here."""
        if self.state is ConsentState.GIVEN and self.wanted.valid_until <= now:
            return ConsentState.EXPIRED
        return self.state

    def ended_at_as_of(self, now: datetime) -> datetime | None:
        """When it ended, as of `now`; None while it holds."""
        if self.ended_at is None and self.state_at(now) is ConsentState.EXPIRED:
            return self.wanted.valid_until
        return self.ended_at

    def names(self, unit: UnitId) -> bool:
        """Whether that unit passes on or is passed on to."""
        return unit in (self.wanted.from_unit, self.wanted.to_unit)

    def concerns(self, partner: str) -> bool:
        """Whether a unit of that partner passes on or is passed on to."""
        return partner in (partner_of(self.wanted.from_unit), partner_of(self.wanted.to_unit))

    def as_given(self) -> ConsentGiven:
        """The event that it was given."""
        return ConsentGiven(
            case_id=self.case_id,
            consent_id=self.consent_id,
            from_unit=self.wanted.from_unit,
            to_unit=self.wanted.to_unit,
            scope=self.wanted.scope,
            data_categories=in_order(self.wanted.data_categories),
            valid_until=self.wanted.valid_until,
            notice_version=self.signature.notice_version,
            notice_language=self.signature.notice_language,
            form=self.signature.form,
            acted_by=partner_of(self.recorded_by),
        )

    def as_withdrawn(self) -> ConsentWithdrawn:
        """The event that the person took it back: nobody acted but the person."""
        return ConsentWithdrawn(
            case_id=self.case_id,
            consent_id=self.consent_id,
            from_unit=self.wanted.from_unit,
            to_unit=self.wanted.to_unit,
            scope=self.wanted.scope,
        )

    def as_expired(self) -> ConsentExpired:
        """The event that its time is over: nobody acted but the clock."""
        return ConsentExpired(
            case_id=self.case_id,
            consent_id=self.consent_id,
            from_unit=self.wanted.from_unit,
            to_unit=self.wanted.to_unit,
            scope=self.wanted.scope,
        )


@dataclass(frozen=True)
class Referral:
    """A referral as the bus told it."""

    referral_id: ReferralId
    case_id: CaseId
    from_unit: UnitId
    to_unit: UnitId
    state: ReferralState

    @property
    def is_open(self) -> bool:
        """Whether the service still works on it, or is about to."""
        return self.state in OPEN_STATES

    @property
    def takes_feedback(self) -> bool:
        """Whether a feedback consent still has something to be about: it is open, or was completed."""
        return self.state in FEEDBACK_STATES


class Fault(Enum):
    """Why a consent cannot be recorded as wanted."""

    NOT_YOUR_UNIT = auto()
    UNKNOWN_UNIT = auto()
    SAME_PARTNER = auto()
    NO_CATEGORY = auto()
    NOT_IN_FUTURE = auto()
    TOO_LONG = auto()
    TWICE = auto()
    NOT_BACK_TO_SENDER = auto()
    NOT_FEEDBACK = auto()


def first_fault(
    wanted: Sequence[WantedConsent], recorder: UnitId, units: Collection[UnitId], now: datetime
) -> tuple[int, Fault] | None:
    """The first of the wanted consents that cannot be recorded by that unit, and why; None when all can."""
    seen: set[tuple[UnitId, Scope]] = set()
    for index, each in enumerate(wanted):
        fault = _fault(each, recorder, units, now)
        if fault is None and (each.to_unit, each.scope) in seen:
            fault = Fault.TWICE
        if fault is not None:
            return index, fault
        seen.add((each.to_unit, each.scope))
    return None


def _fault(wanted: WantedConsent, recorder: UnitId, units: Collection[UnitId], now: datetime) -> Fault | None:
    if wanted.from_unit != recorder:
        return Fault.NOT_YOUR_UNIT
    if wanted.to_unit not in units:
        return Fault.UNKNOWN_UNIT
    if partner_of(wanted.to_unit) == partner_of(wanted.from_unit):
        return Fault.SAME_PARTNER
    if wanted.scope is Scope.TRANSFER and not wanted.data_categories:
        return Fault.NO_CATEGORY
    if wanted.valid_until <= now:
        return Fault.NOT_IN_FUTURE
    return Fault.TOO_LONG if wanted.valid_until > a_year_after(now) else None


def first_feedback_fault(wanted: Iterable[WantedConsent], referral: Referral) -> tuple[int, Fault] | None:
    """The first of the wanted consents that is no feedback to the sender of that referral, and why."""
    for index, each in enumerate(wanted):
        if each.scope not in FEEDBACK_SCOPES:
            return index, Fault.NOT_FEEDBACK
        if each.to_unit != referral.from_unit:
            return index, Fault.NOT_BACK_TO_SENDER
    return None


def a_year_after(moment: datetime) -> datetime:
    """Twelve months later; from 29 February to 28 February."""
    try:
        return moment.replace(year=moment.year + 1)
    except ValueError:
        return moment.replace(year=moment.year + 1, day=28)


def transfers_valid_at(consents: Iterable[Consent], now: datetime) -> list[Consent]:
    """Those that allow handing data over at `now`."""
    return [
        each for each in consents if each.wanted.scope is Scope.TRANSFER and each.state_at(now) is ConsentState.GIVEN
    ]


def allowed_categories(consents: Iterable[Consent]) -> frozenset[DataCategory]:
    """The data categories that any of these consents names."""
    return frozenset(category for each in consents for category in each.wanted.data_categories)


def in_order(categories: Collection[DataCategory]) -> tuple[DataCategory, ...]:
    """The categories in the order of the code list."""
    return tuple(category for category in DataCategory if category in categories)


def local_month(moment: datetime) -> str:
    """The month in Koblenz, such as `2026-03`."""
    return moment.astimezone(LOCAL_TIME).strftime("%Y-%m")


def is_plausible_birth(born: date, now: datetime) -> bool:
    """Whether somebody alive can be born that day."""
    return EARLIEST_BIRTH <= born <= now.astimezone(LOCAL_TIME).date()
