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


async def publish(conn: Connection, event: Event, *, at: datetime, cause: Received[Event] | None = None) -> UUID:
    """Put one event into the outbox with the next version of its key, and return its id.

    The key must be locked by this transaction. `at` is the transaction's time; `cause` the event that led here.
    Raises EventTooLarge over 256 KiB and KeyNotLocked when the key has no row.
    """
    event_id = new_id()
    value = event.encode()
    if len(value) > MAX_VALUE_BYTES:
        raise EventTooLarge(f"{event.event_type} has {len(value)} bytes, {MAX_VALUE_BYTES} are allowed")
    version = await conn.fetchval(
        """
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
        returning 1
        """,
        event_id,
        event.topic,
        event.key,
        _fixed_headers(event, event_id, at, cause),
        value,
    )
    if version is None:
        raise KeyNotLocked(f"{event.event_type}: lock {event.topic} {event.key} before publishing")
    return event_id


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


async def append_to_streams(conn: Connection, records: Sequence[StreamRecord]) -> None:
    """Put records of partner streams into the outbox, in the order given; the caller holds the stream rows."""
    await conn.executemany(
        "insert into chassis.outbox (event_id, topic, key, headers, value) values ($1, $2, $3, $4, $5)",
        [
            (
                record.event_id,
                partner_topic(record.partner),
                record.key,
                flatten(record.headers),
                record.value,
            )
            for record in records
        ],
    )
