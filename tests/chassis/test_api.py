"""What every API of Lotse promises: problems that name the field, nothing half-stored, the same request done once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from schemas import Topic
from services.chassis import idempotency
from services.chassis.keys import Key, lock_keys
from services.chassis.schedule import run_jobs
from tests.chassis.things import FINISH, SERVICE, TABLE
from tests.conftest import eventually
from tests.harness import Running, issuer, running

CITY, AWO = "stadt-koblenz/integration", "awo-rheinland/mbe"


@pytest.fixture
async def things(tmp_path, create_database) -> AsyncIterator[Running]:
    """The service of things."""
    async with running(SERVICE, tmp_path, await create_database("chassis")) as opened:
        async with opened.context.database.transaction() as conn:
            await conn.execute(TABLE)
        yield opened


async def nothing_stored(things: Running) -> bool:
    rows = await things.rows("select (select count(*) from thing) + (select count(*) from chassis.outbox) as n")
    keys = await things.rows("select * from chassis.idempotency")
    return rows[0]["n"] == 0 and not keys


def problem(response: Any, status: int, code: str, field: str | None = None) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["type"] == f"urn:lotse:problem:{code}"
    assert document["status"] == status
    if field is not None:
        assert field in [error["field"] for error in document["errors"]], document
    return document


async def test_a_change_is_stored_published_and_shown(things: Running) -> None:
    """201 with location and entity tag; one row, one event."""
    response = await things.client.post("/v1/things", json={"name": "a"}, headers=things.headers(CITY, "clerk"))
    assert response.status_code == 201
    assert response.headers["etag"] == '"1"'
    assert response.headers["location"] == f"/v1/things/{response.json()['id']}"
    assert len(await things.published()) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "a", "religion": "x"}, "religion"),
        ({"name": 7}, "name"),
        ({}, "name"),
        ({"name": "a" * 21}, "name"),
        ({"name": "a", "size": "many"}, "size"),
        ([], "body"),
    ],
)
async def test_a_wrong_body_is_a_problem_that_names_the_field(things: Running, body: Any, field: str) -> None:
    """Unknown field, wrong type, missing, too long: nothing stored, nothing published, nothing repeated back."""
    response = await things.client.post("/v1/things", json=body, headers=things.headers(CITY, "clerk"))
    problem(response, 422, "not-valid", field)
    assert "aaaaaaaaaaaaaaaaaaaaa" not in response.text
    assert await nothing_stored(things)


@pytest.mark.parametrize("raw", [b"{", b"\xff\xfe", b"[" * 100_000, b'{"name": 1e999999}', b""])
async def test_a_body_that_is_not_json_is_a_problem(things: Running, raw: bytes) -> None:
    """Half JSON, not UTF-8, nested beyond sense."""
    headers = {**things.headers(CITY, "clerk"), "content-type": "application/json"}
    response = await things.client.post("/v1/things", content=raw, headers=headers)
    assert response.status_code in (400, 422)
    assert response.headers["content-type"] == "application/problem+json"
    assert await nothing_stored(things)


async def test_ten_megabytes_are_refused(things: Running) -> None:
    """By the declared length, or while reading when none was declared."""
    headers = {**things.headers(CITY, "clerk"), "content-type": "application/json"}
    problem(await things.client.post("/v1/things", content=b"x" * 10_000_000, headers=headers), 413, "body-too-large")

    async def stream() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b"x" * 10_000

    problem(await things.client.post("/v1/things", content=stream(), headers=headers), 413, "body-too-large")
    assert await nothing_stored(things)


async def test_a_lying_content_length_is_refused(things: Running) -> None:
    """Not a number."""
    headers = {**things.headers(CITY, "clerk"), "content-length": "12a"}
    problem(await things.client.post("/v1/things", content=b"{}", headers=headers), 413, "body-too-large")


async def test_without_a_valid_token_nobody_gets_in(things: Running) -> None:
    """Missing, of another kind, foreign, expired, not yet valid, for somebody else, without a signature."""
    good = issuer(things.folder)
    foreign = issuer(things.folder / "foreign")
    tokens = {
        "none": None,
        "basic": "Basic abc",
        "garbage": "Bearer a.b.c",
        "not-json": "Bearer x",
        "foreign": f"Bearer {foreign.issue_token('stadt-koblenz', CITY, ['clerk'])}",
        "expired": f"Bearer {good.issue_token('stadt-koblenz', CITY, ['clerk'], ttl=timedelta(seconds=-60))}",
        "unknown partner": f"Bearer {good.issue_token('nobody', 'nobody/x', ['clerk'])}",
        "foreign unit": f"Bearer {good.issue_token('stadt-koblenz', AWO, ['clerk'])}",
        "long": f"Bearer {'a' * 9000}",
    }
    for name, token in tokens.items():
        headers = {"Idempotency-Key": str(uuid4()), **({"Authorization": token} if token else {})}
        response = await things.client.post("/v1/things", json={"name": "a"}, headers=headers)
        problem(response, 401, "not-authenticated", "Authorization")
        assert response.headers["www-authenticate"].startswith("Bearer"), name
    assert await nothing_stored(things)


async def test_a_wrong_role_is_refused(things: Running) -> None:
    """403 says which role it takes."""
    response = await things.client.post("/v1/things", json={"name": "a"}, headers=things.headers(CITY, "coordinator"))
    assert "clerk" in problem(response, 403, "role-missing")["detail"]
    assert await nothing_stored(things)


async def test_a_post_needs_an_idempotency_key(things: Running) -> None:
    """Without one nobody could try again safely."""
    headers = things.headers(CITY, "clerk")
    del headers["Idempotency-Key"]
    response = await things.client.post("/v1/things", json={"name": "a"}, headers=headers)
    problem(response, 400, "idempotency-key-missing", "Idempotency-Key")
    assert await nothing_stored(things)


async def test_the_same_request_twice_is_done_once(things: Running) -> None:
    """The answer is made anew from the resource; no body was stored."""
    headers = things.headers(CITY, "clerk", key="k1")
    first = await things.client.post("/v1/things", json={"name": "secret name"}, headers=headers)
    second = await things.client.post("/v1/things", json={"name": "secret name"}, headers=headers)
    assert first.json() == second.json()
    assert (second.status_code, second.headers["idempotency-replayed"]) == (201, "true")
    assert len(await things.rows("select * from thing")) == 1
    assert "secret" not in str(await things.rows("select * from chassis.idempotency"))


async def test_the_same_request_at_the_same_time_is_done_once(things: Running) -> None:
    """The second waits for the first."""
    headers = things.headers(CITY, "clerk", key="k1")
    answers = await asyncio.gather(
        *(things.client.post("/v1/things", json={"name": "a"}, headers=headers) for _ in range(8))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(await things.rows("select * from thing")) == 1


async def test_a_key_used_for_another_request_is_refused(things: Running) -> None:
    """Another body under the same key is not what was asked before."""
    headers = things.headers(CITY, "clerk", key="k1")
    await things.client.post("/v1/things", json={"name": "a"}, headers=headers)
    response = await things.client.post("/v1/things", json={"name": "b"}, headers=headers)
    problem(response, 422, "idempotency-key-reused", "Idempotency-Key")


async def test_a_key_used_for_another_version_or_by_another_unit_is_refused(things: Running) -> None:
    """What was decided on another version, or by somebody else, is another request."""
    made = await things.client.post("/v1/things", json={"name": "a"}, headers=things.headers(CITY, "clerk"))
    headers = {**things.headers(CITY, "clerk", key="k2"), "If-Match": '"1"'}
    assert (await things.client.put(made.headers["location"], json={"name": "b"}, headers=headers)).status_code == 200
    stale = {**headers, "If-Match": '"77"'}
    response = await things.client.put(made.headers["location"], json={"name": "b"}, headers=stale)
    problem(response, 422, "idempotency-key-reused", "Idempotency-Key")
    elsewhere = {**things.headers("stadt-koblenz/other", "clerk", key="k2"), "If-Match": '"1"'}
    response = await things.client.put(made.headers["location"], json={"name": "b"}, headers=elsewhere)
    problem(response, 422, "idempotency-key-reused", "Idempotency-Key")


async def test_a_repeated_request_is_answered_though_its_resource_takes_no_more_changes(things: Running) -> None:
    """What has become of it since refuses new requests only; those leave their keys free."""
    made = await things.client.post("/v1/things", json={"name": "a"}, headers=things.headers(CITY, "clerk"))
    path, closing = made.headers["location"], {"name": "closed"}
    headers = {**things.headers(CITY, "clerk", key="k1"), "If-Match": '"1"'}
    first = await things.client.put(path, json=closing, headers=headers)
    assert (first.status_code, first.headers["etag"]) == (200, '"2"')
    second = await things.client.put(path, json=closing, headers=headers)
    assert (second.status_code, second.json()) == (200, first.json())
    assert second.headers["idempotency-replayed"] == "true"
    other = {**things.headers(CITY, "clerk", key="k2"), "If-Match": '"2"'}
    problem(await things.client.put(path, json=closing, headers=other), 409, "thing-closed")
    assert "k2" not in {row["key"] for row in await things.rows("select key from chassis.idempotency")}


async def test_a_repeated_request_waits_for_nobody_who_holds_its_resource(things: Running) -> None:
    """It changes nothing, so it locks no keys."""
    headers = things.headers(CITY, "clerk", key="k1")
    made = await things.client.post("/v1/things", json={"name": "a"}, headers=headers)
    async with things.context.database.transaction() as conn, asyncio.timeout(5):
        await lock_keys(conn, [Key(str(Topic.CASES), made.json()["id"])])
        again = await things.client.post("/v1/things", json={"name": "a"}, headers=headers)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")


async def test_another_partner_may_use_the_same_key(things: Running) -> None:
    """Keys are each partner's own."""
    for unit in (CITY, AWO):
        headers = things.headers(unit, "clerk", key="k1")
        response = await things.client.post("/v1/things", json={"name": unit[:3]}, headers=headers)
        assert response.json()["name"] == unit[:3]


