"""Headers: what is written is a CloudEvent to anyone, and only a whole one is read."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event, to_binary_event
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from schemas import InvalidEnvelope, event_headers, parse_headers, peek, stream_headers

FIELDS: dict[str, Any] = {
    "id": UUID("019a8f3c-5b00-7001-8a11-3f0c5d2e9b01"),
    "source": "/koblenz/intake/1",
    "type": "lotse.consent.given.v1",
    "time": datetime(2026, 11, 22, 20, 45, 6, 120, tzinfo=UTC),
    "subject": "case/1",
    "dataschema": "urn:lotse:schema:lotse.consent.given.v1:1",
    "sequence": 7,
    "key": "1",
}
CHAIN: dict[str, Any] = {"correlation_id": "c-1", "causation_id": "e-0"}
GOOD = event_headers(**FIELDS, **CHAIN)

# Fixed offsets: comparing times of two zones around a change of clocks is another library's problem.
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
instants = st.integers(-(10**10), 10**11).map(
    lambda s: datetime.fromtimestamp(s, UTC) + timedelta(microseconds=s % 10**6)
)
text = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1)
fields = st.fixed_dictionaries(
    {
        "id": st.uuids(),
        "source": text,
        "type": text,
        "time": st.builds(datetime.astimezone, instants, zones),
        "subject": text,
        "dataschema": text,
        "sequence": st.integers(1, 10**18 - 1),
        "key": text,
        "correlation_id": text,
        "causation_id": st.none() | text,
    }
)


def with_header(name: str, value: bytes) -> list[tuple[str, bytes]]:
    return [(header, value if header == name else old) for header, old in GOOD]


def without(name: str) -> list[tuple[str, bytes]]:
    return [(header, value) for header, value in GOOD if header != name]


@given(fields)
def test_what_is_written_is_read_back(said: dict[str, Any]) -> None:
    """Every value survives, the time as the same instant in UTC."""
    envelope = parse_headers(event_headers(**said))
    assert {name: getattr(envelope, name) for name in said} == said
    assert envelope.time.tzinfo is UTC
    assert envelope.content_type == "application/json"


@given(fields)
def test_a_standard_client_reads_the_same_event(said: dict[str, Any]) -> None:
    """The CloudEvents SDK knows nothing of Lotse and finds every attribute."""
    message = KafkaMessage(headers=dict(event_headers(**said)), key=said["key"], value=b'{"a": 1}')
    event = from_binary_event(message)
    assert event.get_specversion() == "1.0"
    assert event.get_id() == str(said["id"])
    assert (event.get_source(), event.get_type(), event.get_subject()) == (
        said["source"],
        said["type"],
        said["subject"],
    )
    assert event.get_time() == said["time"]
    assert (event.get_dataschema(), event.get_datacontenttype()) == (said["dataschema"], "application/json")
    assert event.get_extension("sequence") == f"{said['sequence']:012d}"
    assert event.get_extension("partitionkey") == said["key"]
    assert event.get_extension("correlationid") == said["correlation_id"]
    assert event.get_extension("causationid") == said["causation_id"]
    assert event.get_data() == {"a": 1}


@given(fields)
def test_what_a_standard_client_writes_is_read(said: dict[str, Any]) -> None:
    """An event the CloudEvents SDK writes is an event to Lotse."""
    attributes = {
        "specversion": "1.0",
        "id": str(said["id"]),
        "source": said["source"],
        "type": said["type"],
        "time": said["time"].astimezone(UTC),
        "subject": said["subject"],
        "dataschema": said["dataschema"],
        "datacontenttype": "application/json",
        "sequence": f"{said['sequence']:012d}",
        "partitionkey": said["key"],
    }
    message = to_binary_event(CloudEvent(attributes, {"a": 1}))
    envelope = parse_headers(list(message.headers.items()))
    assert (envelope.id, envelope.source, envelope.key) == (said["id"], said["source"], said["key"])
    assert (envelope.time, envelope.sequence) == (said["time"], said["sequence"])
    assert json.loads(message.value) == {"a": 1}


def test_stream_has_nothing_that_joins_two_partners_events() -> None:
    """A partner's headers carry no correlation, causation or trace."""
    names = {name for name, _ in stream_headers(**FIELDS)}
    assert names == {name for name, _ in GOOD} - {"ce_correlationid", "ce_causationid"}


def test_stream_event_correlates_with_itself() -> None:
    """A reader of a stream needs no special case."""
    envelope = parse_headers(stream_headers(**FIELDS))
    assert (envelope.correlation_id, envelope.causation_id) == (str(FIELDS["id"]), None)


def test_first_cause_has_no_causation_header() -> None:
    """Nothing is written where nothing caused it."""
    assert "ce_causationid" not in dict(event_headers(**FIELDS, correlation_id="c", causation_id=None))


