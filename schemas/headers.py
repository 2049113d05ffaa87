"""CloudEvents 1.0 in Kafka's binary mode: the headers of a record, written strictly and read strictly."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from pydantic_core import SchemaValidator, core_schema

Headers = list[tuple[str, bytes]]

CONTENT_TYPE = "application/json"
_SEQUENCE = re.compile(r"[0-9]{1,18}")
_FOLLOWS = re.compile(r"([0-9]{1,18}):([0-9]{1,18})")
_UUID = re.compile("[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# Four times as fast as the class's own reading of its form, and every event has one.
_to_uuid = SchemaValidator(core_schema.uuid_schema()).validate_python
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)


class InvalidEnvelope(ValueError):
    """A record's headers are not what CloudEvents asks; the text names the header, never its value."""


class Place(NamedTuple):
    """Where a producer's events on a key stand: the epoch of its source, and the version within it."""

    epoch: int
    version: int


class Envelope(NamedTuple):
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
    try:
        pairs = [(name, value.decode()) for name, value in headers if name[:3] == "ce_" or name == "content-type"]
    except (UnicodeDecodeError, AttributeError):
        raise InvalidEnvelope(_complaint(headers)) from None
    fields = dict(pairs)
    texts = fields.values()
    if len(fields) < len(pairs) or "" in texts or "\0" in "".join(texts):
        raise InvalidEnvelope(_complaint(headers))
    try:
        return _envelope(fields)
    except KeyError as missing:
        raise InvalidEnvelope(f"{missing.args[0]} is missing") from None


def _envelope(fields: Mapping[str, str]) -> Envelope:
    """The envelope that these headers make. Raises KeyError naming one that is missing."""
    if fields["ce_specversion"] != "1.0":
        raise InvalidEnvelope("ce_specversion is not 1.0")
    event_id = fields["ce_id"]
    return Envelope(
        _parse_id(event_id),
        fields["ce_source"],
        fields["ce_type"],
        _parse_time(fields["ce_time"]),
        fields["ce_subject"],
        fields["ce_dataschema"],
        _parse_sequence(fields["ce_sequence"]),
        fields["ce_partitionkey"],
        fields.get("ce_correlationid") or event_id.lower(),
        fields.get("ce_causationid"),
        _parse_content_type(fields["content-type"]),
        _parse_follows(fields.get("ce_follows")),
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


def _complaint(headers: Iterable[tuple[str, bytes]]) -> str:
    """The first thing that is wrong with headers of which one is doubled, empty or not a text."""
    seen = set()
    for name, value in headers:
        if name[:3] != "ce_" and name != "content-type":
            continue
        if name in seen:
            return f"{name} is there twice"
        seen.add(name)
        # aiokafka hands out None for a header without a value
        if not value:
            return f"{name} is empty"
        try:
            text = value.decode()
        except UnicodeDecodeError:
            return f"{name} is not UTF-8"
        if "\0" in text:
            return f"{name} holds a NUL"
    raise ValueError("nothing is wrong with these headers")


def _format_time(time: datetime) -> bytes:
    if time.utcoffset() is None:
        raise ValueError("the time of an event needs a time zone")
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z").encode()


def _parse_id(text: str) -> UUID:
    if not _UUID.fullmatch(text):
        raise InvalidEnvelope("ce_id is not a UUID in its usual form")
    parsed: UUID = _to_uuid(text)
    return parsed


def _parse_time(text: str) -> datetime:
    if not _TIME.fullmatch(text):
        raise InvalidEnvelope("ce_time is not a time of RFC 3339")
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidEnvelope("ce_time is not a time of RFC 3339") from None


def _parse_sequence(text: str) -> int:
    number = int(text) if _SEQUENCE.fullmatch(text) else 0
    if number == 0:
        raise InvalidEnvelope("ce_sequence is not a whole number above 0")
    return number


def _parse_follows(text: str | None) -> Place | None:
    if text is None:
        return None
    found = _FOLLOWS.fullmatch(text)
    if not found:
        raise InvalidEnvelope("ce_follows is not <epoch>:<version>")
    return Place(int(found[1]), int(found[2]))


def _parse_content_type(text: str) -> str:
    if text != CONTENT_TYPE and text.partition(";")[0].strip().lower() != CONTENT_TYPE:
        raise InvalidEnvelope(f"content-type is not {CONTENT_TYPE}")
    return text
