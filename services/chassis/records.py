"""What came from the bus, before and after its headers were read."""

import re
from typing import NamedTuple

from schemas import EVENTS, Envelope, Event, InvalidEnvelope, Place, Received, decode, parse_headers, peek
from schemas.envelope import TYPE_PATTERN

# PostgreSQL indexes key and source together and refuses an entry of more than 2,704 bytes.
MAX_KEY_BYTES = 500
MAX_SOURCE_BYTES = 200
MAX_TYPE_BYTES = 200
_TYPE = re.compile(TYPE_PATTERN)


class Record(NamedTuple):
    """One record as Kafka holds it; `topic` is the logical name."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class Fault(NamedTuple):
    """Why a record cannot be applied: a code for metrics and a sentence for people, without the record's values."""

    code: str
    reason: str


class Incoming(NamedTuple):
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

    @property
    def follows(self) -> Place | None:
        """What came before it, where it is the first event of its key in a new epoch."""
        return self.envelope.follows if self.envelope else None

    def decoded(self) -> Received[Event]:
        """The event itself. Raises UnknownEventType or InvalidEvent."""
        if self.envelope is None:
            raise ValueError("decoded() of a record without a readable envelope")
        envelope = self.envelope
        return Received(
            envelope.id,
            envelope.source,
            envelope.type,
            envelope.time,
            self.record.topic,
            self.key or "",
            envelope.sequence,
            envelope.correlation_id,
            envelope.causation_id,
            decode(envelope.type, self.record.value or b""),
        )


def read(record: Record) -> Incoming:
    """Read key and headers; what is wrong with them becomes the fault instead of an exception."""
    key = _text(record.key)
    if key is None:
        fault = Fault("no-key", f"the record has no key, or one that is not UTF-8 text of up to {MAX_KEY_BYTES} bytes")
        return Incoming(record, None, None, None, None, None, fault)
    try:
        envelope = parse_headers(record.headers)
    except InvalidEnvelope as error:
        source, version, type_ = peek(record.headers)
        return Incoming(record, key, _source(source), version, _type(type_), None, Fault("envelope", str(error)))
    source, type_ = _source(envelope.source), _type(envelope.type)
    contradiction = _contradiction(envelope, key, source, type_)
    return Incoming(record, key, source, envelope.sequence, type_, envelope, contradiction)


def _contradiction(envelope: Envelope, key: str, source: str | None, type_: str | None) -> Fault | None:
    """What is wrong with headers that are each of their form."""
    if envelope.key != key:
        return Fault("envelope", "ce_partitionkey differs from the record key")
    if source is None:
        return Fault("envelope", f"ce_source is longer than {MAX_SOURCE_BYTES} bytes")
    if type_ is None:
        return Fault("envelope", "ce_type is not like lotse.<what>.<happened>.v<n>")
    return None


def _source(text: str | None) -> str | None:
    """The source, if the versions applied from it can be kept."""
    return text if text is not None and len(text.encode()) <= MAX_SOURCE_BYTES else None


def _type(text: str | None) -> str | None:
    """The type, if it is one of ours or may become one: then it can be logged and told to people."""
    if text is None or text in EVENTS:
        return text
    return text if len(text) <= MAX_TYPE_BYTES and _TYPE.fullmatch(text) else None


def _text(raw: bytes | None) -> str | None:
    """The text, if it is one that PostgreSQL can keep and index: UTF-8 without NUL, and not too long."""
    if not raw or len(raw) > MAX_KEY_BYTES:
        return None
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text
