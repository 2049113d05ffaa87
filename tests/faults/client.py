"""A partner's client: it asks until it has an answer, each time with the same Idempotency-Key."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import aiohttp

ANSWER_WITHIN = aiohttp.ClientTimeout(total=15, sock_connect=3)
# What a client may take for passing by itself. A 500 is asked again as well, but it is a fault of the service.
AGAIN = frozenset({500, 502, 503, 504})
LONGEST_PAUSE_SECONDS = 2.0


class NoAnswer(Exception):
    """The service gave no answer for as long as the load had patience."""


@dataclass(frozen=True)
class Answer:
    """What a service answered in the end. `tries`: how often it was asked."""

    status: int
    body: Any
    etag: str
    tries: int

    @property
    def is_done(self) -> bool:
        return 200 <= self.status < 300

    @property
    def code(self) -> str:
        """The problem's code, the last part of its type; empty without a problem."""
        kind = str(self.body.get("type", "")) if isinstance(self.body, dict) else ""
        return kind.rpartition("/")[2].rpartition(":")[2]


@dataclass
class Client:
    """Asks the services for everybody. `token`: the bearer token of a unit's system."""

    http: aiohttp.ClientSession
    urls: Mapping[str, str]
    token: Callable[[str], str]
    patience_seconds: float
    trouble: Counter[str] = field(default_factory=Counter)
    """How often what went wrong on the way to an answer."""

    async def ask(
        self,
        keys: random.Random | None,
        unit: str,
        service: str,
        method: str,
        path: str,
        body: Any = None,
        if_match: str = "",
    ) -> Answer:
        """Ask until there is an answer that is not "later". Raises NoAnswer when patience ends.

        keys: gives the Idempotency-Key; a GET needs none.
        """
        headers = {"Authorization": f"Bearer {self.token(unit)}"}
        if keys is not None:
            headers["Idempotency-Key"] = str(UUID(int=keys.getrandbits(128), version=4))
        if if_match:
            headers["If-Match"] = if_match
        try:
            async with asyncio.timeout(self.patience_seconds):
                return await self._until_answered(method, self.urls[service] + path, body, headers)
        except TimeoutError:
            raise NoAnswer(f"{method} {path} of {service}: none in {self.patience_seconds:.0f} s") from None

    async def is_given(self, unit: str, service: str, path: str) -> bool:
        """Whether a unit gets something; asked once, since "later" is a no as well."""
        headers = {"Authorization": f"Bearer {self.token(unit)}"}
        try:
            async with self.http.get(self.urls[service] + path, headers=headers, timeout=ANSWER_WITHIN) as response:
                return response.ok
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def _until_answered(self, method: str, url: str, body: Any, headers: Mapping[str, str]) -> Answer:
        pause, tries = 0.05, 0
        while True:
            tries += 1
            try:
                async with self.http.request(
                    method, url, json=body, headers=headers, timeout=ANSWER_WITHIN
                ) as response:
                    content = await response.json(content_type=None)
                    if response.status not in AGAIN:
                        return Answer(response.status, content, response.headers.get("ETag", ""), tries)
                    self.trouble[f"{response.status}"] += 1
            except (aiohttp.ClientError, ValueError) as error:
                self.trouble[type(error).__name__] += 1
            except TimeoutError:
                self.trouble["TimeoutError"] += 1
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
