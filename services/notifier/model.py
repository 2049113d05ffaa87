"""The rules: who is told of an event at a given moment, given the consents and what was told before."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from schemas import (
    CaseEvent,
    CaseId,
    ConsentEvent,
    ConsentExpiring,
    ConsentId,
    ConsentRenewed,
    ConsentSigned,
    CooperationEnded,
    CooperationEvent,
    CooperationLapsed,
    CooperationLinked,
    DirectoryEvent,
    Event,
    PartnerSlug,
    Party,
    PersonCorrected,
    PersonDisclosed,
    PersonErased,
    Received,
    ReferralEnded,
    ReferralEnteredInError,
    ReferralEvent,
    ReferralLinked,
    ReferralRequested,
    ReferralStatusShared,
    UnitId,
    is_audible,
    partner_of,
)
from schemas.codes import ReferralState, Scope

Way: TypeAlias = tuple[CaseId, UnitId, UnitId]
"""One case, and the units from and to which something is told."""
NOTHING: frozenset[Scope] = frozenset()
ENDS = (ReferralEnded, ReferralEnteredInError, CooperationEnded, CooperationLapsed)
"""After one of these a partner hears of the referral or cooperation no more, whatever a parked key brings late."""
OVER = frozenset({ReferralState.CANCELLED, ReferralState.DETACHED})
"""States that only the closing event tells of."""


@dataclass(frozen=True, slots=True)
class Consent:
    """One consent as the notifier knows it; `valid_until` is None when it ended before we heard of its beginning."""

    consent_id: ConsentId
    case_id: CaseId
    from_unit: UnitId
    to_unit: UnitId
    scope: Scope
    valid_until: datetime | None
    ended: bool

    def is_valid_at(self, now: datetime) -> bool:
        """Whether something may rest on it at `now`."""
        return not self.ended and self.valid_until is not None and now < self.valid_until


class Consents:
    """The consents of some cases while a run of events is judged one by one.

    An end is for good: a beginning that arrives later, even for a consent not known until then, revives nothing.
    """

    def __init__(self, known: Iterable[Consent] = (), erased: Iterable[CaseId] = ()) -> None:
        self._by_id: dict[ConsentId, Consent] = {}
        self._by_pair: dict[tuple[CaseId, UnitId, UnitId], set[ConsentId]] = defaultdict(set)
        self._erased = set(erased)
        self._touched: set[ConsentId] = set()
        self.newly_erased: set[CaseId] = set()
        for consent in known:
            self._put(consent)

    def apply(self, event: Event) -> None:
        """Take in what an event says about consents; most say nothing."""
        if isinstance(event, ConsentSigned):
            self._sign(event)
        elif isinstance(event, ConsentEvent) and event.terminal:
            self._end(event)
        elif isinstance(event, PersonErased) and event.case_id not in self._erased:
            self._erased.add(event.case_id)
            self.newly_erased.add(event.case_id)

    def scopes(self, case_id: CaseId, from_unit: UnitId, to_unit: UnitId, now: datetime) -> frozenset[Scope]:
        """What the valid consents of a case allow in one direction at `now`."""
        return frozenset(each.scope for each in self._valid(case_id, from_unit, to_unit, now))

    def holding(self, way: Way, scope: Scope, now: datetime) -> Sequence[ConsentId]:
        """The valid consents that allow this in one direction at `now`, as they were recorded."""
        return sorted(each.consent_id for each in self._valid(*way, now) if each.scope is scope)

    def _valid(self, case_id: CaseId, from_unit: UnitId, to_unit: UnitId, now: datetime) -> list[Consent]:
        if case_id in self._erased:
            return []
        known = [self._by_id[each] for each in self._by_pair.get((case_id, from_unit, to_unit), ())]
        return [each for each in known if each.is_valid_at(now)]

    @property
    def changed(self) -> list[Consent]:
        """The consents that the events applied here began or ended, in the order of their ids."""
        return [self._by_id[consent_id] for consent_id in sorted(self._touched)]

    def _sign(self, event: ConsentSigned) -> None:
        """Given or renewed; what is over stays over, and a consent given twice keeps the time it was renewed to."""
        known = self._by_id.get(event.consent_id)
        if known is None:
            self._touch(_consent(event, valid_until=event.valid_until, ended=False))
        elif not known.ended and isinstance(event, ConsentRenewed):
            self._touch(replace(known, valid_until=event.valid_until))

    def _end(self, event: ConsentEvent) -> None:
        known = self._by_id.get(event.consent_id) or _consent(event, valid_until=None, ended=True)
        self._touch(replace(known, ended=True))

    def _touch(self, consent: Consent) -> None:
        self._put(consent)
        self._touched.add(consent.consent_id)

    def _put(self, consent: Consent) -> None:
        self._by_id[consent.consent_id] = consent
        self._by_pair[consent.case_id, consent.from_unit, consent.to_unit].add(consent.consent_id)


def _consent(event: ConsentEvent, *, valid_until: datetime | None, ended: bool) -> Consent:
    return Consent(event.consent_id, event.case_id, event.from_unit, event.to_unit, event.scope, valid_until, ended)


def matter_of(event: Event) -> UUID | None:
    """The referral or the cooperation that an event speaks of."""
    if isinstance(event, CooperationEvent):
        return event.cooperation_id
    return event.referral_id if isinstance(event, ReferralEvent | PersonDisclosed | PersonCorrected) else None


def consent_of(event: Event) -> ConsentId | None:
    """The consent that an event speaks of or rests on, whoever is told; of a referral's events the request names it."""
    return event.consent_id if isinstance(event, ConsentEvent | ReferralRequested | ReferralLinked) else None


