"""The outermost ASGI layer: size of bodies, correlation, timing, and an answer when something unforeseen happens."""

import time
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.chassis import db
from services.chassis.log import describe, set_correlation_id
from services.chassis.metrics import REQUESTS
from services.chassis.problems import Refusal, problem_response

log = structlog.get_logger()


class BodyTooLarge(Exception):
    """The body went over the limit while it was read."""


class Edge:
    """Wraps the API; nothing below it sees a body over `max_body_bytes`, nothing above it an exception."""

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self._app = app
        self._max = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI call."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        set_correlation_id(None)
        began, status = time.perf_counter(), {"code": 0}

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                status["code"] = message["status"]
            await send(message)

        try:
            await self._guarded(scope, receive, counted)
        except Exception as error:
            if status["code"]:
                raise
            await self._apologise(error, scope, receive, counted)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            seconds = time.perf_counter() - began
            REQUESTS.labels(scope["method"], route, str(status["code"])).observe(seconds)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > self._max:
            raise BodyTooLarge
        read = 0

        async def limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._max:
                raise BodyTooLarge
            return message

        async def unless_too_large(message: Message) -> None:
            """FastAPI makes its own 400 of an error while it reads a body; ours is the one to be heard."""
            if read <= self._max:
                await send(message)

        await self._app(scope, limited, unless_too_large)
        if read > self._max:
            raise BodyTooLarge

    async def _apologise(self, error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
        refusal, headers = self._refusal(error)
        await problem_response(refusal, headers=headers)(scope, receive, send)

    def _refusal(self, error: Exception) -> tuple[Refusal, dict[str, str]]:
        if isinstance(error, BodyTooLarge):
            return Refusal(413, "body-too-large", f"At most {self._max} bytes are taken."), {"Connection": "close"}
        if db.is_transient(error):
            log.warning("request_not_served_now", error=describe(error))
            return Refusal(503, "not-available", "Try again in a moment, with the same Idempotency-Key."), {
                "Retry-After": "1"
            }
        log.error("request_failed", error=describe(error))
        return Refusal(500, "internal", "Something went wrong here; nothing was stored."), {}


def add_edge(app: Any, max_body_bytes: int) -> None:
    """Put the edge around a FastAPI application."""
    app.add_middleware(Edge, max_body_bytes=max_body_bytes)
