"""When changes are refused: while recovering and past a full outbox, and what is taken all the same."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from services.chassis import admission
from services.chassis.admission import Admission, depth_up_to
from services.chassis.app import running_tasks
from services.chassis.metrics import REGISTRY
from tests.chassis.things import SERVICE, TABLE
from tests.conftest import eventually
from tests.harness import Running, running

UNIT = "stadt-koblenz/integration"
ROW = "insert into chassis.outbox (event_id, topic, key, headers, value) values ($1, 'lotse.cases.v1', 'k', '{}', '')"


@pytest.fixture
async def things(tmp_path: Path, database_url: str) -> AsyncIterator[Running]:
    """The service of things."""
    async with running(SERVICE, tmp_path, database_url, outbox_limit=10, roles="api") as one:
        async with one.context.database.transaction() as conn:
            await conn.execute(TABLE)
        yield one


async def make(things: Running) -> Any:
    """Ask for a new thing."""
    return await things.client.post("/v1/things", json={"name": "one"}, headers=things.headers(UNIT, "clerk"))


async def wait_in_outbox(things: Running, count: int) -> None:
    """Put that many more rows into the outbox."""
    async with things.context.database.transaction() as conn:
        await conn.executemany(ROW, [[uuid4()] for _ in range(count)])


def test_admission_opens_when_the_last_reason_is_over() -> None:
    """Two reasons at once: the more important one is told, and each has to end."""
    gate = Admission()
    assert gate.refusal() is None
    gate.close("outbox-full")
    gate.close("recovering")
    assert gate.refusal() is admission.RECOVERING
    gate.open("recovering")
    assert gate.refusal() is admission.OUTBOX_FULL
    assert gate.refusal("recovering") is None
    gate.open("outbox-full")
    assert gate.refusal() is None


def test_admission_is_a_metric() -> None:
    """What is closed shows as 1 under its reason, and a new process begins open."""
    gate = Admission()
    gate.close("recovering")
    assert shown() == {"recovering": 1, "outbox-full": 0}
    Admission()
    assert shown() == {"recovering": 0, "outbox-full": 0}


def shown() -> dict[str, float | None]:
    """The metric by reason."""
    reasons = ("recovering", "outbox-full")
    return {each: REGISTRY.get_sample_value("lotse_admission_closed", {"reason": each}) for each in reasons}


@pytest.mark.parametrize(("reason", "seconds"), [("recovering", "10"), ("outbox-full", "5")])
async def test_changes_are_refused_and_reads_answered(things: Running, reason: Any, seconds: str) -> None:
    """503 with the reason and when to come back; nothing is stored, and afterwards the same request is taken."""
    headers = things.headers(UNIT, "clerk")
    things.context.admission.close(reason)
    refused = await things.client.post("/v1/things", json={"name": "one"}, headers=headers)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, seconds)
    assert refused.json()["type"] == f"urn:lotse:problem:{reason}"
    assert (await things.client.get(f"/v1/things/{uuid4()}", headers=headers)).status_code == 404
    assert (await things.client.get("/health/ready")).status_code == 200
    assert await things.rows("select * from thing") == []
    assert await things.rows("select * from chassis.idempotency") == []
    things.context.admission.open(reason)
    assert (await things.client.post("/v1/things", json={"name": "one"}, headers=headers)).status_code == 201


async def test_a_full_outbox_closes_and_a_shorter_one_opens(things: Running, monkeypatch: Any) -> None:
    """Over 10 rows changes are refused, at 9 still, below 8 they are taken again."""
    monkeypatch.setattr(admission, "LOOK_SECONDS", 0.02)
    gate = things.context.admission
    async with running_tasks(SERVICE, things.context):
        await wait_in_outbox(things, 10)
        await asyncio.sleep(0.1)
        assert gate.refusal() is None
        await wait_in_outbox(things, 1)
        await eventually(lambda: gate.is_closed("outbox-full"))
        assert (await make(things)).json()["type"] == "urn:lotse:problem:outbox-full"
        await shorten(things, 9)
        await asyncio.sleep(0.1)
        assert gate.is_closed("outbox-full")
        await shorten(things, 7)
        await eventually(lambda: gate.refusal() is None)
        assert (await make(things)).status_code == 201


async def shorten(things: Running, to: int) -> None:
    """Let the oldest rows leave until that many wait."""
    async with things.context.database.transaction() as conn:
        newest = "select seq from chassis.outbox order by seq desc limit $1"
        await conn.execute(f"delete from chassis.outbox where seq not in ({newest})", to)  # noqa: S608  # no input


async def test_the_count_stops_at_the_limit(things: Running) -> None:
    """A million rows are not counted every second."""
    await wait_in_outbox(things, 5)
    assert await depth_up_to(things.context.database, 3) == 3
    assert await depth_up_to(things.context.database, 30) == 5


async def test_openapi_says_that_any_route_may_be_unavailable(things: Running) -> None:
    """503 is documented at every operation."""
    paths = (await things.client.get("/openapi.json")).json()["paths"]
    assert all("503" in operation["responses"] for each in paths.values() for operation in each.values())
