"""Traces: joined across Kafka, without a word about persons, and never in the way of the service."""

import asyncio
import gzip
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode, format_span_id, format_trace_id

from schemas import CaseId, ReferralReceived, Topic, parse_headers, stream_headers
from services.chassis import recorder as recorder_module
from services.chassis import tracing
from services.chassis.config import Settings
from services.chassis.db import Database
from services.chassis.identity import check_identity
from services.chassis.inbox import Inbox
from services.chassis.keys import Key, lock_keys
from services.chassis.metrics import REGISTRY
from services.chassis.outbox import StreamRecord, append_to_streams, publish
from services.chassis.recorder import MOST_LINKS, QuietExporter, Recorder, links
from services.chassis.relay import Relay, make_producer, stop_producer
from tests.chassis.probe import Probe, accepted, given, record
from tests.chassis.things import SERVICE, TABLE
from tests.harness import Running, make_settings, running

CITY = "stadt-koblenz/integration"
TRACE = f"00-{'ab' * 16}-{'cd' * 8}-01".encode()
SECRET = "Fatima Al-Secret"
Finish = Callable[[], Sequence[ReadableSpan]]


@pytest.fixture
def not_tracing() -> Iterator[None]:
    """Whatever a test switches on is off for the next one."""
    yield
    tracing.stop_tracing()


@pytest.fixture
def finish(not_tracing: None) -> Finish:
    """Everything is recorded; ends the recording and returns the spans."""
    exporter = InMemorySpanExporter()
    tracing.use(Recorder("test", exporter, ratio=1.0))

    def spans() -> Sequence[ReadableSpan]:
        tracing.stop_tracing()
        return exporter.get_finished_spans()

    return spans


@pytest.fixture
async def things(tmp_path, create_database) -> AsyncIterator[Running]:
    """The service of things."""
    async with running(SERVICE, tmp_path, await create_database("chassis")) as opened:
        async with opened.context.database.transaction() as conn:
            await conn.execute(TABLE)
        yield opened


async def make_thing(things: Running, name: str = "a") -> Any:
    return await things.client.post("/v1/things", json={"name": name}, headers=things.headers(CITY, "clerk"))


def traceparent_of(span: ReadableSpan) -> str:
    where = span.get_span_context()
    assert where is not None
    assert where.trace_flags.sampled
    return f"00-{format_trace_id(where.trace_id)}-{format_span_id(where.span_id)}-{where.trace_flags:02x}"


async def test_an_event_carries_the_span_of_the_request_that_made_it(things: Running, finish: Finish) -> None:
    """The header stands beside CloudEvents' own, which are read as before."""
    assert (await make_thing(things)).status_code == 201
    (row,) = await things.outbox_rows()
    (span,) = finish()
    assert span.name == "POST /v1/things"
    assert row["headers"]["traceparent"] == traceparent_of(span)
    envelope = parse_headers([(name, text.encode()) for name, text in row["headers"].items()])
    assert envelope.type == "lotse.consent.given.v1"


async def test_a_request_is_told_by_template_code_and_method_alone(things: Running, finish: Finish) -> None:
    """No id, no body, no header, no address of a caller."""
    some_id = uuid4()
    await things.client.get(f"/v1/things/{some_id}?name={SECRET}", headers=things.headers(CITY, "clerk"))
    (span,) = finish()
    assert span.name == "GET /v1/things/{thing_id}"
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "http.route": "/v1/things/{thing_id}",
        "http.response.status_code": 404,
    }
    assert not span.events


async def test_an_error_is_told_without_its_text(things: Running, finish: Finish) -> None:
    """What broke may quote what someone entered."""
    assert (await make_thing(things, "breaks")).status_code == 500
    (span,) = finish()
    assert span.status.status_code is StatusCode.ERROR
    assert not span.events
    assert "broke on" not in span.to_json()


async def test_what_a_caller_says_of_its_trace_is_not_taken_over(things: Running, finish: Finish) -> None:
    """Else a partner could make us record, and join our traces with its own."""
    headers = {**things.headers(CITY, "clerk"), "traceparent": TRACE.decode()}
    response = await things.client.post("/v1/things", json={"name": "a"}, headers=headers)
    (span,) = finish()
    assert "ab" * 16 not in span.to_json()
    assert span.parent is None
    assert "traceparent" not in response.headers


async def test_health_and_metrics_are_not_traced(things: Running, finish: Finish) -> None:
    """They are asked every few seconds and tell nothing."""
    for path in ("/health/live", "/health/ready", "/metrics"):
        await things.client.get(path)
    assert not finish()


