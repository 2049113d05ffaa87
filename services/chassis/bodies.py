"""Reading a request's body: bounded in size and in time, and JSON that every reader understands alike."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from starlette.types import Message, Receive

from services.chassis.problems import Refusal

# Of the whole body, however slowly its bytes come: 256 KiB in that time is less than the slowest line brings.
BODY_SECONDS = 20.0
CONTENT_TYPE = "application/json"


class BodyRefused(Exception):
    """The body was not taken; the connection ends with the answer where the rest of it is still to come."""

    def __init__(self, refusal: Refusal, *, complete: bool) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal
        self.complete = complete


class CallerGone(Exception):
    """The connection ended before the body did."""


async def read_body(headers: Mapping[bytes, bytes], receive: Receive, max_bytes: int) -> bytes:
    """The whole body. Raises BodyRefused when it is too large or too slow, CallerGone."""
    declared = headers.get(b"content-length", b"0")
    if not declared.isdigit() or len(declared) > 18 or int(declared) > max_bytes:
        raise BodyRefused(_too_large(max_bytes), complete=False)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _all_of(receive, max_bytes)
    except TimeoutError:
        detail = f"The whole body must arrive within {BODY_SECONDS:g} s."
        raise BodyRefused(Refusal(408, "body-too-slow", detail), complete=False) from None


def _too_large(max_bytes: int) -> Refusal:
    return Refusal(413, "body-too-large", f"At most {max_bytes} bytes are taken.")


async def _all_of(receive: Receive, max_bytes: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise CallerGone
        body += message.get("body", b"")
        if len(body) > max_bytes:
            raise BodyRefused(_too_large(max_bytes), complete=False)
        if not message.get("more_body", False):
            return bytes(body)


def again(body: bytes, receive: Receive) -> Receive:
    """Hand out a body that was read already, and then whatever comes."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


def check_json(headers: Mapping[bytes, bytes], body: bytes) -> None:
    """Refuse what is not declared as JSON, and JSON that two readers could take for two different things.

    Raises BodyRefused for another media type or encoding, a name twice in one object, and NaN.
    """
    if not body:
        return
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if kind != CONTENT_TYPE.encode() or headers.get(b"content-encoding", b"identity").lower() != b"identity":
        detail = f"Send the body as {CONTENT_TYPE}, not compressed, and say so in Content-Type."
        raise BodyRefused(Refusal(415, "unsupported-media-type", detail, field="Content-Type"), complete=True)
    try:
        json.loads(body.decode(), object_pairs_hook=_each_name_once, parse_constant=_no_constant)
    except _Ambiguous as error:
        raise _not_json(str(error)) from None
    except (ValueError, RecursionError):
        raise _not_json("The body is not valid JSON.") from None


def _not_json(detail: str) -> BodyRefused:
    return BodyRefused(Refusal(400, "not-json", detail), complete=True)


class _Ambiguous(Exception):
    """Valid by the letter, and read in more than one way."""


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    named = dict(pairs)
    if len(named) != len(pairs):
        raise _Ambiguous("An object of the body has the same name twice.")
    return named


def _no_constant(_name: str) -> Any:
    raise _Ambiguous("NaN and Infinity are not JSON.")
