"""Asking the services as a partner does: over HTTP, with a bearer token."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import aiohttp

from deploy.demo.cast import Actor
from deploy.demo.unexpected import Unexpected

ANSWER_WITHIN = aiohttp.ClientTimeout(total=15)


@dataclass(frozen=True)
class Answer:
    """What a service answered."""

    status: int
    body: Any
    etag: str

    def __str__(self) -> str:
        if not isinstance(self.body, dict) or "detail" not in self.body:
            return str(self.status)
        fields = "".join(f" {each['field']}: {each['message']}" for each in self.body.get("errors", ()))
        return f"{self.status} ({self.body['detail']}{fields})"


@dataclass
class Services:
    """The services by name. `changed_at`: when the last change was answered, by `time.monotonic`."""

    http: aiohttp.ClientSession
    urls: Mapping[str, str]
    token: Callable[[Actor], str]
    changed_at: float = 0.0

    async def look(self, who: Actor, service: str, path: str) -> Any:
        """Read something that must be there."""
        return _granted(await self._ask(who, "GET", service, path), who, path).body

    async def change(
        self, who: Actor, service: str, path: str, body: Any = None, *, method: str = "POST", if_match: str = ""
    ) -> Answer:
        """Do something that must be allowed and that others hear of: they are timed from its answer."""
        answer = _granted(await self._ask(who, method, service, path, body, if_match), who, path)
        self.changed_at = time.monotonic()
        return answer

    async def replace(self, who: Actor, service: str, path: str, state: Any, *, part: str = "") -> None:
        """Replace the state of something that nobody else changes meanwhile, or of the part of it at `path + part`."""
        etag = _granted(await self._ask(who, "GET", service, path), who, path).etag
        await self.change(who, service, path + part, state, method="PUT", if_match=etag)

    async def be_refused(self, who: Actor, service: str, path: str, status: int) -> None:
        """Try to read something that must be refused with this status."""
        answer = await self._ask(who, "GET", service, path)
        if answer.status != status:
            raise Unexpected(f"Antwort {status} für {who.name} auf {path}", str(answer))

    async def _ask(
        self, who: Actor, method: str, service: str, path: str, body: Any = None, if_match: str = ""
    ) -> Answer:
        headers = {"Authorization": f"Bearer {self.token(who)}"}
        if method != "GET":
            headers["Idempotency-Key"] = str(uuid4())
        if if_match:
            headers["If-Match"] = if_match
        try:
            async with self.http.request(method, self.urls[service] + path, json=body, headers=headers) as response:
                content = await response.json(content_type=None)
                return Answer(response.status, content, response.headers.get("ETag", ""))
        except (aiohttp.ClientError, TimeoutError, ValueError) as failed:
            raise Unexpected(f"eine Antwort des Dienstes {service} auf {method} {path}", repr(failed)) from failed


def _granted(answer: Answer, who: Actor, path: str) -> Answer:
    if not 200 <= answer.status < 300:
        raise Unexpected(f"eine Zusage für {who.name} auf {path}", str(answer))
    return answer