@dataclass(frozen=True, slots=True)
class Trace:
    """What a row of the ledger says that a partner knows of; `is_end`: that this referral or cooperation has ended."""

    partner: PartnerSlug
    matter_id: UUID | None
    consent_id: ConsentId | None
    is_end: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What a restored notifier found on the bus: a partner was told of an event, and reporting heard of it.

    number: its place in the partner's stream; reported_number: the one that reporting heard of.
    """

    event_id: UUID
    partner: PartnerSlug
    number: int | None
    reported_number: int | None


@dataclass
class Ledger:
    """Who knows of what: of an event (`entries`, by its id), and of what events of a (topic, key) spoke of (`traces`).

    `found`: what a restored ledger has forgotten and the streams hold, by event.
    """

    entries: dict[UUID, set[PartnerSlug]] = field(default_factory=lambda: defaultdict(set))
    found: dict[UUID, list[Found]] = field(default_factory=lambda: defaultdict(list))
    traces: dict[tuple[str, str], list[Trace]] = field(default_factory=lambda: defaultdict(list))

    def informed(self, event: Received[Event]) -> set[PartnerSlug]:
        """Who knows of what a closing event ends: the referral, cooperation, consent to a transfer, else the case."""
        data, traces = event.data, self._traces_at(event)
        if isinstance(data, ReferralEvent | CooperationEvent):
            return {each.partner for each in traces if each.matter_id == matter_of(data)}
        if isinstance(data, ConsentEvent) and data.scope is Scope.TRANSFER:
            return _relying_on(traces, data.consent_id)
        return {each.partner for each in traces}

    def recalled(self, event: Received[Event]) -> set[PartnerSlug]:
        """Who has to say what became of what it knows, once this event has ended a consent or erased the person.

        Of a consent its recipient, if it was told of or fetched anything on it, even where it recorded the end itself;
        of an erased person everybody who knows of the case, but who erased it.
        """
        data = event.data
        if isinstance(data, ConsentEvent) and data.terminal:
            return _relying_on(self._traces_at(event), data.consent_id) & {partner_of(data.to_unit)}
        if isinstance(data, PersonErased):
            return {partner for partner in self.informed(event) if partner != acting(data)}
        return set()

    def is_reported(self, event_id: UUID, partner: str, number: int | None) -> bool:
        """Whether reporting has heard, before a restore, that the event has this number in the partner's stream."""
        return any(
            each.partner == partner and each.reported_number == number and number is not None
            for each in self.found.get(event_id, ())
        )

    def knows_end(self, event: Received[Event], partner: PartnerSlug) -> bool:
        """Whether the partner knows already that the event's referral or cooperation has ended."""
        matter_id = matter_of(event.data)
        return any(
            each.is_end and each.partner == partner and each.matter_id == matter_id for each in self._traces_at(event)
        )

    def _traces_at(self, event: Received[Event]) -> Collection[Trace]:
        return self.traces.get((event.topic, event.key), ())

    def note(self, event: Received[Event], entries: Collection["Entry"]) -> None:
        """Write that these partners know of an event, and so of what it spoke of."""
        self.entries[event.id].update(entry.partner for entry in entries)
        matter_id, is_end = matter_of(event.data), isinstance(event.data, ENDS)
        traces = self.traces[event.topic, event.key]
        traces.extend(Trace(entry.partner, matter_id, entry.consent_id, is_end) for entry in entries)


