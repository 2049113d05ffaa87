"""Some cases while a run of events about them is judged: what the others' events do to consents and referrals."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from schemas import (
    CaseEvent,
    CaseId,
    ConsentEvent,
    ConsentId,
    ConsentRenewed,
    ConsentSigned,
    CooperationEvent,
    CooperationId,
    PartnerSlug,
    PersonDisclosed,
    Received,
    ReferralEvent,
    ReferralId,
)
from schemas.codes import ConsentState, DataCategory, EndReason, Scope
from schemas.cooperation import CooperationEndReason
from services.referral.model.consents import Direction
from services.referral.model.cooperations import OPEN as OPEN_COOPERATIONS
from services.referral.model.cooperations import Cooperation, applied, ends_without, over
from services.referral.model.referrals import OPEN, REQUESTED, Act, Referral, steps, told
from services.referral.model.telling import event_of, newly_shared, status_of

FEEDBACK = frozenset({Scope.FEEDBACK_STATUS, Scope.FEEDBACK_OUTCOME})


@dataclass(frozen=True, slots=True)
class Consent:
    """One consent as this service knows it; `valid_until` is None when it ended before we heard of its beginning."""

    consent_id: ConsentId
    case_id: CaseId
    direction: Direction
    scope: Scope
    state: ConsentState
    valid_until: datetime | None
    covers_household: bool = False

    def is_valid_at(self, now: datetime) -> bool:
        """Whether something may rest on it at `now`."""
        return self.state is ConsentState.GIVEN and self.valid_until is not None and now < self.valid_until


class Caused(NamedTuple):
    """An event of ours and the one that led to it."""

    event: ReferralEvent | CooperationEvent
    cause: Received[Any]


class Cases:
    """What a run of events makes of the cases it is about; the cases are locked by the consumer.

    Takes what is known of them before the run: the consents of cases in which the run gives one; the referrals, with
    the moment of their last step, and the open cooperations of cases in which it may touch one. `is_catching_up`:
    while a restored database catches up, states that came after a consent were told by their own events.
    """

    def __init__(
        self,
        consents: Iterable[Consent] = (),
        erased: Iterable[CaseId] = (),
        referrals: Iterable[tuple[Referral, datetime]] = (),
        cooperations: Iterable[Cooperation] = (),
        *,
        is_catching_up: bool = False,
    ) -> None:
        self._consents: dict[CaseId, dict[ConsentId, Consent]] = defaultdict(dict)
        self._erased = set(erased)
        self._referrals: dict[CaseId, dict[ReferralId, Referral]] = defaultdict(dict)
        self._stands_since: dict[ReferralId, datetime] = {}
        self._cooperations: dict[CooperationId, Cooperation] = {each.cooperation_id: each for each in cooperations}
        self._moved_cooperations: set[CooperationId] = set()
        self._is_catching_up = is_catching_up
        self._changed: set[tuple[CaseId, ConsentId]] = set()
        self._moved: set[tuple[CaseId, ReferralId]] = set()
        self.newly_erased: set[CaseId] = set()
        self._shared: set[tuple[CaseId, ReferralId]] = set()
        self.told: list[Caused] = []
        for consent in consents:
            self._consents[consent.case_id][consent.consent_id] = consent
        for referral, since in referrals:
            self._referrals[referral.case_id][referral.referral_id] = referral
            self._stands_since[referral.referral_id] = since

    @property
    def changed_consents(self) -> Sequence[Consent]:
        """The consents that began or ended, in the order of their ids; those of a case erased since are left out."""
        return [self._consents[case_id][consent_id] for case_id, consent_id in sorted(self._changed)]

    @property
    def moved_referrals(self) -> Sequence[Referral]:
        """The referrals that came to another state."""
        return [self._referrals[case_id][referral_id] for case_id, referral_id in sorted(self._moved)]

    @property
    def shared_referrals(self) -> Sequence[Referral]:
        """The referrals whose sender was told after the fact, as they stand at the end of the run."""
        return [self._referrals[case_id][referral_id] for case_id, referral_id in sorted(self._shared)]

    @property
    def moved_cooperations(self) -> Sequence[Cooperation]:
        """The cooperations that ended, or that somebody left."""
        return [self._cooperations[cooperation_id] for cooperation_id in sorted(self._moved_cooperations)]

    def renew(self, cause: Received[ConsentRenewed], now: datetime) -> None:
        """Keep how long a consent holds now; one that is over stays over, one not known counts as given."""
        renewed = cause.data
        known = self._consents[renewed.case_id].get(renewed.consent_id)
        if known is None:
            self.give(cause, now)
        elif known.state is ConsentState.GIVEN:
            self._put(replace(known, valid_until=renewed.valid_until))

    def give(self, cause: Received[ConsentSigned], now: datetime) -> None:
        """Keep a consent; when it is to feedback given late, tell the sender once where its referrals stand."""
        given = cause.data
        known = self._consents[given.case_id]
        if given.consent_id in known or given.case_id in self._erased:
            return
        consent = _consent(given, ConsentState.GIVEN, given.valid_until)
        held = {each.scope for each in known.values() if each.direction == consent.direction and each.is_valid_at(now)}
        self._put(consent)
        if consent.is_valid_at(now) and given.scope in FEEDBACK and given.scope not in held:
            self._share(cause, held | {given.scope})

    def _share(self, cause: Received[ConsentSigned], held: set[Scope]) -> None:
        """Tell the sender of each referral of which it may know more than a moment ago."""
        given = cause.data
        for referral in self._referrals[given.case_id].values():
            is_meant = referral.feedback == Direction(given.case_id, given.from_unit, given.to_unit)
            if not is_meant or (self._is_catching_up and self._stands_since[referral.referral_id] > cause.time):
                continue
            shared = newly_shared(referral, given.scope, held)
            if shared is not None:
                self._referrals[given.case_id][referral.referral_id] = told(replace(referral, last_shared=shared))
                self._shared.add((given.case_id, referral.referral_id))
                self.told.append(Caused(status_of(referral, shared), cause))

    def end(self, cause: Received[ConsentEvent], state: ConsentState, reason: EndReason, now: datetime) -> None:
        """Keep that a consent is over for good, known before or not, and end what rested on it."""
        ended = cause.data
        known = self._consents[ended.case_id].get(ended.consent_id)
        if known is None or known.state is ConsentState.GIVEN:
            self._put(replace(known, state=state) if known else _consent(ended, state, None))
        for referral in self._open(ended.case_id):
            if ended.scope is Scope.TRANSFER and referral.consent_id == ended.consent_id:
                self._end(referral, reason, cause, now)
        for cooperation in self._open_cooperations(ended.case_id):
            self._tell(ends_without(cooperation, ended.consent_id, CooperationEndReason(reason.value)), cause)

    def erase(self, cause: Received[CaseEvent], now: datetime) -> None:
        """Drop what is known of an erased person's consents, take no more, and end all of the case's referrals."""
        case_id = cause.data.case_id
        self._erased.add(case_id)
        self.newly_erased.add(case_id)
        self._consents[case_id].clear()
        self._changed = {each for each in self._changed if each[0] != case_id}
        for referral in self._open(case_id):
            self._end(referral, EndReason.PERSON_ERASED, cause, now)
        for cooperation in self._open_cooperations(case_id):
            self._tell(over(cooperation, CooperationEndReason.PERSON_ERASED), cause)

    def fetch(self, cause: Received[PersonDisclosed], now: datetime) -> None:
        """Take a request as received by the unit that fetched the person's data at the gate."""
        fetched = cause.data
        referral = self._referrals[fetched.case_id].get(fetched.referral_id)
        if referral is not None and referral.to_unit == fetched.to_unit and referral.state is REQUESTED:
            self._move(steps(referral, Act.RECEIVE, {}), fetched.acted_by, cause, now)

    def _open(self, case_id: CaseId) -> Sequence[Referral]:
        return [referral for referral in self._referrals[case_id].values() if referral.state in OPEN]

    def _open_cooperations(self, case_id: CaseId) -> Sequence[Cooperation]:
        known = self._cooperations.values()
        return [each for each in known if each.case_id == case_id and each.state in OPEN_COOPERATIONS]

    def _tell(self, event: CooperationEvent | None, cause: Received[Any]) -> None:
        if event is not None:
            self._cooperations[event.cooperation_id] = applied(self._cooperations[event.cooperation_id], event)
            self._moved_cooperations.add(event.cooperation_id)
            self.told.append(Caused(event, cause))

    def _end(self, referral: Referral, reason: EndReason, cause: Received[Any], now: datetime) -> None:
        """Nobody acts here but the person or the clock. Closing needs no consent."""
        self._move(steps(referral, Act.CANCEL, {"end_reason": reason}), None, cause, now)

    def _move(self, states: Sequence[Referral], actor: PartnerSlug | None, cause: Received[Any], now: datetime) -> None:
        for referral in states:
            self._referrals[referral.case_id][referral.referral_id] = referral
            self._stands_since[referral.referral_id] = now
            self._moved.add((referral.case_id, referral.referral_id))
            self.told.append(Caused(event_of(referral, actor), cause))

    def _put(self, consent: Consent) -> None:
        self._consents[consent.case_id][consent.consent_id] = consent
        self._changed.add((consent.case_id, consent.consent_id))


def _consent(event: ConsentEvent, state: ConsentState, valid_until: datetime | None) -> Consent:
    direction = Direction(event.case_id, event.from_unit, event.to_unit)
    covers_household = isinstance(event, ConsentSigned) and DataCategory.HOUSEHOLD in event.data_categories
    return Consent(event.consent_id, event.case_id, direction, event.scope, state, valid_until, covers_household)