async def test_a_batch_links_to_the_traces_of_its_events_and_hands_on_its_own(
    database: Database, finish: Finish
) -> None:
    """An event that a handler publishes carries the batch's span, whose link leads to the request."""
    case = uuid4()
    written: list[bytes] = []

    async def on_event(*_: Any) -> None:
        written.append(tracing.traceparent() or b"")

    probe = Probe()
    probe._each = on_event  # type: ignore[method-assign]  # it notes the span instead of the event
    events = [traced(record(given(case), 1, 0), TRACE), record(accepted(case), 2, 1), record(given(case), 3, 2)]
    assert await Inbox(database, probe.handlers).apply(events)
    (span,) = finish()
    assert span.name == "apply"
    assert dict(span.attributes or {}) == {"messaging.batch.message_count": 3}
    assert [format_trace_id(link.context.trace_id) for link in span.links] == ["ab" * 16]
    assert written == [traceparent_of(span).encode()] * 2


def traced(each: Any, value: bytes) -> Any:
    return type(each)(
        each.topic, each.partition, each.offset, each.key, each.value, (*each.headers, ("traceparent", value))
    )


async def test_a_failed_batch_is_told_by_the_errors_type(finish: Finish) -> None:
    """Its text stays here."""
    with pytest.raises(ValueError, match=SECRET), tracing.batch("apply", []):
        raise ValueError(SECRET)
    (span,) = finish()
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "ValueError")
    assert SECRET not in span.to_json()


async def test_a_partners_stream_never_carries_a_trace(database: Database, finish: Finish) -> None:
    """The rows are written in the middle of a traced batch, and only our own event gets the header."""
    case, now = uuid4(), datetime.now(UTC)
    headers = stream_headers(id=case, source="/s", type="t", time=now, subject="s", dataschema="d", sequence=1, key="k")
    with tracing.batch("apply", []):
        async with database.transaction() as conn:
            await check_identity(conn, "intake", "koblenz")
            await lock_keys(conn, [Key(str(Topic.CASES), str(case))])
            await publish(conn, given(case), at=now)
            await append_to_streams(conn, [StreamRecord(case, "awo-rheinland", "k", headers, b"{}")])
            rows = await conn.fetch("select topic, headers from chassis.outbox order by seq")
    assert {row["topic"]: "traceparent" in row["headers"] for row in rows} == {
        "lotse.cases.v1": True,
        "lotse.partner.awo-rheinland.v1": False,
    }
    finish()


async def test_the_relay_takes_the_header_to_the_bus(
    tmp_path, database: Database, database_url: str, stack: Any, topic_prefix: str, finish: Finish
) -> None:
    """Its own span links to the request's, and the record on the topic carries the request's."""
    broker = {"kafka": stack.kafka.bootstrap, "kafka_user": stack.kafka.admin, "kafka_password": stack.kafka.password}
    settings = make_settings(tmp_path, database_url, topic_prefix=topic_prefix, **broker)
    case = CaseId(uuid4())
    request = tracing.begin_request("POST", "/v1/things")
    async with database.transaction() as conn:
        await check_identity(conn, "intake", "koblenz")
        await lock_keys(conn, [Key(str(Topic.CASES), str(case))])
        await publish(conn, given(case), at=datetime.now(UTC))
    tracing.end_request(request, "/v1/things", 201)
    async with database.reading() as conn:
        producer = make_producer("test", settings)
        await producer.start()
        assert await Relay("test", settings).send_pass(conn, producer) == 1
        await stop_producer(producer)
    topic = settings.physical(str(Topic.CASES))
    async with AIOKafkaConsumer(topic, **stack.kafka.asyncio_client(), auto_offset_reset="earliest") as consumer:
        headers = dict((await asyncio.wait_for(consumer.getone(), 20)).headers)
    made, relayed = finish()
    assert headers["traceparent"].decode() == traceparent_of(made)
    assert relayed.name == "relay"
    assert [link.context.span_id for link in relayed.links] == [made.get_span_context().span_id]


async def test_without_the_setting_nothing_is_recorded_or_sent(things: Running) -> None:
    """No header, no span, and OpenTelemetry's SDK is not asked at all."""
    assert tracing.begin_request("GET", "/v1/things") is None
    assert tracing.traceparent() is None
    await make_thing(things)
    (row,) = await things.outbox_rows()
    assert "traceparent" not in row["headers"]


async def test_what_is_not_chosen_is_not_carried_on(things: Running, not_tracing: None) -> None:
    """The choice is made when a trace begins; events of other requests have no header."""
    exporter = InMemorySpanExporter()
    tracing.use(Recorder("test", exporter, ratio=0.0))
    await make_thing(things)
    (row,) = await things.outbox_rows()
    tracing.stop_tracing()
    assert "traceparent" not in row["headers"]
    assert not exporter.get_finished_spans()


async def test_a_batch_goes_on_recording_what_was_chosen_before(not_tracing: None) -> None:
    """Else a trace would end at its first hop nine times of ten."""
    exporter = InMemorySpanExporter()
    tracing.use(Recorder("test", exporter, ratio=0.0))
    with tracing.batch("apply", [[("traceparent", TRACE)]]):
        assert tracing.traceparent() is not None
    with tracing.batch("apply", [[]]):
        assert tracing.traceparent() is None
    tracing.stop_tracing()
    assert len(exporter.get_finished_spans()) == 1