async def test_a_refused_change_leaves_its_key_free(things: Running) -> None:
    """After a 409 the caller may try again with the same key."""
    headers = things.headers(CITY, "clerk", key="k1")
    response = await things.client.post("/v1/things", json={"name": "refused"}, headers=headers)
    problem(response, 409, "thing-refused", "name")
    assert await nothing_stored(things)
    assert (await things.client.post("/v1/things", json={"name": "a"}, headers=headers)).status_code == 201


async def test_something_unforeseen_is_a_problem_without_details(things: Running, caplog) -> None:
    """Neither the answer nor the log repeats what was sent."""
    response = await things.client.post("/v1/things", json={"name": "breaks"}, headers=things.headers(CITY, "clerk"))
    problem(response, 500, "internal")
    assert "breaks" not in response.text
    assert "breaks" not in caplog.text
    assert await nothing_stored(things)


async def test_a_database_that_is_away_for_a_moment_is_a_503(things: Running, monkeypatch) -> None:
    """Try again later, nothing was stored."""

    async def away(*_: Any) -> None:
        raise asyncpg.CannotConnectNowError

    monkeypatch.setattr(idempotency, "open_change", away)
    response = await things.client.post("/v1/things", json={"name": "a"}, headers=things.headers(CITY, "clerk"))
    problem(response, 503, "not-available")
    assert response.headers["retry-after"] == "1"


