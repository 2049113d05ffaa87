"""Idempotency-Keys and entity tags in the wrong hands or in the wrong place."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.chassis.things import SERVICE, TABLE
from tests.harness import Running, running

CITY, AWO = "stadt-koblenz/integration", "awo-rheinland/mbe"


@pytest.fixture
async def things(tmp_path: Path, create_database: Any) -> AsyncIterator[Running]:
    """The service of things."""
    async with running(SERVICE, tmp_path, await create_database("chassis")) as opened:
        async with opened.context.database.transaction() as conn:
            await conn.execute(TABLE)
        yield opened


async def a_thing(things: Running, name: str = "a", unit: str = CITY) -> Any:
    """Make one; returns the answer."""
    return await things.client.post("/v1/things", json={"name": name}, headers=things.headers(unit, "clerk"))


async def names(things: Running) -> list[str]:
    """What is stored."""
    return sorted(row["name"] for row in await things.rows("select name from thing"))


async def test_a_key_swapped_between_two_resources_is_refused(things: Running) -> None:
    """The same key, body and tag on another thing of the same route is another request, not a replay."""
    first, second = await a_thing(things, "a"), await a_thing(things, "b")
    headers = {**things.headers(CITY, "clerk", key="k"), "If-Match": '"1"'}
    put = things.client.put
    assert (await put(first.headers["location"], json={"name": "c"}, headers=headers)).status_code == 200
    answer = await put(second.headers["location"], json={"name": "c"}, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:lotse:problem:idempotency-key-reused")
    assert await names(things) == ["b", "c"]


async def test_a_replayed_change_is_not_done_on_the_newer_state(things: Running) -> None:
    """A late repeat of an old request answers with the thing as it is now and changes nothing."""
    path = (await a_thing(things)).headers["location"]
    old = {**things.headers(CITY, "clerk", key="old"), "If-Match": '"1"'}
    await things.client.put(path, json={"name": "b"}, headers=old)
    await things.client.put(path, json={"name": "c"}, headers={**things.headers(CITY, "clerk"), "If-Match": '"2"'})
    replayed = await things.client.put(path, json={"name": "b"}, headers=old)
    assert (replayed.status_code, replayed.json()["name"], replayed.headers["etag"]) == (200, "c", '"3"')
    assert replayed.headers["idempotency-replayed"] == "true"


async def test_a_replay_by_another_partner_shows_nothing(things: Running) -> None:
    """Who has somehow learnt a key and a body of another partner makes a thing of its own."""
    headers = things.headers(CITY, "clerk", key="stolen")
    theirs = await things.client.post("/v1/things", json={"name": "a"}, headers=headers)
    own = await things.client.post("/v1/things", json={"name": "a"}, headers=things.headers(AWO, "clerk", key="stolen"))
    assert own.status_code == 201
    assert own.json()["id"] != theirs.json()["id"]
    assert "idempotency-replayed" not in own.headers


async def test_a_replay_whose_role_is_gone_is_refused(things: Running) -> None:
    """A key is no ticket: who may not do it any more is not shown the result either."""
    body = {"name": "a"}
    await things.client.post("/v1/things", json=body, headers=things.headers(CITY, "clerk", key="k"))
    answer = await things.client.post("/v1/things", json=body, headers=things.headers(CITY, "coordinator", key="k"))
    assert answer.status_code == 403


async def test_the_bytes_of_a_body_are_what_counts(things: Running) -> None:
    """The same JSON in other bytes is another request: nothing is guessed."""
    headers = {**things.headers(CITY, "clerk", key="k"), "content-type": "application/json"}
    assert (await things.client.post("/v1/things", content=b'{"name":"a"}', headers=headers)).status_code == 201
    assert (await things.client.post("/v1/things", content=b'{"name": "a"}', headers=headers)).status_code == 422


@pytest.mark.parametrize("tag", ['"2"', 'W/"1"', '"1", "2"', "1", '""', '"1', "\x7f", '"' + "1" * 90 + '"'])
async def test_a_tag_that_is_not_of_this_version_is_stale(things: Running, tag: str) -> None:
    """The version of another thing, a weak one, a list, half a tag."""
    path = (await a_thing(things)).headers["location"]
    headers = {**things.headers(CITY, "clerk"), "If-Match": tag}
    answer = await things.client.put(path, json={"name": "b"}, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (412, "urn:lotse:problem:stale")
    assert await names(things) == ["a"]
