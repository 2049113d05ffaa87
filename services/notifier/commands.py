"""The verb of the notifier: tell a run of events to everyone entitled, in a constant number of statements."""

from collections import Counter as Counts
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import TypeVar
from uuid import UUID

from prometheus_client import Counter

from schemas import (
    CaseEvent,
    CaseId,
    CooperationEvent,
    Event,
    EventId,
    PartnerInformed,
    PartnerSlug,
    Party,
    RecallAcknowledged,
    RecallOpened,
    Received,
    ReferralEvent,
    Told,
    Topic,
    dataschema,
    key_for,
    stream_headers,
    subject_for,
    view_for,
)
from schemas.codes import RecallAction
from services.chassis import outbox, tally
from services.chassis.config import StartError
from services.chassis.db import Connection
from services.chassis.keys import Key, lock_keys
from services.chassis.metrics import REGISTRY
from services.chassis.outbox import StreamRecord
from services.chassis.pairwise import References
from services.chassis.problems import NOT_FOUND, Refusal
from services.chassis.records import Incoming
from services.notifier import store
from services.notifier.model import Consents, Entry, Ledger, audience, consent_of, judge, matter_of

# About 150 bytes each: one `partner.informed` stays well below what the bus takes.
EVENTS_A_BATCH = 1000

DELIVERIES = Counter("lotse_deliveries", "What became of events, partner by partner", ["result"], registry=REGISTRY)

ANSWERED_ALREADY = Refusal(
    409,
    "recall-acknowledged",
    "Your partner has given another answer to this recall; the first stays, see GET /v1/recalls?state=all.",
    field="action",
)

T = TypeVar("T")


@dataclass(frozen=True)
class Office:
    """Where streams are written: the agreement's slug, its partners, and their own references to ids.

    recall_within: how long a partner has to answer a recall.
    """

    agreement: str
    partners: frozenset[PartnerSlug]
    references: References
    recall_within: timedelta

    def record(self, entry: Entry, party: Party, number: int) -> StreamRecord:
        """The event as a record of the partner's stream: nothing in it joins it to another partner's."""
        event, partner = entry.event, entry.partner
        reference = partial(self.references.reference, partner)
        event_id, key = UUID(hex=reference(event.id)), key_for(event.data, reference)
        headers = stream_headers(
            id=event_id,
            source=f"/{self.agreement}/{partner}",
            type=event.type,
            time=event.time,
            subject=subject_for(event.data, reference),
            dataschema=dataschema(type(event.data), partner=True),
            sequence=number,
            key=key,
        )
        value = view_for(event.data, party, entry.scopes, reference)
        return StreamRecord(event_id, partner, key, headers, value)


async def tell(conn: Connection, office: Office, events: Sequence[Received[Event]], now: datetime) -> None:
    """Tell events in the order of the bus: number, project, write outbox and ledger, and report who was informed."""
    consents, ledger = await _load(conn, events)
    entries = judge(events, office.partners, consents, ledger, now)
    if consents.changed:
        await store.save_consents(conn, consents.changed)
    if consents.newly_erased:
        await store.save_erased(conn, consents.newly_erased, now)
    if entries:
        await _write(conn, office, entries, ledger, now)
    _count(office, events, entries, ledger)


async def _load(conn: Connection, events: Sequence[Received[Event]]) -> tuple[Consents, Ledger]:
    consents = await _consents(conn, events)
    ledger = Ledger()
    told, found = await store.knowing_of(conn, [event.id for event in events])
    for event_id, partner in told:
        ledger.entries[event_id].add(partner)
    for each in found:
        ledger.found[each.event_id].append(each)
    asked = _asked(events)
    for key, trace in await store.traces_of(conn, asked) if asked else ():
        ledger.traces[key].append(trace)
    return consents, ledger


async def _consents(conn: Connection, events: Sequence[Received[Event]]) -> Consents:
    cases = {event.data.case_id for event in events if isinstance(event.data, CaseEvent)}
    return Consents(*await store.known_of(conn, cases)) if cases else Consents()


def _asked(events: Sequence[Received[Event]]) -> dict[tuple[str, str], bool]:
    """What is asked of the ledger: whom an end concerns (all of a key), and for whom something has ended."""
    asked: dict[tuple[str, str], bool] = {}
    for event in events:
        if event.data.closing:
            asked[event.topic, event.key] = True
        elif isinstance(event.data, ReferralEvent | CooperationEvent):
            asked.setdefault((event.topic, event.key), False)
    return asked


async def _write(conn: Connection, office: Office, entries: Sequence[Entry], ledger: Ledger, now: datetime) -> None:
    await _lock_deliveries(conn, entries)
    numbered = await _number(conn, entries)
    records = [office.record(entry, entry.party, number) for entry, number in numbered if entry.party and number]
    if records:
        await outbox.append_to_streams(conn, records)
    lines = [_line(entry, number) for entry, number in numbered]
    await store.insert_lines(conn, lines, now)
    news = [line for line in lines if not ledger.is_reported(line.event_id, line.partner, line.number)]
    await _report(conn, news, now)
    await _recall(conn, office, entries, now)
    await store.forget_found(conn, [entry.found for entry in entries if entry.found])


async def _recall(conn: Connection, office: Office, entries: Sequence[Entry], now: datetime) -> None:
    """Ask for an answer; what was asked before a restore, as the bus says, is not asked again."""
    wanted = [_recall_of(entry, now + office.recall_within) for entry in entries if entry.is_recalled]
    if wanted:
        opened = await store.insert_recalls(conn, wanted, now)
        await outbox.publish_all(conn, [(recall, None) for recall in opened], at=now)