async def test_a_deadlock_is_tried_again_before_anyone_hears_of_it(things: Running, monkeypatch) -> None:
    """Two tries fail, the third answers."""
    original, failures = idempotency.open_change, [asyncpg.DeadlockDetectedError(), asyncpg.SerializationError()]

    async def crossed(*args: Any) -> Any:
        if failures:
            raise failures.pop()
        return await original(*args)

    monkeypatch.setattr(idempotency, "open_change", crossed)
    response = await things.client.post("/v1/things", json={"name": "a"}, headers=things.headers(CITY, "clerk"))
    assert response.status_code == 201


async def test_a_change_needs_the_version_it_was_decided_on(things: Running) -> None:
    """428 without If-Match, 412 with an old one, 200 with the present one."""
    headers = things.headers(CITY, "clerk")
    made = await things.client.post("/v1/things", json={"name": "a"}, headers=headers)
    path = made.headers["location"]
    problem(await things.client.put(path, json={"name": "b"}, headers=headers), 428, "if-match-missing", "If-Match")
    for stale in ('"7"', 'W/"1"', "1"):
        answer = await things.client.put(path, json={"name": "b"}, headers={**headers, "If-Match": stale})
        problem(answer, 412, "stale", "If-Match")
    answer = await things.client.put(path, json={"name": "b"}, headers={**headers, "If-Match": '"1"'})
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')


