"""Whatever stands on the bus, the decoder answers with an event or with one of its documented errors."""

import json
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas import InvalidEnvelope, InvalidEvent, UnknownEventType, decode, parse_headers, peek
from services.chassis import tracing
from services.chassis.planning import decoded
from services.chassis.records import Fault, Record, read
from tests.badinput.effort import FUZZ
from tests.badinput.mangled import (
    SAMPLES,
    SECRET,
    headers,
    json_values,
    mangled_records,
    nearly_good_headers,
    spliced_bytes,
)

samples = st.sampled_from(SAMPLES)


def quotes_nothing(text: str) -> None:
    """A message is short, one line, and repeats nothing of what was sent."""
    assert SECRET not in text
    assert len(text) < 400
    assert text.isprintable()


@FUZZ
@given(headers | nearly_good_headers())
def test_headers_are_an_envelope_or_invalid(given_headers: list[tuple[str, Any]]) -> None:
    """Nothing but InvalidEnvelope, which names the header and never its value."""
    try:
        envelope = parse_headers(given_headers)
    except InvalidEnvelope as error:
        quotes_nothing(str(error))
    else:
        assert envelope.sequence > 0
        assert peek(given_headers) == (envelope.source, envelope.sequence, envelope.type)


@FUZZ
@given(headers | nearly_good_headers())
def test_peek_never_fails(given_headers: list[tuple[str, Any]]) -> None:
    """It says what it can read; a version it says is one that PostgreSQL can keep."""
    source, version, event_type = peek(given_headers)
    assert version is None or 0 < version < 2**63
    assert "\0" not in (source or "") + (event_type or "")


@FUZZ
@given(samples, st.data())
def test_data_is_an_event_or_invalid(sample: tuple[str, bytes], data: st.DataObject) -> None:
    """Half JSON, spliced bytes, anything: an event, or InvalidEvent without a value in its text."""
    event_type, whole = sample
    raw = data.draw(spliced_bytes(whole) | st.binary(max_size=60) | json_values.map(_dumped))
    try:
        decode(event_type, raw)
    except InvalidEvent as error:
        quotes_nothing(str(error))


@FUZZ
@given(samples, st.data())
def test_a_field_of_any_value_is_read_or_invalid(sample: tuple[str, bytes], data: st.DataObject) -> None:
    """Well-formed JSON with one field of any kind."""
    event_type, whole = sample
    document = json.loads(whole)
    name = data.draw(st.sampled_from(sorted(document)) | st.text(max_size=5))
    document[name] = data.draw(json_values)
    try:
        event = decode(event_type, _dumped(document))
    except InvalidEvent as error:
        quotes_nothing(str(error))
    else:
        assert decode(event_type, event.encode()) == event


def _dumped(document: Any) -> bytes:
    return json.dumps(document).encode("utf-8", "surrogatepass")


@FUZZ
@given(st.text(max_size=30), st.binary(max_size=10))
def test_a_type_nobody_knows_is_unknown(event_type: str, raw: bytes) -> None:
    """Whatever its name."""
    with suppress(UnknownEventType):
        decode(event_type, raw)
        raise AssertionError("known")


@FUZZ
@given(mangled_records())
def test_a_record_is_always_read(record: Record) -> None:
    """What is wrong with it becomes its fault; what is read can be kept by PostgreSQL and quoted to an operator."""
    incoming = read(record)
    assert (incoming.envelope is None) <= (incoming.fault is not None)
    if incoming.key is not None:
        assert "\0" not in incoming.key
        assert len(incoming.key.encode()) <= 500
    assert len((incoming.source or "").encode()) <= 500
    if incoming.fault is not None:
        quotes_nothing(incoming.fault.reason)
    elif isinstance(fault := decoded(incoming), Fault):
        quotes_nothing(fault.reason)


@FUZZ
@given(st.lists(mangled_records(), max_size=5))
def test_the_trace_of_a_batch_never_fails(records: list[Record]) -> None:
    """A traceparent is foreign input as well."""
    with tracing.batch("apply", (record.headers for record in records)):
        pass
