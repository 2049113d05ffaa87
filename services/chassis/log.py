"""Structured logs, one JSON object a line: ids and codes only, never a name, a contact or a body."""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any

import structlog

from schemas import new_id
from services.chassis import tracing
from services.chassis.metrics import LOGGED

_correlation: ContextVar[str | None] = ContextVar("correlation_id", default=None)


def correlation_id() -> str:
    """The id that joins everything one request or event sets in motion; made at first use."""
    current = _correlation.get()
    if current is None:
        current = str(new_id())
        _correlation.set(current)
    return current


def set_correlation_id(value: str | None) -> None:
    """Go on under this id (None: a new one at the next use)."""
    _correlation.set(value)


def describe(error: BaseException) -> dict[str, object]:
    """An error as type, SQLSTATE and the places it passed: never its text, which may quote what someone entered."""
    places = [
        f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)
    ]
    state = getattr(error, "sqlstate", None)
    return {"type": type(error).__name__, **({"sqlstate": state} if state else {}), "at": places[-6:]}


def _without_values(_logger: object, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    info = entry.pop("exc_info", None)
    error = info[1] if isinstance(info, tuple) else sys.exc_info()[1] if info is True else info
    if isinstance(error, BaseException):
        entry["error"] = describe(error)
    return entry


def _traced(_logger: object, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    found = tracing.traceparent()
    return entry if found is None else {**entry, "traceparent": found.decode()}


def _counted(_logger: object, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Count warnings and errors by their event, a word of our code; libraries' texts do not pass here."""
    if entry["level"] in ("warning", "error"):
        LOGGED.labels(entry["level"], entry["event"]).inc()
    return entry


def configure_logging(service: str, level: str) -> None:
    """Send structlog and the libraries' loggers to standard output as JSON lines."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        lambda _logger, _method, entry: {"service": service, **entry},
    ]
    structlog.configure(
        processors=[*shared, _counted, _traced, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _without_values,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in ("aiokafka", "uvicorn.access", "faststream"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
