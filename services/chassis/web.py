"""The HTTP side of a service: FastAPI with problems instead of its own errors, health and metrics."""

import asyncio
from functools import partial
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException

from services.chassis import admin, metrics
from services.chassis.api import describe_changes
from services.chassis.context import Context, Service
from services.chassis.edge import add_edge
from services.chassis.log import describe
from services.chassis.permissions import check_all_named
from services.chassis.problems import FieldError, Problem, Refusal, describe_problems, problem_response

# OpenAPI asks for the version of the API, which is that of its paths (/v1), not of this program.
API_VERSION = "1.0"


def create_app(service: Service, context: Context) -> FastAPI:
    """The service's API (without its routes when this process does not have the role `api`), health and metrics."""
    app = FastAPI(title=service.title, version=API_VERSION, docs_url=None, redoc_url=None)
    app.state.context = context
    app.state.handlers = service.handlers(context)
    app.state.observe = service.observe
    if "api" in context.settings.roles:
        routers = [*service.routers, admin.router]
        check_all_named(routers)
        for router in routers:
            app.include_router(router)
    app.add_api_route("/health/live", _live, include_in_schema=False)
    app.add_api_route("/health/ready", _ready, include_in_schema=False)
    app.add_api_route("/metrics", _metrics, include_in_schema=False)
    app.add_exception_handler(RequestValidationError, _not_valid)
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http_error)
    add_edge(app, context.settings.max_body_bytes)
    generate = app.openapi
    app.openapi = lambda: describe_changes(describe_problems(generate()))  # type: ignore[method-assign]  # FastAPI's way to extend it
    return app


async def _live() -> Response:
    return JSONResponse({"status": "live"})


async def _ready(request: Request) -> Response:
    """Ready is database and migrations (checked at start); the consumer's state is a metric."""
    context: Context = request.app.state.context
    try:
        async with asyncio.timeout(2), context.database.reading() as conn:
            await conn.fetchval("select 1")
    except Exception as error:
        return JSONResponse({"status": "not ready", "error": describe(error)["type"]}, 503)
    return JSONResponse({"status": "ready"})


async def _metrics(request: Request) -> Response:
    context: Context = request.app.state.context
    return PlainTextResponse(await metrics.render(context.database, partial(request.app.state.observe, context)))


async def _not_valid(_request: Request, error: Any) -> Response:
    """Name each wrong field and what would be right; never repeat what was sent."""
    errors = [FieldError(field=_field(each["loc"]), message=_message(each)) for each in error.errors()[:20]]
    if any(each["type"] == "json_invalid" for each in error.errors()):
        return problem_response(Refusal(400, "not-json", "The body is not valid JSON."), errors=errors)
    return problem_response(Refusal(422, "not-valid", "Some fields are not valid; nothing was stored."), errors=errors)


def _field(location: tuple[Any, ...]) -> str:
    """The path of a field; of an unknown one too, cut so that nobody writes essays into our answers."""
    parts = location[1:] if location and location[0] in ("body", "query", "path", "header") else location
    return ".".join(str(part)[:60] for part in parts) or "body"


def _message(error: Any) -> str:
    if error["type"] == "value_error":
        return str(error["msg"]).removeprefix("Value error, ")
    return str(error["msg"])


async def _problem(_request: Request, error: Any) -> Response:
    return problem_response(error.refusal, headers=error.headers)


async def _http_error(_request: Request, error: Any) -> Response:
    code = {404: "not-found", 405: "method-not-allowed", 400: "not-readable"}.get(error.status_code, "http")
    detail = {404: "There is nothing here that you may see.", 400: "The body cannot be read as JSON."}
    refusal = Refusal(error.status_code, code, detail.get(error.status_code, str(error.detail)))
    return problem_response(refusal, headers=error.headers)