def _recall_of(entry: Entry, due_at: datetime) -> RecallOpened:
    event = entry.event
    return RecallOpened(
        partner=entry.partner,
        event_id=EventId(event.id),
        closing_type=event.type,
        case_id=CaseId(UUID(event.key)),
        consent_id=consent_of(event.data),
        due_at=due_at,
    )


async def acknowledge(
    conn: Connection, partner: PartnerSlug, event_id: EventId, action: RecallAction, now: datetime
) -> store.RecallRow | Refusal:
    """Keep and tell what a partner did after an end; the first answer stays, the same one again changes nothing."""
    known = await store.recall(conn, partner, event_id)
    if known is None:
        return NOT_FOUND
    if known.action is None:
        await store.acknowledge(conn, partner, event_id, action, now)
        said = RecallAcknowledged(partner=partner, event_id=event_id, action=action)
        await outbox.publish(conn, said, at=now)
        return known._replace(action=action, acknowledged_at=now)
    return known if known.action is action else ANSWERED_ALREADY


def _count(office: Office, events: Sequence[Received[Event]], entries: Sequence[Entry], ledger: Ledger) -> None:
    """Count each partner an event was meant for: told, told of an end, knew it already, or not entitled to it."""
    withheld = 0
    for event in events:
        if event.data.audience:
            withheld += len(audience(event.data, office.partners, ()).keys() - ledger.entries.get(event.id, set()))
    tally.count(DELIVERIES.labels("withheld"), withheld)
    for result, number in Counts(map(_result, entries)).items():
        tally.count(DELIVERIES.labels(result), number)


def _result(entry: Entry) -> str:
    if entry.party is None:
        return "known"
    return "closing" if entry.event.data.closing else "told"


async def _lock_deliveries(conn: Connection, entries: Iterable[Entry]) -> None:
    """After the keys of the events: the keys of the deliveries, then the streams, each sorted.

    Whoever holds one of these waits for no key of an event any more, so that two processes never wait for each other
    crosswise.
    """
    partners = {entry.partner for entry in entries if entry.party or entry.found or entry.is_recalled}
    if partners:
        await lock_keys(conn, [Key(Topic.DELIVERIES, partner) for partner in partners])


async def _number(conn: Connection, entries: Sequence[Entry]) -> list[tuple[Entry, int | None]]:
    """Give each entry that is told the next number of its partner's stream; one that was found there has its own."""
    counts = Counts(entry.partner for entry in entries if entry.party is not None)
    following = await store.take_numbers(conn, counts) if counts else {}
    numbered: list[tuple[Entry, int | None]] = []
    for entry in entries:
        number = entry.found.number if entry.found else None
        if entry.party is not None:
            number = following[entry.partner]
            following[entry.partner] += 1
        numbered.append((entry, number))
    return numbered


def _line(entry: Entry, number: int | None) -> store.Line:
    event = entry.event
    about = (matter_of(event.data), entry.consent_id)
    return store.Line(event.id, entry.partner, event.topic, event.key, event.type, number, *about)


async def _report(conn: Connection, lines: Iterable[store.Line], now: datetime) -> None:
    """Publish who was told of which events, one event per partner and batch."""
    by_partner: dict[str, list[Told]] = defaultdict(list)
    for line in lines:
        if line.number is not None:
            by_partner[line.partner].append(_told(line, line.number))
    informed = [
        PartnerInformed(partner=PartnerSlug(partner), events=batch)
        for partner, events in by_partner.items()
        for batch in _batches(events, EVENTS_A_BATCH)
    ]
    await outbox.publish_all(conn, [(event, None) for event in informed], at=now)


def _told(line: store.Line, number: int) -> Told:
    case_id = CaseId(UUID(line.key)) if line.topic == Topic.CASES else None
    return Told(event_id=EventId(line.event_id), type=line.type, number=number, case_id=case_id)


def _batches(items: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    rest = iter(items)
    while batch := tuple(islice(rest, size)):
        yield batch


async def foresee(conn: Connection, events: Sequence[Received[Event]], now: datetime) -> None:
    """Take in what was ended since a backup, before anything else is judged: nothing is told that was ended since."""
    consents = await _consents(conn, events)
    for event in events:
        consents.apply(event.data)
    await store.save_consents(conn, consents.changed)
    await store.save_erased(conn, consents.newly_erased, now)


async def adopt_stream(conn: Connection, office: Office, partner: str, batch: Sequence[Incoming]) -> None:
    """Take in what a partner's stream holds beyond what a restored ledger knows of; numbers go on behind it."""
    numbers = {}
    for incoming in batch:
        if incoming.envelope is None:
            # Nobody but the notifier writes there, so this stops the recovery until somebody has looked.
            raise StartError(
                f"The stream of {partner} holds a record that is not Lotse's at offset {incoming.record.offset}: "
                "its numbers cannot be continued. See docs/operations.md, Backups and restore."
            )
        numbers[office.references.resolve(partner, incoming.envelope.id.hex)] = incoming.envelope.sequence
    await store.save_found(conn, partner, numbers)


async def adopt_informed(conn: Connection, informed: PartnerInformed) -> None:
    """Take in what reporting has heard of."""
    await store.save_reported(conn, informed.partner, {told.event_id: told.number for told in informed.events})
