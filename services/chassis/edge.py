"""The outermost ASGI layer: what bodies are taken, correlation, timing, and an answer to something unforeseen."""

import time
from typing import Any

import asyncpg
import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.chassis import db, tracing
from services.chassis.bodies import BodyRefused, CallerGone, again, check_json, read_body
from services.chassis.log import describe, set_correlation_id
from services.chassis.metrics import observe_request
from services.chassis.problems import Refusal, problem_response

log = structlog.get_logger()


class Edge:
    """Wraps the API; nothing below it sees half a body or one over `max_body_bytes`, nothing above it an exception."""

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
        span = tracing.begin_request(scope["method"], scope["path"])

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
            route = getattr(scope.get("route"), "path", None)
            observe_request(scope["method"], route, status["code"], time.perf_counter() - began)
            tracing.end_request(span, route, status["code"])

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        try:
            body = await read_body(headers, receive, self._max)
        except CallerGone:
            return
        check_json(headers, body)
        await self._app(scope, again(body, receive), send)

    async def _apologise(self, error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
        refusal, headers = self._refusal(error)
        await problem_response(refusal, headers=headers)(scope, receive, send)

    def _refusal(self, error: Exception) -> tuple[Refusal, dict[str, str]]:
        if isinstance(error, BodyRefused):
            return error.refusal, {} if error.complete else {"Connection": "close"}
        if isinstance(error, asyncpg.CharacterNotInRepertoireError):
            return Refusal(422, "not-valid", "A text holds the character U+0000, which is not kept."), {}
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
