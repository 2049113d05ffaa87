"""CloudEvents 1.0 in Kafka's binary mode: the headers of a record, written strictly and read strictly."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

Headers = list[tuple[str, bytes]]

CONTENT_TYPE = "application/json"
_SEQUENCE = re.compile(r"[0-9]{1,18}")
_FOLLOWS = re.compile(r"([0-9]{1,18}):([0-9]{1,18})")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)


class InvalidEnvelope(ValueError):
    """A record's headers are not what CloudEvents asks; the text names the header, never its value."""


class Place(NamedTuple):
    """Where a producer's events on a key stand: the epoch of its source, and the version within it."""

    epoch: int
    version: int


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a record's headers say. `time` is UTC, `sequence` starts at 1.

    `correlation_id` is the event's own id where the headers name none, as on a partner's stream.
    `follows`: on the first event of a key in a new epoch, the epoch and version that came before it.
    """

    id: UUID
    source: str
    type: str
    time: datetime
    subject: str
    dataschema: str
    sequence: int
    key: str
    correlation_id: str
    causation_id: str | None
    content_type: str
    follows: Place | None = None


def place_of(source: str, version: int) -> tuple[str, Place]:
    """Say who produced an event and where it stands: (`/koblenz/intake/2`, 7) is `/koblenz/intake` at 7 in epoch 2.

    A source without a number at its end is in epoch 0.
    """
    producer, _, epoch = source.rpartition("/")
    return (producer, Place(int(epoch), version)) if _SEQUENCE.fullmatch(epoch) else (source, Place(0, version))


def event_headers(
    *,
    id: UUID,
    source: str,
    type: str,
    time: datetime,
    subject: str,
    dataschema: str,
    sequence: int,
    key: str,
    correlation_id: str,
    causation_id: str | None,
) -> Headers:
    """Return the headers of an event on Lotse's own topics. Raises ValueError for a time without a zone."""
    headers = stream_headers(
        id=id,
        source=source,
        type=type,
        time=time,
        subject=subject,
        dataschema=dataschema,
        sequence=sequence,
        key=key,
    )
    headers.append(("ce_correlationid", correlation_id.encode()))
    if causation_id is not None:
        headers.append(("ce_causationid", causation_id.encode()))
    return headers


def stream_headers(
    *,
    id: UUID,
    source: str,
    type: str,
    time: datetime,
    subject: str,
    dataschema: str,
    sequence: int,
    key: str,
) -> Headers:
    """Return the headers of an event on a partner's stream: nothing joins it to another partner's."""
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(id).encode()),
        ("ce_source", source.encode()),
        ("ce_type", type.encode()),
        ("ce_time", _format_time(time)),
        ("ce_subject", subject.encode()),
        ("ce_dataschema", dataschema.encode()),
        ("ce_sequence", b"%012d" % sequence),
        ("ce_partitionkey", key.encode()),
        ("content-type", CONTENT_TYPE.encode()),
    ]


def parse_headers(headers: Sequence[tuple[str, bytes]]) -> Envelope:
    """Read a record's headers; those that are not CloudEvents' are passed over.

    Raises InvalidEnvelope for a header that is missing, doubled, empty, not UTF-8 or not of its form.
    """
    fields = _text_headers(headers)
    if _required(fields, "ce_specversion") != "1.0":
        raise InvalidEnvelope("ce_specversion is not 1.0")
    event_id = _parse_id(_required(fields, "ce_id"))
    return Envelope(
        id=event_id,
        source=_required(fields, "ce_source"),
        type=_required(fields, "ce_type"),
        time=_parse_time(_required(fields, "ce_time")),
        subject=_required(fields, "ce_subject"),
        dataschema=_required(fields, "ce_dataschema"),
        sequence=_parse_sequence(_required(fields, "ce_sequence")),
        key=_required(fields, "ce_partitionkey"),
        correlation_id=fields.get("ce_correlationid", str(event_id)),
        causation_id=fields.get("ce_causationid"),
        follows=_parse_follows(fields.get("ce_follows")),
        content_type=_parse_content_type(_required(fields, "content-type")),
    )


def peek(headers: Sequence[tuple[str, bytes]]) -> tuple[str | None, int | None, str | None]:
    """Return source, version and type as far as readable; None for what is missing, doubled or broken."""
    version = _peek_one(headers, "ce_sequence")
    is_version = version is not None and _SEQUENCE.fullmatch(version) and int(version) > 0
    return (
        _peek_one(headers, "ce_source"),
        int(version) if version is not None and is_version else None,
        _peek_one(headers, "ce_type"),
    )


def _peek_one(headers: Iterable[tuple[str, bytes]], name: str) -> str | None:
    values = [value for header, value in headers if header == name]
    if len(values) != 1 or not values[0]:
        return None
    try:
        text = values[0].decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _text_headers(headers: Iterable[tuple[str, bytes]]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, value in headers:
        if not name.startswith("ce_") and name != "content-type":
            continue
        if name in fields:
            raise InvalidEnvelope(f"{name} is there twice")
        try:
            # aiokafka hands out None for a header without a value
            fields[name] = (value or b"").decode()
        except UnicodeDecodeError:
            raise InvalidEnvelope(f"{name} is not UTF-8") from None
        if not fields[name]:
            raise InvalidEnvelope(f"{name} is empty")
        if "\0" in fields[name]:
            raise InvalidEnvelope(f"{name} holds a NUL")
    return fields


def _required(fields: dict[str, str], name: str) -> str:
    if name not in fields:
        raise InvalidEnvelope(f"{name} is missing")
    return fields[name]


def _format_time(time: datetime) -> bytes:
    if time.utcoffset() is None:
        raise ValueError("the time of an event needs a time zone")
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z").encode()


def _parse_id(text: str) -> UUID:
    try:
        parsed = UUID(text)
    except ValueError:
        raise InvalidEnvelope("ce_id is not a UUID") from None
    if str(parsed) != text.lower():
        raise InvalidEnvelope("ce_id is not a UUID in its usual form")
    return parsed


def _parse_time(text: str) -> datetime:
    if not _TIME.fullmatch(text):
        raise InvalidEnvelope("ce_time is not a time of RFC 3339")
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidEnvelope("ce_time is not a time of RFC 3339") from None


def _parse_sequence(text: str) -> int:
    if not _SEQUENCE.fullmatch(text) or int(text) == 0:
        raise InvalidEnvelope("ce_sequence is not a whole number above 0")
    return int(text)


def _parse_follows(text: str | None) -> Place | None:
    if text is None:
        return None
    found = _FOLLOWS.fullmatch(text)
    if not found:
        raise InvalidEnvelope("ce_follows is not <epoch>:<version>")
    return Place(int(found[1]), int(found[2]))


def _parse_content_type(text: str) -> str:
    if text.partition(";")[0].strip().lower() != CONTENT_TYPE:
        raise InvalidEnvelope(f"content-type is not {CONTENT_TYPE}")
    return text