def _relying_on(traces: Collection[Trace], consent_id: ConsentId) -> set[PartnerSlug]:
    """Who recorded a consent, or knows a referral requested under it or a cooperation of which it let somebody tell."""
    matters = {each.matter_id for each in traces if each.consent_id == consent_id and each.matter_id}
    return {each.partner for each in traces if each.consent_id == consent_id or each.matter_id in matters}


@dataclass(frozen=True, slots=True)
class Entry:
    """One partner's knowledge of one event.

    `party`: as whom it is told; None when it is not told because it knows already: it acted, it fetched, or its
    stream has the event, as `found` then says.
    `scopes`: what the consents allow it to see as that party.
    `told_under`: the consent by which a participant of a cooperation hears of it.
    `is_recalled`: whether it has to say what became of what it knew before.
    """

    event: Received[Event]
    partner: PartnerSlug
    party: Party | None
    scopes: frozenset[Scope] = NOTHING
    found: Found | None = None
    is_recalled: bool = False
    told_under: ConsentId | None = None

    @property
    def consent_id(self) -> ConsentId | None:
        """The consent that the event speaks of, rests on or was told under."""
        return consent_of(self.event.data) or self.told_under


def judge(
    events: Sequence[Received[Event]],
    partners: Collection[PartnerSlug],
    consents: Consents,
    ledger: Ledger,
    now: datetime,
) -> list[Entry]:
    """Decide for events in the order of the bus who is told, each with what holds after the events before it.

    `consents` and `ledger` take in the events. An event that a partner has in its ledger already gives no entry.
    """
    entries: list[Entry] = []
    for event in events:
        consents.apply(event.data)
        known_to = ledger.entries.get(event.id, set())
        recalled = ledger.recalled(event) if event.data.closing else frozenset[PartnerSlug]()
        new: dict[PartnerSlug, Entry] = {}
        for entry in _due(event, partners, consents, ledger, now):
            if entry.partner not in known_to:
                new.setdefault(entry.partner, replace(entry, is_recalled=entry.partner in recalled))
        if new:
            ledger.note(event, new.values())
            entries.extend(new.values())
    return entries


def _due(
    event: Received[Event],
    partners: Collection[PartnerSlug],
    consents: Consents,
    ledger: Ledger,
    now: datetime,
) -> Iterator[Entry]:
    """What an event gives rise to; of two entries for one partner the first counts."""
    # What a stream holds was told, whatever would be decided now.
    for found in ledger.found.get(event.id, ()):
        if found.number:
            yield Entry(event, found.partner, None, found=found)
    if event.data.audience:
        yield from _told(event, partners, consents, ledger, now)
    for partner in sorted(knowing(event.data)):
        if partner in partners:
            yield Entry(event, partner, None)


def _told(
    event: Received[Event],
    partners: Collection[PartnerSlug],
    consents: Consents,
    ledger: Ledger,
    now: datetime,
) -> list[Entry]:
    data = event.data
    informed = ledger.informed(event) if data.closing else frozenset[PartnerSlug]()
    named = audience(data, partners, informed)
    if isinstance(data, CooperationEvent):
        return _told_together(event, data, named, informed, consents, ledger, now)
    scopes = feedback_scopes(data, consents, now)
    if data.closing:
        told = [partner for partner in named if partner in informed]
    elif not is_told_now(data, consents, now):
        told = []
    else:
        told = [
            partner
            for partner, party in named.items()
            if is_audible(type(data), party, scopes) and not ledger.knows_end(event, partner)
        ]
    return [Entry(event, partner, named[partner], scopes) for partner in sorted(told)]


