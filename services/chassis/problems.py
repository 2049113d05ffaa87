"""Answers that say no: RFC 9457 problems, which name the field and the way out and never repeat what was sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel

TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    408: "Request timeout",
    409: "Conflict",
    412: "The resource has changed",
    413: "Body too large",
    415: "Unsupported media type",
    422: "Not valid",
    428: "If-Match is required",
    429: "Too many requests",
    431: "Request header fields too large",
    500: "Internal error",
    503: "Not available now",
}


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str
    message: str


class ProblemDocument(BaseModel):
    """An RFC 9457 problem. `type` is `urn:lotse:problem:<code>`; `errors` names fields where there are any."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] = []


@dataclass(frozen=True)
class Refusal:
    """A command's no: a result, not an exception. `field` names what the caller sent wrong, if one thing did.

    retry_after_seconds: when the caller should try again, for what passes by itself.
    """

    status: int
    code: str
    detail: str
    field: str | None = None
    retry_after_seconds: int | None = None


class Problem(Exception):
    """Raised at the HTTP edge only: ends the request (and rolls back its transaction) with this answer."""

    def __init__(self, refusal: Refusal, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal
        self.headers = headers


def refuse(result: Any) -> None:
    """Raise Problem when `result` is a Refusal."""
    if isinstance(result, Refusal):
        raise Problem(result)


NOT_FOUND = Refusal(404, "not-found", "There is nothing here that you may see.")


def problem_response(
    refusal: Refusal, *, errors: Sequence[FieldError] = (), headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The refusal as an HTTP answer."""
    wait = {} if refusal.retry_after_seconds is None else {"Retry-After": str(refusal.retry_after_seconds)}
    named = [FieldError(field=refusal.field, message=refusal.detail)] if refusal.field else []
    document = ProblemDocument(
        type=f"urn:lotse:problem:{refusal.code}",
        title=TITLES.get(refusal.status, "Error"),
        status=refusal.status,
        detail=refusal.detail,
        errors=[*named, *errors],
    )
    return JSONResponse(
        document.model_dump(),
        refusal.status,
        headers={**wait, **(headers or {})},
        media_type="application/problem+json",
    )


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI `responses` of routes that may answer these problems."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    return {status: {"description": TITLES[status], "content": content} for status in statuses}


def describe_problems(document: dict[str, Any]) -> dict[str, Any]:
    """Add the schema that `documented` refers to (FastAPI would list it as plain JSON), and what the edge answers.

    That is 503 for every operation, and for those with a body how it can be refused before any route sees it.
    """
    schema = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    parts = schema.pop("$defs", {})
    document.setdefault("components", {}).setdefault("schemas", {}).update({**parts, "ProblemDocument": schema})
    for operations in document.get("paths", {}).values():
        for operation in operations.values():
            of_the_edge = (400, 408, 413, 415, 503) if "requestBody" in operation else (503,)
            for status, described in documented(*of_the_edge).items():
                operation["responses"].setdefault(str(status), described)
    return document
