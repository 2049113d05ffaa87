"""Bodies made to be misread, too big, or not what they are called: refused at the edge, with nothing stored."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.chassis.things import SERVICE, TABLE
from tests.harness import Running, running

CITY = "stadt-koblenz/integration"


@pytest.fixture
async def things(tmp_path: Path, create_database: Any) -> AsyncIterator[Running]:
    """The service of things."""
    async with running(SERVICE, tmp_path, await create_database("chassis")) as opened:
        async with opened.context.database.transaction() as conn:
            await conn.execute(TABLE)
        yield opened


async def post(things: Running, body: bytes, **headers: str | None) -> Any:
    """A POST of a clerk; an underscore in the name of a header stands for a hyphen, None leaves it out."""
    sent = {**things.headers(CITY, "clerk"), "content-type": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    kept = {name: value for name, value in sent.items() if value is not None}
    return await things.client.post("/v1/things", content=body, headers=kept)


async def is_refused(things: Running, answer: Any, status: int, code: str) -> None:
    """A problem of that kind, and nothing left of the request."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert answer.json()["type"] == f"urn:lotse:problem:{code}"
    assert not await things.rows("select * from thing")
    assert not await things.rows("select * from chassis.idempotency")


@pytest.mark.parametrize(
    "body",
    [
        b'{"name": "a", "name": "b"}',
        b'{"name": "a", "na\\u006de": "b"}',
        b'{"name": "a", "size": {"x": 1, "x": 2}}',
        b'{"name": "a", "size": NaN}',
        b'{"name": "a", "size": -Infinity}',
        b'{"name": "a\0"}',
        b'{"name": "\xe9"}',
        b'{"name": "\xed\xa0\x80"}',
        '{"name": "a"}'.encode("utf-16"),
        b'\xef\xbb\xbf{"name": "a"}',
        b'{"name": "a"}{"name": "b"}',
        b'{"name": "a",}',
        b"{'name': 'a'}",
        b'{"name": "a", "size": ' + b"9" * 5000 + b"}",
        b'{"name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' * 40_000,
        b" ",
    ],
)
async def test_json_that_can_be_read_in_two_ways_is_refused(things: Running, body: bytes) -> None:
    """A name twice, NaN, another encoding than UTF-8, two documents, numbers and depths beyond sense."""
    await is_refused(things, await post(things, body), 400, "not-json")


@pytest.mark.parametrize("body", [b'{"name": "\\u0000"}', b'{"name": "a", "\\u0000": 1}', b'{"name": ["\\u0000"]}'])
async def test_a_nul_is_refused_even_where_no_rule_speaks_of_it(things: Running, body: bytes) -> None:
    """No database column keeps U+0000; what a body's rules let through is refused all the same."""
    await is_refused(things, await post(things, body), 422, "not-valid")


@pytest.mark.parametrize(
    "body", [b'{"name": "\\ud800"}', b'{"name": "a", "\\ud800": 1}', b'{"name": "a", "size": 1e400}']
)
async def test_what_no_text_or_number_can_hold_is_refused(things: Running, body: bytes) -> None:
    """A lone half of a surrogate pair, a number beyond every float."""
    await is_refused(things, await post(things, body), 422, "not-valid")


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "application/vnd.api+json",
        "application/json, text/plain",
        "json",
        "a" * 5000,
        ";;==",
    ],
)
async def test_a_body_of_another_kind_is_refused(things: Running, kind: str | None) -> None:
    """Also a form, which a browser would send from anywhere without asking."""
    await is_refused(things, await post(things, b'{"name": "a"}', content_type=kind), 415, "unsupported-media-type")


async def test_a_compressed_body_is_refused(things: Running) -> None:
    """A few bytes that unfold to gigabytes are not unfolded."""
    answer = await post(things, b'{"name": "a"}', content_encoding="gzip")
    await is_refused(things, answer, 415, "unsupported-media-type")


async def test_a_parameter_of_the_media_type_changes_nothing(things: Running) -> None:
    """JSON is UTF-8, whatever a charset says."""
    assert (await post(things, b'{"name": "a"}', content_type="Application/JSON; charset=utf-16")).status_code == 201


@pytest.mark.parametrize("length", ["9" * 5000, "-1", "1e3", "", "10000000"])
async def test_a_length_that_cannot_be_is_refused(things: Running, length: str) -> None:
    """Not a number, or one that no body has."""
    await is_refused(things, await post(things, b"{}", content_length=length), 413, "body-too-large")
