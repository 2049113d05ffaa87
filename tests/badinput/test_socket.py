"""What no well-behaved client sends: bytes on a real socket, most of them to service processes as in production."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from deploy.local.issuer import issuer_of
from services.chassis import bodies, wire
from tests.badinput.serving import serving
from tests.chassis.things import SERVICE, TABLE
from tests.harness import Running, issuer

CITY = "stadt-koblenz/integration"
LINE = b"\r\n"
OFFER = json.dumps({"unit": CITY, "name": "n", "service_type": "MBE", "description": "d"}).encode()


@asynccontextmanager
async def connection(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """An open connection, closed in the end whatever came of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    try:
        yield reader, writer
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def said(reader: asyncio.StreamReader) -> bytes:
    """All that the service says until it closes, which it must."""
    answer = b""
    async with asyncio.timeout(15):
        while chunk := await _chunk(reader):
            answer += chunk
    return answer


async def _chunk(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(65536)
    except ConnectionResetError:
        return b""


def statuses(answer: bytes) -> list[int]:
    """The status of each answer in what was said."""
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


def request(token: str, *fields: bytes, method: bytes = b"POST", path: bytes = b"/v1/offers") -> bytes:
    """A request's head, without its last empty line; the connection ends with the answer."""
    head = [
        method + b" " + path + b" HTTP/1.1",
        b"Host: x",
        b"Connection: close",
        b"Authorization: Bearer " + token.encode(),
        b"Idempotency-Key: " + str(uuid4()).encode(),
        b"Content-Type: application/json",
        *fields,
    ]
    return LINE.join(head) + LINE


@pytest.fixture
def token(stack: Any) -> str:
    """A clerk of the City, for the services of this run."""
    return issuer_of(stack.layout).issue_token("stadt-koblenz", CITY, ["clerk"])


async def exchange(port: int, sent: bytes) -> bytes:
    """Send and hear."""
    async with connection(port) as (reader, writer):
        writer.write(sent)
        return await said(reader)


def _length(body: bytes) -> bytes:
    return b"Content-Length: " + str(len(body)).encode()


async def test_an_honest_request_gets_through(services: dict[str, int], token: str) -> None:
    """What the others are measured against."""
    answer = await exchange(services["referral"], request(token, _length(OFFER)) + LINE + OFFER)
    assert statuses(answer) == [201]


SMUGGLED = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked"


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ((b"Content-Length: 5", CHUNKED), b"0\r\n\r\n" + SMUGGLED),
        ((CHUNKED, b"Content-Length: 5"), b"0\r\n\r\n" + SMUGGLED),
        ((b"Content-Length: 0", b"Content-Length: 40"), SMUGGLED),
        ((b"Content-Length: 0, 40",), SMUGGLED),
        ((b"Content-Length: +4",), b"null"),
        ((b"Content-Length: 0x4",), b"null"),
        ((b"Content-Length: -1",), b"null"),
        ((b"Content-Length: 99999999999999999999999",), b"null"),
        ((b"Content-Length : 4",), b"null"),
        ((b"Transfer-Encoding: chunked, identity",), b"0\r\n\r\n" + SMUGGLED),
        ((b"Transfer-Encoding: xchunked",), b"0\r\n\r\n" + SMUGGLED),
        ((b"Transfer-Encoding:\x0bchunked",), b"0\r\n\r\n" + SMUGGLED),
        ((b"X: a", b" folded: b", b"Content-Length: 0"), SMUGGLED),
        ((b"X: a\x00b", b"Content-Length: 0"), SMUGGLED),
        ((b"X\x00: a", b"Content-Length: 0"), SMUGGLED),
        ((b"X: a\nContent-Length: 40", b"Content-Length: 0"), SMUGGLED),
        ((b"X: a\rContent-Length: 40", b"Content-Length: 0"), SMUGGLED),
        ((CHUNKED,), b"zz\r\nabc\r\n0\r\n\r\n" + SMUGGLED),
        ((CHUNKED,), b"-1\r\nabc\r\n0\r\n\r\n" + SMUGGLED),
        ((CHUNKED,), b"ffffffffffffffffff\r\nabc\r\n0\r\n\r\n" + SMUGGLED),
        ((CHUNKED,), b"4;x=\n\r\nnull\r\n0\r\n\r\n" + SMUGGLED),
    ],
)
async def test_a_request_that_two_parsers_read_differently_is_refused(
    services: dict[str, int], token: str, fields: tuple[bytes, ...], body: bytes
) -> None:
    """Nothing hidden behind it is answered: one answer, a 4xx, and the connection is over."""
    answer = await exchange(services["referral"], request(token, *fields) + LINE + body)
    assert len(statuses(answer)) == 1, answer
    assert 400 <= statuses(answer)[0] < 500, answer
    assert b'"live"' not in answer


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 60,
        b"GET\r\n\r\n",
        b"GET /v1/offers\r\n\r\n",
        b"GET /v1/offers HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /ü HTTP/1.1\r\nHost: x\r\n\r\n".encode("latin-1"),
        b"GET http://[::1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET http://x:99999999/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /%ff%00%2e%2e/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /v1/offers?unit=%00&limit=%ff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /v1/offers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\nConnection: close\r\n\r\n",
        b"GET /v1/offers HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade, close\r\n\r\n",
    ],
)
async def test_what_is_hardly_http_is_a_4xx(services: dict[str, int], raw: bytes) -> None:
    """A TLS hello, another version, addresses that are none: never a 5xx, never silence."""
    answer = await exchange(services["referral"], raw)
    assert statuses(answer), answer
    assert all(400 <= status < 500 for status in statuses(answer)), answer


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 200_000,
        b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000,
        b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 40_000,
        b"GET / HTTP/1.1\r\n" + b"a" * 200_000,
    ],
)
async def test_a_head_without_end_is_cut(services: dict[str, int], head: bytes) -> None:
    """An address or headers of more than 64 KiB: 431, long before memory is full."""
    assert statuses(await exchange(services["referral"], head)) in ([431], [400])


