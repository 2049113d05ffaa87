"""Recording spans with OpenTelemetry. Attributes are routes, codes and counts: no id, no body, no text of an error."""

import logging
import re
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import Token
from dataclasses import dataclass

import structlog
from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler, SamplingResult, TraceIdRatioBased
from opentelemetry.trace import (
    Link,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.util.types import Attributes

from services.chassis.metrics import METHODS, SPANS_LOST
from services.chassis.tracing import HEADER, BatchName, Headers

log = structlog.get_logger()

MOST_LINKS = 100
QUEUE_SPANS = 2048
SPANS_AN_EXPORT = 512
EXPORT_EVERY_MS = 2000
EXPORT_SECONDS = 5
STOP_SECONDS = 3.0
QUIET_SECONDS = 60.0

KINDS: dict[BatchName, SpanKind] = {"apply": SpanKind.CONSUMER, "relay": SpanKind.PRODUCER}
_TRACEPARENT = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


class Recorder:
    """Records a part of what happens and hands it to `exporter` from a thread of its own, which nobody waits for."""

    def __init__(self, service: str, exporter: SpanExporter, ratio: float) -> None:
        """ratio: how much of what begins here is recorded, 0 to 1."""
        self._provider = TracerProvider(
            sampler=LinkedOrRatio(ratio),
            resource=Resource({"service.namespace": "lotse", "service.name": service}),
            shutdown_on_exit=False,
        )
        # A full queue drops spans; it never waits.
        processor = BatchSpanProcessor(
            QuietExporter(exporter),
            max_queue_size=QUEUE_SPANS,
            schedule_delay_millis=EXPORT_EVERY_MS,
            max_export_batch_size=SPANS_AN_EXPORT,
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("lotse")

    def begin_request(self, method: str) -> "RequestSpan":
        """The span of a request, the first of its trace."""
        known = method if method in METHODS else "other"
        span = self._tracer.start_span(known, Context(), SpanKind.SERVER, {"http.request.method": known})
        return RequestSpan(span, known, context.attach(set_span_in_context(span, Context())))

    @contextmanager
    def batch(self, name: BatchName, headers: Sequence[Headers]) -> Iterator[None]:
        """The span of a batch. An error ends it with its type alone: its text may quote what someone entered."""
        attributes = {"messaging.batch.message_count": len(headers)}
        span = self._tracer.start_span(name, Context(), KINDS[name], attributes, links=links(headers))
        token = context.attach(set_span_in_context(span, Context()))
        try:
            yield
        except BaseException as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
        finally:
            context.detach(token)
            span.end()

    def traceparent(self) -> bytes | None:
        """The current span as W3C Trace Context writes it; None unless it is recorded."""
        found = get_current_span().get_span_context()
        if not found.trace_flags.sampled:
            return None
        return f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}".encode()

    def stop(self) -> None:
        """Hand over what is left. A collector that hangs must not keep a process from ending, so not for long."""
        ending = threading.Thread(target=self._provider.shutdown, name="traces-ending", daemon=True)
        ending.start()
        ending.join(STOP_SECONDS)


@dataclass(frozen=True)
class RequestSpan:
    """A request under way."""

    span: Span
    method: str
    token: Token[Context]

    def end(self, route: str | None, status: int) -> None:
        """The answer is out."""
        context.detach(self.token)
        self.span.update_name(f"{self.method} {route}" if route else self.method)
        self.span.set_attribute("http.response.status_code", status)
        if route:
            self.span.set_attribute("http.route", route)
        if status >= 500:
            self.span.set_status(Status(StatusCode.ERROR))
        self.span.end()


class LinkedOrRatio(Sampler):
    """Records what goes on from something recorded, and a part of all else, decided when it begins."""

    def __init__(self, ratio: float) -> None:
        self._ratio = TraceIdRatioBased(ratio)

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decide for a span that is about to begin."""
        chosen = ALWAYS_ON if links else self._ratio
        return chosen.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        """How this sampler is called in what the SDK prints."""
        return f"LinkedOr{self._ratio.get_description()}"


def links(headers: Iterable[Headers]) -> list[Link]:
    """The recorded spans that these records' headers name, each once, at most 100; what is not readable is no link."""
    found: dict[bytes, Link] = {}
    for each in headers:
        for name, raw in each:
            if name == HEADER and raw and raw not in found:
                link = _link(raw)
                if link is not None:
                    found[raw] = link
        if len(found) >= MOST_LINKS:
            break
    return list(found.values())


def _link(raw: bytes) -> Link | None:
    match = _TRACEPARENT.fullmatch(raw)
    if match is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in match.groups())
    linked = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
    return Link(linked) if linked.is_valid and linked.trace_flags.sampled else None


class QuietExporter(SpanExporter):
    """Passes spans on; what the collector does not take is counted, and said once a minute."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._said_at = float("-inf")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Called in the processor's own thread."""
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            SPANS_LOST.inc(len(spans))
            self._say(len(spans))
        return result

    def shutdown(self) -> None:
        """No more comes."""
        self._exporter.shutdown()

    def _say(self, lost: int) -> None:
        moment = time.monotonic()
        if moment - self._said_at > QUIET_SECONDS:
            self._said_at = moment
            log.warning("traces_not_taken", spans=lost)


def otlp_exporter(endpoint: str) -> SpanExporter:
    """To the collector at this address, by OTLP over HTTP (protobuf), gzipped."""
    # It logs every attempt, with addresses and reasons; QuietExporter says what there is to say.
    for chatty in ("opentelemetry.exporter.otlp", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    return OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_SECONDS)