async def test_what_belongs_to_another_is_not_there(things: Running) -> None:
    """The same 404 for another partner's thing and for one that never was."""
    made = await things.client.post("/v1/things", json={"name": "a"}, headers=things.headers(CITY, "clerk"))
    foreign = {**things.headers(AWO, "clerk"), "If-Match": "*"}
    theirs = await things.client.put(made.headers["location"], json={"name": "b"}, headers=foreign)
    nobodys = await things.client.put(f"/v1/things/{uuid4()}", json={"name": "b"}, headers=foreign)
    assert problem(theirs, 404, "not-found") == problem(nobodys, 404, "not-found")
    assert problem(await things.client.get(f"/v1/things/{uuid4()}", headers=foreign), 404, "not-found")


async def test_paths_and_methods_that_do_not_exist_are_problems(things: Running) -> None:
    """Also outside of any route."""
    problem(await things.client.get("/v1/nothing"), 404, "not-found")
    problem(await things.client.delete("/v1/things"), 405, "method-not-allowed")


async def test_health_and_metrics_answer(things: Running) -> None:
    """Live, ready, and the state of the outbox in Prometheus's form."""
    assert (await things.client.get("/health/live")).json() == {"status": "live"}
    assert (await things.client.get("/health/ready")).json() == {"status": "ready"}
    assert "lotse_outbox_depth 0.0" in (await things.client.get("/metrics")).text


async def test_not_ready_without_a_database(things: Running) -> None:
    """503, and which kind of error it was."""
    await things.context.database.close()
    response = await things.client.get("/health/ready")
    assert (response.status_code, response.json()["status"]) == (503, "not ready")


async def test_openapi_describes_the_problems(things: Running) -> None:
    """OpenAPI 3.1 with problem answers in their media type."""
    document = (await things.client.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    answers = document["paths"]["/v1/things"]["post"]["responses"]
    assert "application/problem+json" in answers["403"]["content"]


async def test_a_process_without_the_role_api_has_health_only(tmp_path, create_database) -> None:
    """A relay's or consumer's process offers no way in."""
    url = await create_database("chassis")
    async with running(SERVICE, tmp_path, url, roles="relay") as opened:
        assert (await opened.client.post("/v1/things", json={})).status_code == 404
        assert (await opened.client.get("/health/live")).status_code == 200


async def test_a_job_does_each_item_once_and_a_stuck_one_stops_no_other(things: Running) -> None:
    """Due items are done under their key's lock; the job rests until it is due again."""
    for name in ("a", "stuck", "b"):
        await things.client.post("/v1/things", json={"name": name}, headers=things.headers(CITY, "clerk"))
    assert await things.run_job("finish") == 2
    names = {row["name"] for row in await things.rows("select name from thing")}
    assert names == {"done", "stuck"}
    due = await things.rows("select due_at > chassis.lotse_now() + interval '59 minutes' as later from chassis.job")
    assert due == [{"later": True}]


async def test_a_job_that_cannot_look_stops_no_other(things: Running) -> None:
    """Its fault is logged, and the ones behind it run."""

    async def broken(*_: Any) -> Any:
        raise RuntimeError("no such table")

    headers = things.headers(CITY, "clerk")
    await things.client.post("/v1/things", json={"name": "a"}, headers=headers)
    jobs = [replace(FINISH, name="broken", find=broken), FINISH]
    task = asyncio.create_task(run_jobs(things.context.database, jobs))
    try:
        await eventually(lambda: _all_done(things))
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _all_done(things: Running) -> bool:
    return not await things.rows("select * from thing where name <> 'done'")


async def test_old_idempotency_keys_are_forgotten(things: Running) -> None:
    """After seven days of the service's clock."""
    from services.chassis.idempotency import FORGET_OLD_KEYS
    from services.chassis.schedule import run_if_due

    await things.client.post("/v1/things", json={"name": "a"}, headers=things.headers(CITY, "clerk"))
    async with things.context.database.transaction() as conn:
        await conn.execute("insert into chassis.job values ($1, now())", FORGET_OLD_KEYS.name)
    assert await run_if_due(things.context.database, FORGET_OLD_KEYS) == 0
    await things.move_clock(timedelta(days=8))
    assert await run_if_due(things.context.database, FORGET_OLD_KEYS) == 1
    assert await things.rows("select * from chassis.idempotency") == []