@pytest.mark.parametrize(
    "rest",
    [
        b"0\r\nX: " + b"a" * 400_000,
        b"0\r\n" + b"X: a\r\n" * 60_000,
        b"1;x=" + b"a" * 400_000,
        b"1\r\nx\r\n" * 60_000,
    ],
)
async def test_what_stands_around_a_body_without_end_is_cut(services: dict[str, int], token: str, rest: bytes) -> None:
    """Trailers, extensions of chunks, chunks of one byte: no way around the limit."""
    assert statuses(await exchange(services["referral"], request(token, CHUNKED) + LINE + rest)) in ([431], [400])


async def test_long_headers_that_end_are_answered(services: dict[str, int], token: str) -> None:
    """Up to the limit nothing breaks."""
    answer = await exchange(
        services["referral"], request(token, b"X: " + b"a" * 60_000, method=b"GET", path=b"/v1/offers") + LINE
    )
    assert statuses(answer) == [200]


async def test_keys_of_any_bytes_are_taken_or_refused(services: dict[str, int], token: str) -> None:
    """An Idempotency-Key outside of ASCII, too long, or empty."""
    for key, expected in ((b"\xc3\xa9\xff", 201), (b"k" * 201, 422), (b"", 400)):
        head = request(token, _length(OFFER)).split(LINE)
        head[4] = b"Idempotency-Key: " + key
        answer = await exchange(services["referral"], LINE.join(head) + LINE + OFFER)
        assert statuses(answer) == [expected], answer


