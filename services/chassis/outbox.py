"""What happened and what is told commit together: events wait here until Kafka has acknowledged them."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from schemas import Event, Received, dataschema, event_headers, new_id, partner_topic
from services.chassis import tracing
from services.chassis.db import Connection
from services.chassis.log import correlation_id

MAX_VALUE_BYTES = 256 * 1024
GIVEN_BY_SQL = frozenset({"ce_source", "ce_sequence"})


class EventTooLarge(ValueError):
    """The event is over 256 KiB and would not fit the bus."""


class KeyNotLocked(LookupError):
    """The event's key was not locked before publishing (see `lock_keys`)."""


class StreamRecord(NamedTuple):
    """One record of a partner's stream: complete, numbered, projected."""

    event_id: UUID
    partner: str
    key: str
    headers: Sequence[tuple[str, bytes]]
    value: bytes


class _Row(NamedTuple):
    event_id: UUID
    topic: str
    key: str
    headers: list[str]
    value: bytes


# One event with the next version of its key; the headers that hold source and version are completed here.
PUBLISH = """
    with next as (
        update chassis.key as k
        set version = case when k.epoch = i.epoch then k.version + 1 else 1 end,
            follows_epoch = case when k.epoch = i.epoch then k.follows_epoch else k.epoch end,
            follows_version = case when k.epoch = i.epoch then k.follows_version else k.version end,
            epoch = i.epoch
        from chassis.identity as i
        where k.topic = $2 and k.key = $3
        returning i.source, k.version, k.follows_epoch, k.follows_version
    )
    insert into chassis.outbox (event_id, topic, key, headers, value)
    select $1, $2, $3,
           $4::text[] || array['ce_source', source, 'ce_sequence', lpad(version::text, 12, '0')]
           || case when version = 1 and follows_version > 0
                   then array['ce_follows', follows_epoch || ':' || follows_version] else '{}'::text[] end,
           $5
    from next
    returning event_id
"""


async def publish(conn: Connection, event: Event, *, at: datetime, cause: Received[Event] | None = None) -> UUID:
    """Put one event into the outbox with the next version of its key, and return its id.

    The key must be locked by this transaction. `at` is the transaction's time; `cause` the event that led here.
    Raises EventTooLarge over 256 KiB and KeyNotLocked when the key has no row.
    """
    row = _row(event, at, cause)
    event_id: UUID | None = await conn.fetchval(PUBLISH, *row)
    if event_id is None:
        raise _not_locked(event)
    return event_id


async def publish_all(
    conn: Connection, events: Sequence[tuple[Event, Received[Event] | None]], *, at: datetime
) -> None:
    """Publish events, each with its cause, in this order and in one round trip. Raises what `publish` raises."""
    if not events:
        return
    rows = [_row(event, at, cause) for event, cause in events]
    published = {row["event_id"] for row in await conn.fetchmany(PUBLISH, rows)}
    for row, (event, _) in zip(rows, events, strict=True):
        if row.event_id not in published:
            raise _not_locked(event)


def _row(event: Event, at: datetime, cause: Received[Event] | None) -> _Row:
    value = event.encode()
    if len(value) > MAX_VALUE_BYTES:
        raise EventTooLarge(f"{event.event_type} has {len(value)} bytes, {MAX_VALUE_BYTES} are allowed")
    event_id = new_id()
    return _Row(event_id, event.topic, event.key, _fixed_headers(event, event_id, at, cause), value)


def _not_locked(event: Event) -> KeyNotLocked:
    return KeyNotLocked(f"{event.event_type}: lock {event.topic} {event.key} before publishing")


def _fixed_headers(event: Event, event_id: UUID, at: datetime, cause: Received[Event] | None) -> list[str]:
    headers = event_headers(
        id=event_id,
        source="",
        type=event.event_type,
        time=at,
        subject=event.subject,
        dataschema=dataschema(type(event), partner=False),
        sequence=0,
        key=event.key,
        correlation_id=cause.correlation_id if cause else correlation_id(),
        causation_id=str(cause.id) if cause else None,
    )
    trace = tracing.traceparent()
    if trace is not None:
        headers.append((tracing.HEADER, trace))
    return flatten([pair for pair in headers if pair[0] not in GIVEN_BY_SQL])


def flatten(headers: Sequence[tuple[str, bytes]]) -> list[str]:
    """Names and values in turn, the shape the outbox stores (fast to read back)."""
    return [text for name, value in headers for text in (name, value.decode())]


# Parts one header from the next on the way to PostgreSQL, where one text a record costs a fraction of twenty. None of
# them can hold it: they are ids, slugs, types, times and numbers.
HEADER_END = "\x1f"


async def append_to_streams(conn: Connection, records: Sequence[StreamRecord]) -> None:
    """Put records of partner streams into the outbox, in the order given; the caller holds the stream rows."""
    await conn.execute(
        """
        insert into chassis.outbox (event_id, topic, key, headers, value)
        select event_id, topic, key, string_to_array(headers, $6), value
        from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bytea[]) with ordinality
            as record (event_id, topic, key, headers, value, place)
        order by place
        """,
        [record.event_id for record in records],
        [partner_topic(record.partner) for record in records],
        [record.key for record in records],
        [HEADER_END.join(flatten(record.headers)) for record in records],
        [record.value for record in records],
        HEADER_END,
    )
