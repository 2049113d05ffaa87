"""Routing: which services fit a person, as proposals in order with the reasons; a human decides. Nothing is kept."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import NamedTuple

from schemas import CapacityState, OfferId, UnitId
from schemas.codes import ServiceType
from schemas.directory import Capacity
from schemas.routing import ConsentAnswer, Priority, ProposalKind, Question, RankedBy, Requirement
from schemas.routing_file import RoutingFile, Rule


class Reason(NamedTuple):
    """Why something is proposed: the rule, its reason code, and the sentence for the clerk."""

    rule: str
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Provider:
    """A unit that gives a kind of service, with those of its offers of that kind that can be used now.

    places: what it says of the offer with the best prospect; None where it has not said. reasons: why it stands where
    it stands among the others. is_stale: it has not said for long that any of these offers is right.
    """

    unit: UnitId
    service_type: ServiceType
    offers: tuple[OfferId, ...] = ()
    languages: frozenset[str] = frozenset()
    places: CapacityState | None = None
    reasons: tuple[Reason, ...] = ()
    is_stale: bool = False


def best_places(said: Sequence[CapacityState | None]) -> CapacityState | None:
    """What a unit says of the offer with the best prospect, the soonest of several that are full."""
    return min(said, key=lambda each: (_fullness(each), _expected(each)), default=None)


def _fullness(places: CapacityState | None) -> int:
    """0: there are places as far as is known; 1: there is a waiting list; 2: there is not even that."""
    return _FULLNESS.get(places.capacity, 0) if places is not None and places.capacity else 0


def _expected(places: CapacityState | None) -> date:
    return places.expected_from if places is not None and places.expected_from else date.max


_FULLNESS = {Capacity.WAITLIST: 1, Capacity.NO_CAPACITY: 2}


@dataclass(frozen=True, slots=True)
class Proposal:
    """One thing to do. `to` is the code of a place, None where the person is only informed.

    providers: the units in the order of choice; none for a place outside the agreement.
    """

    kind: ProposalKind
    to: str | None
    reasons: tuple[Reason, ...]
    requires: frozenset[Requirement] = frozenset()
    priority: Priority | None = None
    providers: tuple[Provider, ...] = ()


def months_since(day: date, months: Iterable[str]) -> int | None:
    """Count the months begun since the latest of some months (`2025-04`); None without one, 0 for one ahead.

    A month gives the benefit of the doubt to its last day: 36 months are over on the first of the 37th.
    """
    latest = max(months, default=None)
    if latest is None:
        return None
    year, month = map(int, latest.split("-"))
    return max(0, (day.year - year) * 12 + day.month - month)


def propose(
    table: RoutingFile, rules: Sequence[Rule], question: Question, providers: Sequence[Provider], today: date
) -> tuple[Proposal, ...]:
    """Say what is proposed for a person, the first choice first; never nothing.

    rules: those of the table that count `today`. providers: who gives which service, in any order.
    """
    fitting = [rule for rule in rules if rule.fits(question)]
    dangers = [rule for rule in fitting if rule.step == "danger"]
    if dangers:
        return _merged(dangers)
    replaced = {each for rule in fitting for each in rule.replaces}
    main = [rule for step in ("service", "also") for rule in fitting if rule.step == step and rule.id not in replaced]
    proposed = [_noted(proposal, fitting) for proposal in _merged(main)]
    return tuple(_placed(table, proposal, question, fitting, providers, today) for proposal in proposed)


def _merged(rules: Sequence[Rule]) -> tuple[Proposal, ...]:
    """One proposal for each thing to do, in the order in which the rules come to it, with all their reasons."""
    found: dict[tuple[ProposalKind, str | None], Proposal] = {}
    for rule in rules:
        kind, reason = rule.then or ProposalKind.INFORM, (Reason(rule.id, rule.reason, rule.text),)
        for to in rule.to or (None,):
            # What is only told stays one proposal for each rule: their texts are what is told.
            place = to if to is not None else rule.id
            known = found.get((kind, place)) or Proposal(kind, to, ())
            requires = known.requires | set(rule.requires)
            found[kind, place] = replace(known, reasons=known.reasons + reason, requires=requires)
    return tuple(found.values())


def _noted(proposal: Proposal, fitting: Sequence[Rule]) -> Proposal:
    """Add to a referral what the rules of the step note say of it."""
    if proposal.kind is not ProposalKind.REFER:
        return proposal
    for rule in fitting:
        if rule.step == "note" and proposal.to in rule.to:
            proposal = replace(
                proposal,
                reasons=(*proposal.reasons, Reason(rule.id, rule.reason, rule.text)),
                requires=proposal.requires | set(rule.requires),
                priority=proposal.priority or rule.priority,
            )
    return proposal


def _placed(
    table: RoutingFile,
    proposal: Proposal,
    question: Question,
    fitting: Sequence[Rule],
    providers: Sequence[Provider],
    today: date,
) -> Proposal:
    """Name the units of a referral, and turn it into what is possible with them and with the person's consent."""
    if proposal.kind is not ProposalKind.REFER:
        return proposal
    of_type = [each for each in providers if each.service_type == proposal.to]
    left = [each for each in of_type if each.unit not in question.silent_units]
    if len(left) < len(of_type):
        silence = Reason(table.silence.id, table.silence.reason, table.silence.text)
        proposal = replace(proposal, reasons=(*proposal.reasons, silence))
    full = Reason(table.full.id, table.full.reason, table.full.text)
    marked = [replace(each, reasons=(full,)) if _fullness(each.places) else each for each in left]
    ordered = _ranked(table.providers.order, marked, question, today)
    refusing = next((rule for rule in fitting if rule.step == "consent"), None)
    if refusing is not None:
        told = Reason(refusing.id, refusing.reason, refusing.text)
        informed = _without_transfer(proposal, ProposalKind.INFORM)
        return replace(informed, reasons=(*proposal.reasons, told), providers=ordered)
    if not ordered:
        return _without_transfer(proposal, ProposalKind.SIGNPOST)
    return _as_consented(replace(proposal, providers=ordered), question)


