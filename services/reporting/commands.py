"""The verbs of reporting: count a run of events, and say what the agreement's clauses amount to."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from schemas import (
    EVENTS,
    DirectoryEvent,
    Event,
    InformationCounted,
    PartnerInformed,
    Received,
)
from schemas.agreement_file import AgreementFile
from schemas.partner_file import Partners
from services.chassis.db import Connection
from services.reporting import store
from services.reporting.model import (
    Facts,
    Result,
    Year,
    counts_at,
    ends,
    is_counted,
    level_of,
    partners_of,
    results,
    year_of,
)
from services.reporting.store import Heard, Published, Seen

COUNTED_TYPES = frozenset(name for name, event_class in EVENTS.items() if is_counted(event_class))
DIRECTORY_TYPES = frozenset(name for name, event_class in EVENTS.items() if issubclass(event_class, DirectoryEvent))


async def count(conn: Connection, events: Sequence[Received[Event]]) -> None:
    """Count a run of events, in at most four statements."""
    information = [each.data for each in events if type(each.data) is InformationCounted]
    seen = Counter(_seen(each) for each in events if each.type in COUNTED_TYPES)
    published = [_published(each) for each in events if each.type in DIRECTORY_TYPES]
    heard = [one for each in events if type(each.data) is PartnerInformed for one in _heard(each, each.data)]
    if information:
        await store.add_information(conn, information)
    if seen:
        await store.add_events(conn, seen)
    if published:
        await store.insert_published(conn, published)
    if heard:
        await store.insert_heard(conn, heard)


def _seen(event: Received[Event]) -> Seen:
    return Seen(year_of(event.time), event.type, *partners_of(event.data))


def _published(event: Received[Event]) -> Published:
    data = event.data
    publisher, _ = partners_of(data)
    return Published(event.id, event.type, event.key, publisher, level_of(data), ends(data), counts_at(event))


def _heard(event: Received[Event], informed: PartnerInformed) -> list[Heard]:
    """Only events of the directory: who was told of which case stays with the notifier."""
    return [
        Heard(told.event_id, informed.partner, event.time) for told in informed.events if told.type in DIRECTORY_TYPES
    ]


async def compliance(
    conn: Connection, agreement: AgreementFile, partners: Partners, year: int | None, now: datetime
) -> tuple[Year, list[Result]]:
    """What each clause amounts to in a year (None: the present one), contacts as at its end or now."""
    bounds = await store.read_year(conn, year, now)
    facts = Facts(
        await store.people_told(conn, bounds.year),
        await store.events_counted(conn, bounds.year),
        await store.tellings(conn, bounds.year),
        await store.valid_contacts(conn, bounds.ends_at),
        await store.trainings_attended(conn, bounds.year),
    )
    return bounds, results(agreement, partners, facts, bounds)