def test_sequences_sort_as_text() -> None:
    """A reader that compares text finds the order."""
    written = [dict(stream_headers(**{**FIELDS, "sequence": n}))["ce_sequence"] for n in (9, 10, 999_999_999_999)]
    assert written == sorted(written)


def test_time_is_written_in_utc_to_the_microsecond() -> None:
    """Berlin's clock does not show on the wire."""
    berlin = FIELDS["time"].astimezone(timezone(timedelta(hours=1)))
    assert dict(stream_headers(**{**FIELDS, "time": berlin}))["ce_time"] == b"2026-11-22T20:45:06.000120Z"


def test_time_without_a_zone_is_not_written() -> None:
    """Nobody could say which instant it was."""
    with pytest.raises(ValueError, match="time zone"):
        stream_headers(**{**FIELDS, "time": datetime(2026, 1, 1)})  # noqa: DTZ001 - the fault under test


@pytest.mark.parametrize("name", [name for name, _ in GOOD if "correlation" not in name and "causation" not in name])
def test_missing_header_is_named(name: str) -> None:
    """An envelope without one of its headers is not read."""
    with pytest.raises(InvalidEnvelope, match=f"^{name} is missing$"):
        parse_headers(without(name))


@pytest.mark.parametrize("name", [name for name, _ in GOOD])
def test_doubled_header_is_refused_even_with_the_same_value(name: str) -> None:
    """Two readers could take different ones."""
    with pytest.raises(InvalidEnvelope, match=f"^{name} is there twice$"):
        parse_headers([*GOOD, (name, dict(GOOD)[name])])


@pytest.mark.parametrize("name", [name for name, _ in GOOD])
def test_header_that_is_not_utf8_is_refused(name: str) -> None:
    """Half a character is not guessed."""
    with pytest.raises(InvalidEnvelope, match=f"^{name} is not UTF-8$"):
        parse_headers(with_header(name, b"\xc3"))


@pytest.mark.parametrize("value", [b"", None])
def test_empty_header_is_refused(value: Any) -> None:
    """Kafka allows a header without a value; CloudEvents does not."""
    with pytest.raises(InvalidEnvelope, match=r"^ce_source is empty$"):
        parse_headers(with_header("ce_source", value))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("ce_specversion", [b"0.3", b"1", b"1.0 "]),
        ("ce_id", [b"1", b"{019a8f3c-5b00-7001-8a11-3f0c5d2e9b01}", b"019a8f3c5b0070018a113f0c5d2e9b01"]),
        (
            "ce_time",
            [
                b"yesterday",
                b"2026-11-22",
                b"2026-11-22T20:45:06",
                b"2026-13-22T20:45:06Z",
                b"2026-11-22 20:45:06Z",
                b"20261122T204506Z",
                b"0001-01-01T00:00:00+23:59",
            ],
        ),
        ("ce_sequence", [b"0", b"-1", b"1.5", b"x", "٣".encode(), b"000000000000", b"9" * 19]),
        ("content-type", [b"text/plain", b"application/cloudevents+json", b"application/jsonx"]),
    ],
)
def test_header_of_another_form_is_refused_without_its_value(name: str, values: list[bytes]) -> None:
    """The fault is named; what was there is not repeated."""
    for value in values:
        with pytest.raises(InvalidEnvelope, match=f"^{name} is not") as caught:
            parse_headers(with_header(name, value))
        assert len(value) < 4 or value.decode() not in str(caught.value)


@pytest.mark.parametrize("value", [b"application/json; charset=utf-8", b"Application/JSON"])
def test_content_type_may_have_parameters_and_another_case(value: bytes) -> None:
    """Media types are compared as their standard says."""
    assert parse_headers(with_header("content-type", value)).content_type == value.decode()


def test_foreign_headers_are_passed_over() -> None:
    """Tracing tools add headers of their own, in any encoding."""
    assert parse_headers([*GOOD, ("traceparent", b"\xff"), ("x", b"1"), ("x", b"2")]) == parse_headers(GOOD)


@pytest.mark.parametrize(
    ("headers", "seen"),
    [
        (GOOD, ("/koblenz/intake/1", 7, "lotse.consent.given.v1")),
        ([], (None, None, None)),
        (with_header("ce_sequence", b"x"), ("/koblenz/intake/1", None, "lotse.consent.given.v1")),
        (with_header("ce_sequence", b"0"), ("/koblenz/intake/1", None, "lotse.consent.given.v1")),
        (with_header("ce_source", b"\xff"), (None, 7, "lotse.consent.given.v1")),
        ([*GOOD, ("ce_type", b"other")], ("/koblenz/intake/1", 7, None)),
        (with_header("ce_source", b""), (None, 7, "lotse.consent.given.v1")),
        (with_header("ce_id", b"\xff"), ("/koblenz/intake/1", 7, "lotse.consent.given.v1")),
    ],
)
def test_peek_gives_what_is_readable_of_a_broken_envelope(headers: Any, seen: Any) -> None:
    """A key is parked by what can be known of its event."""
    assert peek(headers) == seen