def _without_transfer(proposal: Proposal, kind: ProposalKind) -> Proposal:
    return replace(proposal, kind=kind, requires=frozenset(), priority=None)


def _as_consented(proposal: Proposal, question: Question) -> Proposal:
    """Where a consent is given, only the units it names are left; where it names none of them, it is asked again."""
    if question.consent is not ConsentAnswer.GIVEN:
        return replace(proposal, requires=proposal.requires | {Requirement.CONSENT})
    named = tuple(each for each in proposal.providers if each.unit in question.named_units)
    if named:
        return replace(proposal, providers=named)
    return replace(proposal, kind=ProposalKind.ASK_AGAIN, requires=proposal.requires | {Requirement.CONSENT})


def _ranked(
    order: Sequence[RankedBy], providers: Sequence[Provider], question: Question, today: date
) -> tuple[Provider, ...]:
    """Put units in order: by what the table says, then those with a usable offer first, then in turn or by id.

    Taking turns goes by the day, so the same question has the same answer all day.
    """
    waiting = sorted(providers, key=lambda each: each.unit)
    if waiting and RankedBy.ALTERNATING in order:
        turn = today.toordinal() % len(waiting)
        waiting = waiting[turn:] + waiting[:turn]
    ranks = [_RANKS[each] for each in order if each in _RANKS]
    return tuple(sorted(waiting, key=lambda each: [*(rank(each, question) for rank in ranks), not each.offers]))


def _by_capacity(provider: Provider, _question: Question) -> int:
    return _fullness(provider.places)


def _by_wish(provider: Provider, question: Question) -> int:
    return int(provider.unit != question.wished_unit)


def _by_language(provider: Provider, question: Question) -> int:
    """0 where a unit offers the person's language; a region or script makes no difference."""
    language = question.language
    speaks = language is not None and language.split("-")[0] in {each.split("-")[0] for each in provider.languages}
    return int(not speaks)


_RANKS: Mapping[RankedBy, Callable[[Provider, Question], int]] = {
    RankedBy.CAPACITY: _by_capacity,
    RankedBy.WISH: _by_wish,
    RankedBy.LANGUAGE: _by_language,
}
"""Where a unit stands by each; the lower, the earlier."""
