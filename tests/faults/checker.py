"""The checker: what the ledger asks for against what the partners got. Pure: no I/O, no clock."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from tests.faults.expected import Expected, Rule
from tests.faults.heard import Fact, Heard

Streams = Mapping[str, Sequence[Heard]]
"""What each partner read of its stream, in the order of the records."""


class Fault(StrEnum):
    """What can be wrong."""

    LOST = "lost"
    GAP = "gap"
    ORDER = "out of order"
    DUPLICATE = "duplicate that is not the same"
    UNEXPECTED = "not for this partner"
    AFTER_END = "after the end"
    CONTENT = "content"
    NUMBERS = "numbers"
    PARKED = "parked"
    ANSWER = "answer"
    STOPPED = "the scenario did not come to its end"


COUNTED_AS_LOST = frozenset({Fault.LOST, Fault.GAP})
COUNTED_AS_OUT_OF_ORDER = frozenset({Fault.ORDER, Fault.AFTER_END})


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    fault: Fault
    partner: str
    text: str

    def __str__(self) -> str:
        return f"{self.fault}: {self.partner}: {self.text}"


@dataclass
class Seen:
    """Where each fact stands first in each partner's stream."""

    first: dict[tuple[str, Fact], Heard] = field(default_factory=dict)

    def at(self, partner: str, fact: Fact) -> int | None:
        """The position of a fact's first occurrence; None when it has not come."""
        found = self.first.get((partner, fact))
        return found.position if found else None

    def add(self, heard: Heard) -> None:
        """Take in one record."""
        self.first.setdefault((heard.partner, heard.fact), heard)


def seen_in(streams: Streams) -> Seen:
    """The first occurrences of everything in the streams."""
    seen = Seen()
    for stream in streams.values():
        for heard in stream:
            seen.add(heard)
    return seen


def check(expected: Sequence[Expected], streams: Streams) -> list[Finding]:
    """Everything that is wrong with the streams, given what was to be heard."""
    return [*check_numbering(streams), *check_facts(expected, streams)]


def check_numbering(streams: Streams) -> list[Finding]:
    """What is wrong with the streams in themselves, each from its first record on."""
    return [finding for stream in streams.values() for finding in check_stream(stream)]


def check_facts(expected: Sequence[Expected], streams: Streams) -> list[Finding]:
    """What is wrong with what the streams tell; they may begin anywhere."""
    seen, found = seen_in(streams), list[Finding]()
    found += lost(expected, seen)
    found += disordered(expected, seen)
    found += told_after_the_end(expected, seen)
    found += wrong_content(expected, seen)
    found += unexpected(expected, streams)
    return found


def check_stream(stream: Sequence[Heard]) -> Iterator[Finding]:
    """Numbers rise by one from the first record on; what comes again is the same; nothing is told under two numbers."""
    by_number: dict[int, Heard] = {}
    number_of: dict[Fact, int] = {}
    last = 0
    for heard in stream:
        if heard.number in by_number:
            before = by_number[heard.number]
            if (before.ce_id, before.digest) != (heard.ce_id, heard.digest):
                yield Finding(
                    Fault.DUPLICATE, heard.partner, f"number {heard.number}: {before.fact}, then {heard.fact}"
                )
            continue
        by_number[heard.number] = heard
        if heard.number != last + 1:
            yield Finding(Fault.GAP, heard.partner, f"number {heard.number} came after {last}")
        last = max(last, heard.number)
        told = number_of.setdefault(heard.fact, heard.number)
        if told != heard.number:
            yield Finding(Fault.DUPLICATE, heard.partner, f"{heard.fact} under numbers {told} and {heard.number}")


def missing(expected: Iterable[Expected], seen: Seen) -> list[Expected]:
    """What must have arrived and has not."""
    return [each for each in expected if _must_be_there(each, seen) and seen.at(each.partner, each.fact) is None]


def _must_be_there(each: Expected, seen: Seen) -> bool:
    if each.rule is Rule.WITH and each.given is not None:
        return seen.at(each.partner, each.given) is not None
    return each.rule is Rule.MUST


def lost(expected: Sequence[Expected], seen: Seen) -> Iterator[Finding]:
    """What had to arrive and did not, and what did not though something later of the same referral did."""
    for each in missing(expected, seen):
        yield Finding(Fault.LOST, each.partner, f"{each.fact} (change {each.number})")
    for group in _groups(expected):
        later = False
        for each in reversed(group):
            here = seen.at(each.partner, each.fact) is not None
            if later and not here:
                yield Finding(Fault.LOST, each.partner, f"{each.fact} (change {each.number}), but later ones came")
            later = later or here


def _groups(expected: Iterable[Expected]) -> Iterable[list[Expected]]:
    groups: dict[str, list[Expected]] = defaultdict(list)
    for each in expected:
        if each.rule is Rule.MAY and each.group:
            groups[each.group].append(each)
    return [sorted(group, key=lambda each: each.place) for group in groups.values()]


def disordered(expected: Sequence[Expected], seen: Seen) -> Iterator[Finding]:
    """First occurrences that stand in another order than the changes were made in."""
    chains: dict[tuple[str, str], list[tuple[Expected, int]]] = defaultdict(list)
    for each in expected:
        at = seen.at(each.partner, each.fact)
        if at is None:
            continue
        if each.chain:
            chains[each.partner, each.chain].append((each, at))
        for before in each.after:
            earlier = seen.at(each.partner, before)
            if earlier is not None and earlier > at:
                yield Finding(Fault.ORDER, each.partner, f"{each.fact} before {before}")
    for (partner, _), chain in chains.items():
        for (one, first), (other, second) in pairwise(sorted(chain, key=lambda pair: pair[0].place)):
            if first > second:
                yield Finding(Fault.ORDER, partner, f"{other.fact} before {one.fact}")


def told_after_the_end(expected: Iterable[Expected], seen: Seen) -> Iterator[Finding]:
    """What does not close anything and stands after what ended its referral, or the consent it rested on."""
    for each in expected:
        at = seen.at(each.partner, each.fact)
        for end in each.ends:
            ended = seen.at(each.partner, end)
            if at is not None and ended is not None and ended < at:
                yield Finding(Fault.AFTER_END, each.partner, f"{each.fact} after {end}")


def wrong_content(expected: Iterable[Expected], seen: Seen) -> Iterator[Finding]:
    """What arrived with other values than were acknowledged, or with a field its reader may not see."""
    for each in expected:
        heard = seen.first.get((each.partner, each.fact))
        if heard is None:
            continue
        for name, value in each.data.items():
            if heard.data.get(name) != value:
                yield Finding(Fault.CONTENT, each.partner, f"{each.fact}: {name} is {heard.data.get(name)!r}")
        for name in each.absent:
            if name in heard.data:
                yield Finding(Fault.CONTENT, each.partner, f"{each.fact} shows {name}")


def unexpected(expected: Iterable[Expected], streams: Streams) -> Iterator[Finding]:
    """What a partner got that the ledger gives it no right to: never acknowledged, or not allowed by the person."""
    allowed = {(each.partner, each.fact) for each in expected}
    for partner, stream in streams.items():
        for fact in dict.fromkeys(heard.fact for heard in stream):
            if (partner, fact) not in allowed:
                yield Finding(Fault.UNEXPECTED, partner, str(fact))
    seen = seen_in(streams)
    for each in expected:
        is_orphan = each.given is not None and seen.at(each.partner, each.given) is None
        if each.rule is Rule.WITH and is_orphan and seen.at(each.partner, each.fact) is not None:
            yield Finding(Fault.UNEXPECTED, each.partner, f"{each.fact} without {each.given}")