def _told_together(
    event: Received[Event],
    data: CooperationEvent,
    named: Mapping[PartnerSlug, Party],
    informed: Collection[PartnerSlug],
    consents: Consents,
    ledger: Ledger,
    now: datetime,
) -> list[Entry]:
    """Each participant hears another under the consent from that one to itself; an end, if it knew, without."""
    units = {partner_of(unit): unit for unit in data.participants()}
    entries = []
    for partner, party in sorted(named.items()):
        way = None if data.unit is None else (data.case_id, data.unit, units[partner])
        scopes = consents.scopes(*way, now) if way else NOTHING
        under = consents.holding(way, Scope.COOPERATION, now) if way else []
        if isinstance(data, CooperationLinked):
            under = [each for each in under if each in data.rests_on]
        if data.closing:
            is_told = partner in informed
        else:
            is_told = bool(under) and is_audible(type(data), party, scopes) and not ledger.knows_end(event, partner)
        if is_told:
            entries.append(Entry(event, partner, party, scopes, told_under=next(iter(under), None)))
    return entries


def audience(
    event: Event, partners: Collection[PartnerSlug], informed: Collection[PartnerSlug]
) -> Mapping[PartnerSlug, Party]:
    """Which partners the event's class is meant for, and as whom; never the one that acted."""
    words = event.audience
    named: dict[PartnerSlug, Party] = {}
    if Party.OTHERS in words:
        named |= dict.fromkeys(partners, Party.OTHERS)
    if Party.INFORMED in words:
        named |= dict.fromkeys(informed, Party.INFORMED)
    named |= {partner: party for party, partner in event.parties().items() if party in words}
    if Party.PARTICIPANT in words:
        named |= {partner_of(unit): Party.PARTICIPANT for unit in event.participants()}
    actor = acting(event)
    return {partner: party for partner, party in named.items() if partner != actor and partner in partners}


def is_told_now(event: Event, consents: Consents, now: datetime) -> bool:
    """Whether an event that closes nothing may be told at `now`.

    A referral, and what was corrected of a person who was referred, needs the TRANSFER consent to hold; that somebody
    belongs to a household the one that names it; the reminder that a consent will expire that consent itself.
    """
    if isinstance(event, ReferralStatusShared) and event.status in OVER:
        return False
    if isinstance(event, ReferralLinked):
        way = (event.case_id, event.from_unit, event.to_unit)
        return event.consent_id in consents.holding(way, Scope.TRANSFER, now)
    if isinstance(event, ReferralEvent | PersonCorrected):
        return Scope.TRANSFER in consents.scopes(event.case_id, event.from_unit, event.to_unit, now)
    if isinstance(event, ConsentExpiring):
        return event.scope in consents.scopes(event.case_id, event.from_unit, event.to_unit, now)
    # What else is said about a person has no consent it could rest on; directory and circle speak of none.
    return not isinstance(event, CaseEvent)


def feedback_scopes(event: Event, consents: Consents, now: datetime) -> frozenset[Scope]:
    """What the person allowed the service to tell the partner that referred."""
    if not isinstance(event, ReferralEvent):
        return NOTHING
    return consents.scopes(event.case_id, event.to_unit, event.from_unit, now)


def acting(event: Event) -> PartnerSlug | None:
    """The partner that caused the event; None when the person or a job did."""
    return event.acted_by if isinstance(event, CaseEvent | DirectoryEvent) else None


def knowing(event: Event) -> set[PartnerSlug]:
    """The partners that know of the event without being told: the one that acted, the one that fetched."""
    fetched = event.parties().values() if isinstance(event, PersonDisclosed) else ()
    actor = acting(event)
    return {*fetched, *([actor] if actor else [])}
