"""`lotse demo`: the story on the real parts, and that it notices what is not as it should be."""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import asyncpg
import httpx2
import pytest

from deploy.cli import demo
from deploy.cli.main import main
from deploy.cli.throwaway import place_beside
from deploy.demo.cast import AWO, CITY, JOBCENTER
from deploy.demo.events import RECEIVED, STEP_PLANNED
from deploy.demo.play import Chapter, Part, Step, Told
from deploy.demo.story import STORY
from deploy.demo.stream import is_closed_to
from deploy.local.stack import Stack
from deploy.local.state import State
from deploy.topology import SERVICES, partner_topic
from tests.deploy.own_stack import lotse, own_layout
from tests.deploy.test_up_and_down import left_running
from tests.flows.world import AWO as AWO_UNIT
from tests.flows.world import CARITAS as CARITAS_UNIT
from tests.flows.world import CITY as CITY_UNIT
from tests.flows.world import JOBCENTER as JOBCENTER_UNIT
from tests.flows.world import World

RunDemo = Callable[[], int]


@pytest.fixture
def run_demo(stack: Stack, services: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> RunDemo:
    """Runs the command on this run's services as if they had been up before; returns its exit code."""
    monkeypatch.setenv("LOTSE_STATE_DIR", str(stack.layout.root))
    monkeypatch.setattr(sys, "argv", ["lotse", "demo"])
    monkeypatch.setattr(demo, "is_supervised", lambda _layout: True)
    monkeypatch.setattr(demo, "bring_up", lambda *_: State("ready", ports=services))

    def run() -> int:
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    return run


def change_told(change: Callable[[Told], Told | None]) -> tuple[Part, ...]:
    """The story with other expectations; None leaves one out."""

    def changed(step: Step) -> Step:
        return replace(step, told=tuple(filter(None, map(change, step.told))))

    def chapter(each: Chapter) -> Chapter:
        return replace(each, steps=tuple(map(changed, each.steps)))

    return tuple(replace(part, chapters=tuple(map(chapter, part.chapters))) for part in STORY)


def chapters(*, needs_clock: bool) -> list[str]:
    """The titles of the chapters that need the clock, or that do not."""
    return [each.title for part in STORY for each in part.chapters if bool(each.clock) is needs_clock]


def test_the_story_ends_well_and_does_so_again(run_demo: RunDemo, capsys: pytest.CaptureFixture[str]) -> None:
    """Played twice on the same data, it shows every partner, every clause and the closing words."""
    for _ in range(2):
        assert run_demo() == 0
        shown = capsys.readouterr().out
        assert "Alles ging aus wie erwartet" in shown
        assert "Stadt, Jobcenter, AWO: Öffnungszeiten" in shown
        assert all(f" K{number} " in shown for number in range(1, 16))
        assert all(f"\n{title}\n" in shown for title in chapters(needs_clock=False))


async def test_on_a_stack_that_stays_no_clock_is_moved_and_one_sentence_says_so(
    run_demo: RunDemo, stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    """The chapters that need the clock are named and left out; every clock is where it was."""
    assert await asyncio.to_thread(run_demo) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.count("Ausgelassen, weil dafür die Uhr vorgehen müsste") == 1
    assert all(shown.count(title) == 1 for title in chapters(needs_clock=True))
    assert "Die Uhr" not in shown.replace("Die Uhr der Dienste", "")
    assert await clocks(stack) == [timedelta()] * len(SERVICES)


async def clocks(stack: Stack) -> list[timedelta]:
    """How far the clock of each service is ahead."""
    found = []
    for service in SERVICES:
        conn = await asyncpg.connect(stack.databases[f"lotse_{service.name}"])
        found.append(await conn.fetchval("select ahead from chassis.clock"))
        await conn.close()
    return found


async def test_nothing_of_the_story_is_left_to_others(
    run_demo: RunDemo, stack: Stack, services: dict[str, int]
) -> None:
    """No offer, need, training, referral or cooperation goes on, and nobody has a recall to answer."""
    async with httpx2.AsyncClient(timeout=20) as http:
        world = World(stack, services, http)
        before = await left_over(world)
        assert await asyncio.to_thread(run_demo) == 0
        assert await left_over(world) == before


async def left_over(world: World) -> dict[str, list[str]]:
    """What goes on, by the way to ask for it."""
    found = {}
    for unit in (CITY_UNIT, AWO_UNIT, CARITAS_UNIT, JOBCENTER_UNIT):
        for service, path, over in WAYS_TO_ASK:
            answer = await world.ask("GET", service, path, unit)
            assert answer.status_code == 200, answer.text
            body = answer.json()
            items = body.get("items", body.get("recalls"))
            found[f"{unit} {path}"] = sorted(str(each) for each in items if each.get("state") not in over)
    return found


WAYS_TO_ASK: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("referral", "/v1/offers?limit=200", ()),
    ("referral", "/v1/training-needs?limit=200", ()),
    ("referral", "/v1/trainings?limit=200", ()),
    ("referral", "/v1/cooperations?limit=200", ("ended", "lapsed")),
    ("referral", "/v1/worklists/waiting-for-us?limit=200", ()),
    ("referral", "/v1/worklists/waiting-for-them?limit=200", ()),
    ("notifier", "/v1/recalls?limit=1000", ()),
)


def test_a_field_that_differs_ends_the_story(
    run_demo: RunDemo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """AWO hears of another referral than expected: one sentence says what was expected and what came, exit code 1."""

    def another(told: Told) -> Told:
        wrong = replace(told, fields=lambda _: {"referral_id": "another"})
        return wrong if told.partner == AWO and told.type.startswith("lotse.referral.requested") else told

    monkeypatch.setattr(demo, "STORY", change_told(another))
    assert run_demo() == 1
    said = capsys.readouterr()
    assert "Erwartet war" not in said.out
    assert "„3. Die Stadt vermittelt sie an die AWO“ ging anders aus: Erwartet war" in said.err
    assert "referral_id: another; gekommen ist Nr." in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(("partner", "event_type"), [(CITY, RECEIVED), (JOBCENTER, STEP_PLANNED)])
def test_an_event_too_many_ends_the_story(
    run_demo: RunDemo,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    partner: str,
    event_type: str,
) -> None:
    """If a partner were to hear nothing, what it does hear gives it away at its next expectation."""
    silent = change_told(lambda told: None if (told.partner, told.type) == (partner, event_type) else told)
    monkeypatch.setattr(demo, "STORY", silent)
    assert run_demo() == 1
    assert f", {event_type}, " in capsys.readouterr().err.partition("gekommen ist")[2]


def test_a_service_that_does_not_answer_ends_the_story(
    run_demo: RunDemo,
    services: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The sentence names the service, and where the logs are."""
    monkeypatch.setattr(demo, "bring_up", lambda *_: State("ready", ports={**services, "intake": 1}))
    assert run_demo() == 1
    said = capsys.readouterr().err
    assert "eine Antwort des Dienstes intake auf POST /v1/information" in said
    assert "Die Protokolle liegen in" in said


async def test_a_partners_own_stream_is_not_closed_to_it(stack: Stack, services: dict[str, int]) -> None:
    """The refusal that the story shows is one of rights, not of a topic that nobody could read."""
    login = stack.kafka.asyncio_client(
        "partner-awo-rheinland", stack.secrets.kafka_password("kafka-partner-awo-rheinland")
    )
    assert not await is_closed_to(login, partner_topic(AWO).full_name())
    assert await is_closed_to(login, partner_topic(CITY).full_name())


def test_what_had_to_be_started_is_thrown_away() -> None:
    """With nothing running, the demo starts a stack, puts its clock ahead, and leaves no process, port or file."""
    with own_layout() as layout:
        own = place_beside(layout)
        done = lotse(layout, "demo")
        assert done.returncode == 0, done.stdout + done.stderr
        shown = " ".join(done.stdout.split())
        for title in chapters(needs_clock=True) + chapters(needs_clock=False):
            assert title in shown
        assert "Ausgelassen" not in shown
        assert "Stadt: keine Antwort" in shown
        assert left_running(layout) == []
        assert not own.root.exists()
        assert not layout.postgres.exists()
