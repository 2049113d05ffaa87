"""What came from the bus, before and after its headers were read."""

from dataclasses import dataclass
from uuid import UUID

from schemas import EVENTS, Envelope, Event, InvalidEnvelope, Received, decode, parse_headers, peek


@dataclass(frozen=True, slots=True)
class Record:
    """One record as Kafka holds it; `topic` is the logical name."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a record cannot be applied: a code for metrics and a sentence for people, without the record's values."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Incoming:
    """A record whose headers were read as far as they can be.

    `key` is None only without a usable record key. Source, version and type are what is readable, even when
    `fault` says that the envelope as a whole is not.
    """

    record: Record
    key: str | None
    source: str | None
    version: int | None
    type: str | None
    envelope: Envelope | None
    fault: Fault | None

    @property
    def is_terminal(self) -> bool:
        """Whether it ends something for good, as far as this code knows its type."""
        known = EVENTS.get(self.type or "")
        return self.envelope is not None and known is not None and known.terminal

    def decoded(self) -> Received[Event]:
        """The event itself. Raises UnknownEventType or InvalidEvent."""
        if self.envelope is None:
            raise ValueError("decoded() of a record without a readable envelope")
        envelope = self.envelope
        return Received(
            id=UUID(str(envelope.id)),
            source=envelope.source,
            type=envelope.type,
            time=envelope.time,
            topic=self.record.topic,
            key=self.key or "",
            version=envelope.sequence,
            correlation_id=envelope.correlation_id or str(envelope.id),
            causation_id=envelope.causation_id,
            data=decode(envelope.type, self.record.value or b""),
        )


def read(record: Record) -> Incoming:
    """Read key and headers; what is wrong with them becomes the fault instead of an exception."""
    key = _text(record.key)
    if key is None:
        fault = Fault("no-key", "the record has no key, or one that is not UTF-8 text")
        return Incoming(record, None, None, None, None, None, fault)
    try:
        envelope = parse_headers(record.headers)
    except InvalidEnvelope as error:
        source, version, type_ = peek(record.headers)
        return Incoming(record, key, source, version, type_, None, Fault("envelope", str(error)))
    fault_or_none = None if envelope.key == key else Fault("envelope", "ce_partitionkey differs from the record key")
    return Incoming(record, key, envelope.source, envelope.sequence, envelope.type, envelope, fault_or_none)


def _text(raw: bytes | None) -> str | None:
    """The text, if it is one that PostgreSQL can keep: UTF-8 without NUL."""
    try:
        text = raw.decode() if raw else None
    except UnicodeDecodeError:
        return None
    return None if text and "\0" in text else text
