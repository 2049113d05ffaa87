"""What hangs is ended, and what only waits is left alone."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2
import pytest
from aiokafka import TopicPartition

from services.chassis.config import Settings
from services.chassis.watchdog import EXIT_CODE, ConsumerWatch, Progress, watched_loop
from tests.chassis.probe import EFFECTS, given, record
from tests.chassis.test_consume import send
from tests.chassis.test_start import environment, settings
from tests.conftest import eventually
from tests.harness import ROOT

__all__ = ["settings"]

SECONDS = 2


class Hanging:
    """The process, where it listens, and its database."""

    def __init__(self, settings: Settings, folder: Path, way: str) -> None:
        values = environment(settings, LOTSE_WATCHDOG_SECONDS=str(SECONDS))
        self.url = f"http://127.0.0.1:{values['LOTSE_HTTP_PORT']}"
        self._log = folder / "hanging.log"
        with self._log.open("w") as log:
            command = [sys.executable, "-m", "tests.chassis.hanging", way]
            self.process = subprocess.Popen(command, env=values, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)

    def said(self, event: str) -> list[dict[str, Any]]:
        """What it logged under that name."""
        lines = (json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{"))
        return [line for line in lines if line["event"] == event]

    async def started(self) -> None:
        """Wait until it serves and reads."""
        await eventually(lambda: self.said("service_started") and self.said("consumer_started"))

    async def ended(self) -> list[dict[str, Any]]:
        """Wait until the watchdog ended it; its last words."""
        await eventually(lambda: self.process.poll() is not None, timeout=10 * SECONDS)
        assert self.process.returncode == EXIT_CODE
        return self.said("process_ended_by_watchdog")


@pytest.fixture
def hanging(settings: Settings, tmp_path: Path) -> Iterator[Any]:
    """Starts one process: `hanging("fetch")`."""
    started: list[Hanging] = []

    def start(way: str) -> Hanging:
        started.append(Hanging(settings, tmp_path, way))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()


async def prepared(settings: Settings) -> asyncpg.Connection:
    """A connection to the service's database, with the table of effects."""
    conn = await asyncpg.connect(str(settings.database_url))
    await conn.execute(EFFECTS)
    return conn


async def test_a_blocked_event_loop_ends_the_process(hanging: Any) -> None:
    """It answers nothing any more; the last words name the line it hangs at."""
    process = hanging("")
    await process.started()
    async with httpx2.AsyncClient() as client:
        with pytest.raises(httpx2.HTTPError):
            await client.get(f"{process.url}/v1/block", timeout=1)
    [words] = await process.ended()
    assert words["reason"] == "the event loop does not turn"
    assert any(place.startswith("hanging.py:") for place in words["at"])


@pytest.mark.parametrize("way", ["fetch", "handler"])
async def test_a_consumer_that_stands_still_ends_the_process(
    settings: Settings, stack: Any, hanging: Any, way: str
) -> None:
    """A fetch that never returns, a handler that waits for ever: broker and database answer, and an event waits."""
    process = hanging(way)
    await process.started()
    await send(stack, settings, [record(given(uuid4()), 1, 0)])
    [words] = await process.ended()
    assert (words["reason"], words["topics"]) == ("the consumer stands still", [settings.physical("lotse.cases.v1")])
    assert any("hanging.py:" in waiting for waiting in words["waiting"])


async def test_a_consumer_that_waits_for_a_lock_is_left_alone(settings: Settings, stack: Any, hanging: Any) -> None:
    """Three times as long as the watchdog's patience; then the event is applied."""
    case, conn = uuid4(), await prepared(settings)
    await conn.execute("insert into chassis.key (topic, key) values ('lotse.cases.v1', $1)", str(case))
    process = hanging("")
    await process.started()
    async with conn.transaction():
        await conn.execute("select 1 from chassis.key where key = $1 for update", str(case))
        await send(stack, settings, [record(given(case), 1, 0)])
        await asyncio.sleep(3 * SECONDS)
        assert process.process.poll() is None
    await eventually(lambda: conn.fetchval("select count(*) from effect"))
    assert process.said("process_ended_by_watchdog") == []
    await conn.close()


class Ends:
    """Stands for the end of the process."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def __call__(self, reason: str, **_more: Any) -> None:
        self.reasons.append(reason)


async def watched(settings: Settings, progress: Progress, seconds: float = 1.4) -> list[str]:
    """Let the watch look for a while, with a patience of 0.6 s; why it would have ended the process."""
    ends = Ends()
    watch = ConsumerWatch("chassis", settings, progress, ends)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await watch.run()
    return ends.reasons


@pytest.fixture
def patient(settings: Settings) -> Settings:
    """Patience of 0.6 s, looking every 0.1 s."""
    return settings.model_copy(update={"watchdog_seconds": 0.6})


def standing_still(settings: Settings) -> Progress:
    """A consumer with a partition that says nothing."""
    progress = Progress()
    progress.begin(lambda: [TopicPartition(settings.physical("lotse.cases.v1"), 0)])
    return progress


async def test_only_standing_still_with_work_to_do_is_a_reason(patient: Settings, stack: Any) -> None:
    """Nothing to read, no partitions, signs of progress: each is fine; without them the same lag is not."""
    assert await watched(patient, standing_still(patient)) == []
    await send(stack, patient, [record(given(uuid4()), 1, 0)])
    assert await watched(patient, Progress()) == []
    rested = standing_still(patient)
    rested.rest()
    assert await watched(patient, rested) == []
    moving = standing_still(patient)
    task = asyncio.create_task(sign_often(moving))
    assert await watched(patient, moving) == []
    task.cancel()
    assert set(await watched(patient, standing_still(patient))) == {"the consumer stands still"}


async def sign_often(progress: Progress) -> None:
    """It goes on."""
    while True:
        progress.sign()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    "away", [{"kafka": "127.0.0.1:1"}, {"database_url": "postgresql://lotse:x@127.0.0.1:1/lotse"}], ids=["kafka", "db"]
)
async def test_an_outage_is_no_reason(patient: Settings, stack: Any, away: dict[str, Any]) -> None:
    """Without the broker or the database the consumer cannot go on, and a new process could not either."""
    await send(stack, patient, [record(given(uuid4()), 1, 0)])
    assert await watched(patient.model_copy(update=away), standing_still(patient)) == []


async def test_a_loop_that_is_slow_is_left_alone() -> None:
    """Half the patience at a time blocks it, again and again; all of it ends it."""
    ends = Ends()
    async with watched_loop(1.2, ends):
        for _ in range(4):
            time.sleep(0.6)  # noqa: ASYNC251  # that is the point
            await asyncio.sleep(0.3)
        assert ends.reasons == []
        time.sleep(2.5)  # noqa: ASYNC251
        assert ends.reasons == ["the event loop does not turn"]


async def test_zero_switches_it_off() -> None:
    """Whoever debugs a service stops it in the middle."""
    ends = Ends()
    async with watched_loop(0, ends):
        time.sleep(0.1)  # noqa: ASYNC251
    assert ends.reasons == []
