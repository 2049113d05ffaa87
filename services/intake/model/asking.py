"""What may be asked of whom, and in which way: the rules before a consent is recorded."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from schemas import (
    ConsentId,
    UnitId,
    partner_of,
)
from schemas.calendar import a_year_after, local_midnight
from schemas.codes import (
    ConsentForm,
    DataCategory,
    GivenBy,
    PartnerRole,
    Scope,
)
from schemas.partner_file import Unit
from services.intake.model.age import BELOW_15, MINORS, OF_AGE_FROM, Age
from services.intake.model.consents import Signature, WantedConsent
from services.intake.model.cooperations import Cooperation
from services.intake.model.referrals import Referral

FEEDBACK_SCOPES = frozenset({Scope.FEEDBACK_STATUS, Scope.FEEDBACK_OUTCOME})


class Fault(Enum):
    """Why a consent cannot be recorded as wanted."""

    NOT_YOUR_UNIT = auto()
    UNKNOWN_UNIT = auto()
    SAME_PARTNER = auto()
    NOT_AGREED = auto()
    NO_CATEGORY = auto()
    HEALTH_NOT_ALONE = auto()
    ORAL_FOR_HEALTH = auto()
    NOT_IN_FUTURE = auto()
    TOO_LONG = auto()
    TWICE = auto()
    NOT_BACK_TO_SENDER = auto()
    NOT_FEEDBACK = auto()
    NOT_COOPERATION = auto()
    NOT_IN_COOPERATION = auto()
    GUARDIAN_NEEDED = auto()
    GROWN_UP = auto()
    BEYOND_MAJORITY = auto()


HEALTH = frozenset({DataCategory.ACCESSIBILITY})
"""Special categories of Art. 9 DSGVO, § 11 KDG: never with another category in one consent, never said only aloud."""


@dataclass(frozen=True)
class Terms:
    """What the agreement allows: its units, and whether people are referred to and from the Jobcenter."""

    units: Mapping[UnitId, Unit]
    with_jobcenter: bool

    def allows(self, wanted: WantedConsent) -> bool:
        """Whether such a consent may be asked for at all."""
        roles = {role for unit in (wanted.from_unit, wanted.to_unit) for role in self.units[unit].roles}
        return wanted.scope is not Scope.TRANSFER or self.with_jobcenter or PartnerRole.JOBCENTER not in roles


@dataclass(frozen=True)
class Asked:
    """One consent as it is asked for: what it is to allow, and how the person said yes."""

    consent_id: ConsentId
    wanted: WantedConsent
    signature: Signature


def first_fault(
    asked: Sequence[Asked], recorder: UnitId, terms: Terms, age: Age, now: datetime
) -> tuple[int, Fault] | None:
    """The first of these consents that cannot be recorded by that unit, and why; None when all can."""
    seen: set[tuple[UnitId, Scope, bool]] = set()
    for index, each in enumerate(asked):
        wanted = each.wanted
        about_health = not HEALTH.isdisjoint(wanted.data_categories)
        fault = _direction_fault(wanted, recorder, terms) or signing_fault(each, age, now)
        if fault is None and (wanted.to_unit, wanted.scope, about_health) in seen:
            fault = Fault.TWICE
        if fault is not None:
            return index, fault
        seen.add((wanted.to_unit, wanted.scope, about_health))
    return None


def _direction_fault(wanted: WantedConsent, recorder: UnitId, terms: Terms) -> Fault | None:
    if wanted.from_unit != recorder:
        return Fault.NOT_YOUR_UNIT
    if wanted.to_unit not in terms.units:
        return Fault.UNKNOWN_UNIT
    if partner_of(wanted.to_unit) == partner_of(wanted.from_unit):
        return Fault.SAME_PARTNER
    if not terms.allows(wanted):
        return Fault.NOT_AGREED
    return Fault.NO_CATEGORY if wanted.scope is Scope.TRANSFER and not wanted.data_categories else None


def signing_fault(asked: Asked, age: Age, now: datetime) -> Fault | None:
    """Why this person cannot say yes to this in this way now; None when all is well."""
    return _health_fault(asked) or _time_fault(asked.wanted, now) or _giver_fault(asked, age, now)


def _health_fault(asked: Asked) -> Fault | None:
    categories = asked.wanted.data_categories
    if HEALTH.isdisjoint(categories):
        return None
    if categories - HEALTH:
        return Fault.HEALTH_NOT_ALONE
    return Fault.ORAL_FOR_HEALTH if asked.signature.form is ConsentForm.ORAL_DOCUMENTED else None


def _time_fault(wanted: WantedConsent, now: datetime) -> Fault | None:
    if wanted.valid_until <= now:
        return Fault.NOT_IN_FUTURE
    return Fault.TOO_LONG if wanted.valid_until > a_year_after(now) else None


def _giver_fault(asked: Asked, age: Age, now: datetime) -> Fault | None:
    """15 and over themselves, below a guardian, who may still do it up to 18 for somebody not able to."""
    if asked.signature.form is None:  # nobody has said yes so far
        return None
    given_by, band = asked.signature.given_by, age.band_at(now)
    if given_by is GivenBy.SELF and band in BELOW_15:
        return Fault.GUARDIAN_NEEDED
    if given_by is not GivenBy.GUARDIAN:
        return None
    if band not in MINORS:
        return Fault.GROWN_UP
    majority = age.turns(OF_AGE_FROM)
    is_beyond = majority is not None and asked.wanted.valid_until > local_midnight(majority)
    return Fault.BEYOND_MAJORITY if is_beyond else None


def first_feedback_fault(asked: Iterable[Asked], referral: Referral) -> tuple[int, Fault] | None:
    """The first of these consents that is no feedback to the sender of that referral, and why."""
    for index, each in enumerate(asked):
        if each.wanted.scope not in FEEDBACK_SCOPES:
            return index, Fault.NOT_FEEDBACK
        if each.wanted.to_unit != referral.from_unit:
            return index, Fault.NOT_BACK_TO_SENDER
    return None


def first_cooperation_fault(asked: Iterable[Asked], cooperation: Cooperation) -> tuple[int, Fault] | None:
    """The first of these consents that lets nobody tell another unit of that cooperation, and why."""
    for index, each in enumerate(asked):
        if each.wanted.scope is not Scope.COOPERATION:
            return index, Fault.NOT_COOPERATION
        if each.wanted.to_unit not in cooperation.units:
            return index, Fault.NOT_IN_COOPERATION
    return None
