"""What becomes of each record of a batch: apply, skip, or park. Pure: no I/O, no clock."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import cast

from schemas import EVENTS, Event, InvalidEvent, Received, UnknownEventType
from services.chassis.handling import Handlers
from services.chassis.keys import Key
from services.chassis.offsets import Partition
from services.chassis.records import Fault, Incoming, Record
from services.chassis.versions import Applied, Step, Stream

WAITS = Fault("waits", "waits behind an event of the same key that could not be applied")


@dataclass(frozen=True)
class Known:
    """What the database said after the locks: parked keys, versions applied, baselines of the partitions."""

    parked: AbstractSet[Key]
    applied: Applied
    baselines: Mapping[Partition, int]


@dataclass
class Plan:
    """The result for a batch. `run` is in the order of the bus; `parked` holds newly parked keys only."""

    run: list[tuple[Incoming, Received[Event]]] = field(default_factory=list)
    letters: list[tuple[Incoming, Fault]] = field(default_factory=list)
    parked: set[Key] = field(default_factory=set)
    moved: dict[Stream, int] = field(default_factory=dict)
    duplicates: int = 0

    @property
    def alarming(self) -> int:
        """How much of it the alarm counts: newly parked keys, and records without a key."""
        return len(self.parked) + sum(1 for incoming, _ in self.letters if incoming.key is None)


class Duplicate:
    """Seen before; nothing to do."""


class Ignored:
    """A type that this service does not handle; it counts as applied."""


def judge(
    incoming: Incoming, applied: Applied, stream: Stream, *, baseline_allowed: bool, handlers: Handlers
) -> Received[Event] | Fault | type[Duplicate] | type[Ignored]:
    """What one record with a readable source and version is, against what was applied before it."""
    version = incoming.version or 0
    step = applied.step(stream, version, incoming.follows, baseline_allowed=baseline_allowed)
    if step is Step.DUPLICATE:
        return Duplicate
    if step is Step.GAP:
        return Fault("gap", f"version {version} came after version {applied.last(stream)}")
    if step is Step.OUTRUN:
        return Fault("outrun", "its producer was restored and does not know events that were applied here")
    if incoming.fault is not None:
        return incoming.fault
    event_class = EVENTS.get(incoming.type or "")
    if event_class is None:
        return Fault("unknown-type", f"this code does not know the type {incoming.type}")
    if not handlers.handles(event_class):
        return Ignored
    return decoded(incoming)


def is_below_baseline(record: Record, baselines: Mapping[Partition, int]) -> bool:
    """Whether a record is older than our first look at a topic that was trimmed before it."""
    return bool(baselines) and record.offset < baselines.get(Partition(record.topic, record.partition), 0)


def decoded(incoming: Incoming) -> Received[Event] | Fault:
    """The event, or why its data cannot be read."""
    try:
        return incoming.decoded()
    except (UnknownEventType, InvalidEvent) as error:
        return Fault("undecodable", str(error))


def plan(
    batch: Sequence[Incoming],
    known: Known,
    poison: Mapping[Partition, Mapping[int, Fault]],
    handlers: Handlers,
) -> Plan:
    """Decide for each record of `batch` (in the order of the bus). `known.applied` moves on with what is applied.

    `poison`: records that a handler refused for good, by partition and offset.
    """
    result = Plan()
    for incoming in batch:
        if incoming.key is None:
            result.letters.append((incoming, incoming.fault or WAITS))
            continue
        key = Key(incoming.record.topic, incoming.key)
        poisoned = _poisoned(incoming.record, poison) if poison else None
        if incoming.source is None or incoming.version is None:
            _park(result, known, key, incoming, incoming.fault or WAITS)
            continue
        stream = Stream(key, incoming.source)
        allowed = is_below_baseline(incoming.record, known.baselines)
        verdict = judge(incoming, known.applied, stream, baseline_allowed=allowed, handlers=handlers)
        waits = key in known.parked or key in result.parked
        if verdict is Duplicate:
            result.duplicates += 1
        elif waits or poisoned or isinstance(verdict, Fault):
            fault = WAITS if waits else poisoned or verdict
            _park(result, known, key, incoming, cast(Fault, fault))
            _run_terminal(result, incoming, handlers, poisoned)
        else:
            result.moved[stream] = incoming.version
            known.applied.move(stream, incoming.version)
            if isinstance(verdict, Received):
                result.run.append((incoming, verdict))
    return result


def _poisoned(record: Record, poison: Mapping[Partition, Mapping[int, Fault]]) -> Fault | None:
    return poison.get(Partition(record.topic, record.partition), {}).get(record.offset)


def _park(result: Plan, known: Known, key: Key, incoming: Incoming, fault: Fault) -> None:
    result.letters.append((incoming, fault))
    if key not in known.parked:
        result.parked.add(key)


def _run_terminal(result: Plan, incoming: Incoming, handlers: Handlers, poisoned: Fault | None) -> None:
    """An end is applied at once although its key is parked: it waits in its place and leaves its tombstone now."""
    event_class = EVENTS.get(incoming.type or "")
    if poisoned or not incoming.is_terminal or event_class is None or not handlers.handles(event_class):
        return
    event = decoded(incoming)
    if isinstance(event, Received):
        result.run.append((incoming, event))
