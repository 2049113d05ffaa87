"""Structured logs, one JSON object a line: ids and codes only, never a name, a contact or a body."""

import logging
import math
import sys
import time
import traceback
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any

import structlog

from schemas import new_id
from services.chassis import tracing
from services.chassis.metrics import LOGGED

REPEATED_SECONDS = 10.0
# Words are templates in a library's code; one that writes values into them must not fill our memory.
MOST_WORDS = 1000

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


class SeldomRepeated(logging.Filter):
    """Lets the same words of a library pass once in ten seconds: a client that tries to reconnect says them many
    times a second. How often they were left out is said the next time.
    """

    def __init__(self, library: str) -> None:
        super().__init__(library)
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is written; another library's always is."""
        if not super().filter(record):
            return True
        if len(self._said) > MOST_WORDS:
            self._said.clear()
        words, moment = (record.name, record.msg), time.monotonic()
        said_at, left_out = self._said.get(words, (-math.inf, 0))
        if moment - said_at < REPEATED_SECONDS:
            self._said[words] = (said_at, left_out + 1)
            return False
        self._said[words] = (moment, 0)
        if left_out:
            record.msg = f"{record.msg} (and {left_out} times since it was last written)"
        return True


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
    handler.addFilter(SeldomRepeated("aiokafka"))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in ("aiokafka", "uvicorn.access", "faststream"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
