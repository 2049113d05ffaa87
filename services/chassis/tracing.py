"""Traces: a span for each request and each batch, joined across Kafka; nothing at all without LOTSE_OTLP_ENDPOINT.

A request begins a trace of its own: what a caller says of its trace is not taken over, so that no partner can make us
record, or join our traces with its own. Events carry the `traceparent` of a recorded span on Lotse's own topics, never
on a partner's stream. A batch that reads them links to their traces.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, TypeAlias

from services.chassis.config import Settings

if TYPE_CHECKING:
    # Imported by `configure_tracing` alone: whoever does not trace does not pay for OpenTelemetry's memory either.
    from services.chassis.recorder import Recorder, RequestSpan

HEADER = "traceparent"
UNTRACED_PATHS = ("/health/", "/metrics")

Headers: TypeAlias = Sequence[tuple[str, bytes]]
BatchName: TypeAlias = Literal["apply", "relay"]

_recorder: "Recorder | None" = None


def configure_tracing(service: str, settings: Settings) -> None:
    """Record traces from now on, if the settings name a collector."""
    if settings.otlp_endpoint is None:
        return
    from services.chassis.recorder import Recorder, otlp_exporter

    use(Recorder(service, otlp_exporter(str(settings.otlp_endpoint)), settings.trace_ratio))


def use(recorder: "Recorder | None") -> None:
    """Record with this one from now on; None: not at all."""
    global _recorder
    _recorder = recorder


def stop_tracing() -> None:
    """Record no more, and hand over what is left, for 3 s at most."""
    recorder = _recorder
    use(None)
    if recorder is not None:
        recorder.stop()


def begin_request(method: str, path: str) -> "RequestSpan | None":
    """Begin the span of a request and make it the current one; None where nothing is recorded."""
    if _recorder is None or path.startswith(UNTRACED_PATHS):
        return None
    return _recorder.begin_request(method)


def end_request(span: "RequestSpan | None", route: str | None, status: int) -> None:
    """End what `begin_request` began. `route`: the route's template; None where no route was found."""
    if span is not None:
        span.end(route, status)


@contextmanager
def batch(name: BatchName, headers: Iterable[Headers]) -> Iterator[None]:
    """The span of one batch, linked to the traces that these records' headers name; the current one inside."""
    if _recorder is None:
        yield
        return
    with _recorder.batch(name, list(headers)):
        yield


def traceparent() -> bytes | None:
    """What an event that is published now carries; None where no span is recorded."""
    return None if _recorder is None else _recorder.traceparent()
