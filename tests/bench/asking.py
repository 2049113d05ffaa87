"""HTTP/1.1 on plain streams: a load generator must cost less than what it loads."""

import asyncio
import json
import os
from dataclasses import dataclass
from typing import Any
from uuid import uuid4


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    etag: str
    body: Any


class Refused(Exception):
    """A change that had to succeed was refused."""


class Asker:
    """One connection to each service, kept open."""

    def __init__(self, urls: dict[str, str], tokens: dict[str, str]) -> None:
        self.urls, self.tokens = urls, tokens
        self._streams: dict[str, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}

    async def ask(
        self, method: str, service: str, path: str, unit: str, body: Any = None, *, etag: str = "", parse: bool = True
    ) -> Reply:
        """One request."""
        payload = json.dumps(body or {}).encode()
        match = f"If-Match: {etag}\r\n" if etag else ""
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {self.tokens[unit]}\r\n"
            f"Idempotency-Key: {uuid4()}\r\n{match}Content-Type: application/json\r\n"
            f"Content-Length: {len(payload)}\r\n\r\n"
        )
        reader, answered = await self._answered(service, head.encode() + payload)
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in answered[1:])}
        content = await reader.readexactly(int(fields.get("content-length", 0)))
        said = json.loads(content) if parse and content else None
        return Reply(int(answered[0].split(" ")[1]), fields.get("etag", ""), said)

    async def _answered(self, service: str, message: bytes) -> tuple[asyncio.StreamReader, list[str]]:
        """Send and read the head of the answer; a connection that idled too long is closed by then, and made anew."""
        for _ in range(3):
            if service not in self._streams:
                host, _, port = self.urls[service].partition(":")
                self._streams[service] = await asyncio.open_connection(host, int(port))
            reader, writer = self._streams[service]
            try:
                writer.write(message)
                return reader, (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()
                del self._streams[service]
        raise Refused(f"{service} closes every connection")

    async def do(self, method: str, service: str, path: str, unit: str, body: Any = None, **more: Any) -> Reply:
        """One request that must succeed. Raises Refused."""
        reply = await self.ask(method, service, path, unit, body, **more)
        if not 200 <= reply.status < 300:
            raise Refused(f"{method} {path}: {reply.status} {reply.body}")
        return reply

    async def once_known(self, service: str, path: str, unit: str, body: Any, *, unknown: tuple[int, ...]) -> Reply:
        """POST again while the service has not heard on the bus of what it speaks of."""
        for _ in range(1000):
            reply = await self.ask("POST", service, path, unit, body)
            if reply.status not in unknown:
                break
            await asyncio.sleep(0.05)
        if not 200 <= reply.status < 300:
            raise Refused(f"POST {path}: {reply.status} {reply.body}")
        return reply


def world() -> dict[str, Any]:
    """Where the services are, and who may ask: from the environment."""
    told: dict[str, Any] = json.loads(os.environ["BENCH_WORLD"])
    return told