@pytest.fixture
async def quick(tmp_path: Path, create_database: Any, monkeypatch: Any) -> AsyncIterator[tuple[Running, int]]:
    """A service whose patience with slow callers is short."""
    monkeypatch.setattr(wire, "HEAD_SECONDS", 0.4)
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.4)
    async with serving(SERVICE, tmp_path, await create_database("chassis")) as (opened, port):
        async with opened.context.database.transaction() as conn:
            await conn.execute(TABLE)
        yield opened, port


async def trickle(writer: asyncio.StreamWriter, raw: bytes) -> None:
    """One byte after the other, for as long as the other side listens."""
    for byte in raw:
        if writer.is_closing():
            return
        writer.write(bytes([byte]))
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("raw", [b"", b"GET / HTTP/1.1\r\nX: " + b"a" * 400, b"\r\n" * 400])
async def test_a_head_that_never_ends_is_let_go(quick: tuple[Running, int], raw: bytes) -> None:
    """Slowloris: a connection costs us nothing for long."""
    async with connection(quick[1]) as (reader, writer):
        sending = asyncio.create_task(trickle(writer, raw))
        async with asyncio.timeout(5):
            answer = await said(reader)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    assert statuses(answer) == [408]
    assert b"head-too-slow" in answer


async def test_one_connection_too_many_is_let_go_and_the_others_stay(
    quick: tuple[Running, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Idle connections cost memory and file descriptors: their number is bounded, and one that ends makes room."""
    monkeypatch.setattr(wire, "MAX_CONNECTIONS", 2)
    monkeypatch.setattr(wire, "HEAD_SECONDS", 10)
    alive = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    async with connection(quick[1]) as (_, idle):
        async with connection(quick[1]) as (reader, writer):
            async with connection(quick[1]) as (refused, _):
                answer = await said(refused)
            assert statuses(answer) == [503]
            assert b"too-many-connections" in answer
            assert b"retry-after: 5" in answer.lower()
            writer.write(alive)
            assert statuses(await _chunk(reader)) == [200]
        async with connection(quick[1]) as (reader, writer):
            writer.write(alive)
            assert statuses(await _chunk(reader)) == [200]
        assert not idle.is_closing()


@pytest.mark.parametrize("length", [b"Content-Length: 400", CHUNKED])
async def test_a_body_that_never_ends_is_let_go(quick: tuple[Running, int], length: bytes) -> None:
    """However its length is given; nothing is stored, no connection of the database was held."""
    opened, port = quick
    token = issuer(opened.folder).issue_token("stadt-koblenz", CITY, ["clerk"])
    async with connection(port) as (reader, writer):
        writer.write(request(token, length, path=b"/v1/things") + LINE)
        raw = b"1\r\n \r\n" * 60 if length == CHUNKED else b" " * 300
        sending = asyncio.create_task(trickle(writer, raw))
        async with asyncio.timeout(5):
            answer = await said(reader)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    assert statuses(answer) == [408]
    assert b"body-too-slow" in answer
    assert await opened.rows("select * from chassis.idempotency") == []


async def test_a_second_request_on_the_same_connection_is_timed_as_well(quick: tuple[Running, int]) -> None:
    """The first answer does not buy the right to wait."""
    async with connection(quick[1]) as (reader, writer):
        writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 " in await reader.readuntil(b'live"}')
        writer.write(b"GET /health/live HTTP/1.1\r\nX: ")
        async with asyncio.timeout(5):
            answer = await said(reader)
    assert statuses(answer) == [408]


async def test_a_caller_that_goes_away_in_the_middle_changes_nothing(quick: tuple[Running, int]) -> None:
    """Half a body is no request."""
    opened, port = quick
    token = issuer(opened.folder).issue_token("stadt-koblenz", CITY, ["clerk"])
    async with connection(port) as (_, writer):
        writer.write(request(token, b"Content-Length: 14", path=b"/v1/things") + LINE + b'{"name"')
        await writer.drain()
    answer = await exchange(port, b"GET /health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert statuses(answer) == [200]
    assert await opened.rows("select * from thing") == []
