"""Consents: what happened to each, and how it stands by that."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from schemas import (
    CaseId,
    ConsentEvent,
    ConsentExpired,
    ConsentExpiring,
    ConsentId,
    ConsentInvalidated,
    ConsentRevoked,
    ConsentSigned,
    ConsentWithdrawn,
    Interpreted,
    PartnerSlug,
    UnitId,
    partner_of,
)
from schemas.codes import (
    AgeBand,
    ConsentForm,
    ConsentState,
    DataCategory,
    GivenBy,
    InvalidationReason,
    LanguageTag,
    RevocationReason,
    Scope,
    WithdrawalChannel,
)
from services.intake.model.persons import in_order

SignedEvent = TypeVar("SignedEvent", bound=ConsentSigned)


@dataclass(frozen=True)
class Notice:
    """The text a person was shown or had interpreted; sha256: None where only version and language are known."""

    version: str
    language: LanguageTag
    sha256: str | None


@dataclass(frozen=True)
class Signature:
    """What a person was shown and how the person, or somebody for the person, said yes.

    age_band: as of that moment. interpreted: who interpreted the notice, and into which language.
    file_ref: where the signed sheet is in the unit's own file. form: None as long as the person has not answered.
    """

    notice: Notice
    form: ConsentForm | None
    given_by: GivenBy = GivenBy.SELF
    age_band: AgeBand | None = None
    interpreted: Interpreted | None = None
    file_ref: str | None = None


@dataclass(frozen=True)
class WantedConsent:
    """What one consent is to allow."""

    from_unit: UnitId
    to_unit: UnitId
    scope: Scope
    data_categories: frozenset[DataCategory]
    valid_until: datetime


VALID_STATES = frozenset({ConsentState.GIVEN, ConsentState.RENEWED})
"""The states in which a consent allows something, as long as its time is not over."""


_ENDS = frozenset({ConsentState.WITHDRAWN, ConsentState.EXPIRED, ConsentState.REVOKED, ConsentState.INVALIDATED})


NEXT: Mapping[ConsentState | None, frozenset[ConsentState]] = {
    None: frozenset({ConsentState.REQUESTED, ConsentState.GIVEN}),
    ConsentState.REQUESTED: frozenset({ConsentState.GIVEN}),
    ConsentState.GIVEN: frozenset({ConsentState.RENEWED}) | _ENDS,
    ConsentState.RENEWED: frozenset({ConsentState.RENEWED}) | _ENDS,
}
"""What may follow on what; what has ended is followed by nothing."""


@dataclass(frozen=True)
class ConsentAct:
    """One thing that happened to a consent; these are kept as they are, and the consent is derived from them.

    by: the unit that the person told, or that acted; None: the clock. signature, valid_until: where somebody asked
    or said yes. reason: why somebody else ended it.
    """

    state: ConsentState
    at: datetime
    by: UnitId | None
    valid_until: datetime | None = None
    signature: Signature | None = None
    channel: WithdrawalChannel | None = None
    reason: RevocationReason | InvalidationReason | None = None


@dataclass(frozen=True)
class Consent:
    """One consent as it stands: one direction, one purpose.

    events: how many things have happened to it. given_at: None while the person has not answered.
    """

    consent_id: ConsentId
    case_id: CaseId
    wanted: WantedConsent
    signature: Signature
    recorded_by: UnitId
    given_at: datetime | None
    state: ConsentState = ConsentState.GIVEN
    ended_at: datetime | None = None
    requested_at: datetime | None = None
    end: ConsentAct | None = None
    events: int = 1

    def after(self, act: ConsentAct) -> "Consent":
        """The consent when this has happened to it too. Raises ValueError where it cannot follow."""
        if act.state not in NEXT.get(self.state, frozenset()):
            raise ValueError(f"a consent that is {self.state} cannot become {act.state}")
        changed = replace(self, state=act.state, events=self.events + 1)
        if act.state in _ENDS:
            return replace(changed, ended_at=act.at, end=act)
        wanted = replace(self.wanted, valid_until=act.valid_until or self.wanted.valid_until)
        given_at = self.given_at or act.at
        return replace(changed, wanted=wanted, signature=act.signature or self.signature, given_at=given_at)

    def state_at(self, now: datetime) -> ConsentState:
        """The state as of `now`: expired as soon as its time is over, whether or not the job has been here."""
        if self.state in VALID_STATES and self.wanted.valid_until <= now:
            return ConsentState.EXPIRED
        return self.state

    def is_valid_at(self, now: datetime) -> bool:
        """Whether something may rest on it at `now`."""
        return self.state_at(now) in VALID_STATES

    def ended_at_as_of(self, now: datetime) -> datetime | None:
        """When it ended, as of `now`; None while it holds."""
        if self.ended_at is None and self.state_at(now) is ConsentState.EXPIRED:
            return self.wanted.valid_until
        return self.ended_at

    @property
    def units(self) -> tuple[UnitId, UnitId]:
        """The two units it names: whoever passes on, and whoever is passed on to."""
        return self.wanted.from_unit, self.wanted.to_unit

    def _direction(self) -> dict[str, Any]:
        """What every event about it says."""
        wanted = self.wanted
        return {
            "case_id": self.case_id,
            "consent_id": self.consent_id,
            "from_unit": wanted.from_unit,
            "to_unit": wanted.to_unit,
            "scope": wanted.scope,
        }

    def as_signed(self, event: type[SignedEvent]) -> SignedEvent:
        """The event that it was given or renewed."""
        notice = self.signature.notice
        return event(
            **self._direction(),
            data_categories=in_order(self.wanted.data_categories),
            valid_until=self.wanted.valid_until,
            notice_version=notice.version,
            notice_language=notice.language,
            notice_sha256=notice.sha256,
            form=self.signature.form,
            given_by=self.signature.given_by,
            interpreted=self.signature.interpreted,
            acted_by=partner_of(self.recorded_by),
        )

    def as_expiring(self) -> ConsentExpiring:
        """The event that its time will soon be over."""
        return ConsentExpiring(**self._direction(), valid_until=self.wanted.valid_until)

    def as_ended(self) -> ConsentEvent:
        """The event of its end. By withdrawal or expiry no partner acted, but the person or the clock."""
        if self.end is None:
            raise ValueError(f"a consent that is {self.state} has no end to tell of")
        return _END_EVENTS[self.state](self, self.end)


def _revoked(consent: Consent, act: ConsentAct) -> ConsentEvent:
    return ConsentRevoked(**consent._direction(), reason=RevocationReason(act.reason or "other"), acted_by=_actor(act))


def _invalidated(consent: Consent, act: ConsentAct) -> ConsentEvent:
    reason = InvalidationReason(act.reason or "other")
    return ConsentInvalidated(**consent._direction(), reason=reason, acted_by=_actor(act))


def _actor(act: ConsentAct) -> PartnerSlug | None:
    return partner_of(act.by) if act.by else None


def _withdrawn(consent: Consent, act: ConsentAct) -> ConsentEvent:
    return ConsentWithdrawn(**consent._direction(), channel=act.channel or WithdrawalChannel.COUNTER)


def _expired(consent: Consent, _act: ConsentAct) -> ConsentEvent:
    return ConsentExpired(**consent._direction())


_END_EVENTS: Mapping[ConsentState, Callable[[Consent, ConsentAct], ConsentEvent]] = {
    ConsentState.WITHDRAWN: _withdrawn,
    ConsentState.EXPIRED: _expired,
    ConsentState.REVOKED: _revoked,
    ConsentState.INVALIDATED: _invalidated,
}


def transfers_valid_at(consents: Iterable[Consent], now: datetime) -> list[Consent]:
    """Those that allow handing data over at `now`."""
    return [each for each in consents if each.wanted.scope is Scope.TRANSFER and each.is_valid_at(now)]


def allowed_categories(consents: Iterable[Consent]) -> frozenset[DataCategory]:
    """The data categories that any of these consents names."""
    return frozenset(category for each in consents for category in each.wanted.data_categories)