@pytest.mark.parametrize(
    "raw", [b"", b"00", b"\xff" * 55, TRACE[:-1] + b"0", b"00-" + b"0" * 32 + TRACE[35:], b"ff" + TRACE[2:], None]
)
def test_a_header_that_is_not_a_recorded_trace_is_no_link(raw: bytes | None) -> None:
    """Cut, not hex, not sampled, all zeros, another version, no value: passed over."""
    assert links([[("traceparent", raw)]]) == []  # type: ignore[list-item]  # aiokafka hands out None


def test_links_are_each_there_once_and_not_without_end() -> None:
    """A batch of a thousand events of one request has one link, of a thousand requests a hundred."""
    assert len(links([[("traceparent", TRACE)]] * 1000)) == 1
    many = [[("traceparent", f"00-{n + 1:032x}-{'cd' * 8}-01".encode())] for n in range(1000)]
    assert len(links(many)) == MOST_LINKS


async def test_an_event_with_a_trace_is_applied_like_any_other(database: Database, apply, effects) -> None:
    """Readers pass over headers that are not CloudEvents'."""
    case = uuid4()
    await apply(Probe(handled=(ReferralReceived, type(given(case)))), traced(record(given(case), 1, 0), b"\xff"))
    assert await effects() == [("given", 1)]


class _Sink(BaseHTTPRequestHandler):
    """Takes OTLP and keeps it."""

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        raw = gzip.decompress(raw) if self.headers.get("content-encoding") == "gzip" else raw
        self.server.requests.append((self.path, raw))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def sink() -> Iterator[HTTPServer]:
    """A collector of traces on a free port."""
    server = HTTPServer(("127.0.0.1", 0), _Sink)
    server.requests = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def otlp_settings(folder: Any, port: int) -> Settings:
    return make_settings(
        folder, "postgresql://nobody@127.0.0.1:1/x", otlp_endpoint=f"http://127.0.0.1:{port}/", trace_ratio=1.0
    )


def test_a_collector_gets_the_spans_as_protobuf(tmp_path: Any, sink: HTTPServer, not_tracing: None) -> None:
    """By OTLP over HTTP, at the path every collector knows."""
    tracing.configure_tracing("intake", otlp_settings(tmp_path, sink.server_port))
    tracing.end_request(tracing.begin_request("GET", "/v1/things"), "/v1/things", 200)
    tracing.stop_tracing()
    ((path, raw),) = sink.requests  # type: ignore[attr-defined]
    assert path == "/v1/traces"
    (resource,) = ExportTraceServiceRequest.FromString(raw).resource_spans
    assert [span.name for scope in resource.scope_spans for span in scope.spans] == ["GET /v1/things"]
    told = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert told == {"service.namespace": "lotse", "service.name": "intake"}


def test_a_collector_that_is_not_there_neither_blocks_nor_keeps_the_process(
    tmp_path: Any, not_tracing: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten thousand spans are over in a moment, the queue does not grow, and the end takes seconds at most."""
    tracing.configure_tracing("intake", otlp_settings(tmp_path, 1))
    began = time.monotonic()
    for _ in range(10_000):
        tracing.end_request(tracing.begin_request("GET", "/v1/things"), "/v1/things", 200)
    assert time.monotonic() - began < 10
    began = time.monotonic()
    tracing.stop_tracing()
    assert time.monotonic() - began < recorder_module.STOP_SECONDS + 2


class _Deaf(SpanExporter):
    """Takes nothing, or hangs."""

    def __init__(self, seconds: float = 0) -> None:
        self._seconds = seconds

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        time.sleep(self._seconds)
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Nothing to end."""


async def test_a_collector_that_hangs_does_not_hold_the_event_loop(not_tracing: None) -> None:
    """Spans leave in a thread of their own; the end waits three seconds at most."""
    tracing.use(Recorder("test", _Deaf(seconds=8), ratio=1.0))
    for _ in range(2 * recorder_module.SPANS_AN_EXPORT):
        tracing.end_request(tracing.begin_request("GET", "/v1/things"), "/v1/things", 200)
    began = time.monotonic()
    await asyncio.sleep(0.1)
    assert time.monotonic() - began < 2
    tracing.stop_tracing()
    assert time.monotonic() - began < recorder_module.STOP_SECONDS + 2


def test_what_is_lost_is_counted_and_said_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector that is away for a day does not fill the log."""
    said: list[dict[str, Any]] = []
    monkeypatch.setattr(recorder_module.log, "warning", lambda event, **more: said.append({"event": event, **more}))
    before = REGISTRY.get_sample_value("lotse_spans_lost_total") or 0
    exporter = QuietExporter(_Deaf())
    for _ in range(5):
        exporter.export([object(), object()])  # type: ignore[list-item]  # counted, not looked at
    assert said == [{"event": "traces_not_taken", "spans": 2}]
    assert REGISTRY.get_sample_value("lotse_spans_lost_total") == before + 10
