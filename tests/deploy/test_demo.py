"""`lotse demo`: the story on the real parts, and that it notices what is not as it should be."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from deploy.cli import demo
from deploy.cli.main import main
from deploy.cli.running import bring_down
from deploy.demo.cast import AWO, CITY
from deploy.demo.play import Chapter, Step, Told
from deploy.demo.story import RECEIVED, STORY
from deploy.demo.stream import is_closed_to
from deploy.local.layout import layout_at
from deploy.local.ports import is_free, known_ports
from deploy.local.stack import Stack
from deploy.local.state import State
from deploy.topology import partner_topic
from tests.deploy.test_up_and_down import left_running, lotse

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


def change_told(change: Callable[[Told], Told | None]) -> tuple[Chapter, ...]:
    """The story with other expectations; None leaves one out."""

    def changed(step: Step) -> Step:
        return replace(step, told=tuple(filter(None, map(change, step.told))))

    return tuple(replace(chapter, steps=tuple(map(changed, chapter.steps))) for chapter in STORY)


def test_the_story_ends_well_and_does_so_again(run_demo: RunDemo, capsys: pytest.CaptureFixture[str]) -> None:
    """Played twice on the same data, it shows every partner, every clause and the closing words."""
    for _ in range(2):
        assert run_demo() == 0
        shown = capsys.readouterr().out
        assert "Alles ging aus wie erwartet" in shown
        assert "Stadt, Jobcenter, AWO: Öffnungszeiten" in shown
        assert all(f" K{number} " in shown for number in range(1, 16))


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


def test_an_event_too_many_ends_the_story(
    run_demo: RunDemo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If the City were to hear nothing of the arrival, what it does hear gives it away at its next expectation."""
    silent = change_told(lambda told: None if (told.partner, told.type) == (CITY, RECEIVED) else told)
    monkeypatch.setattr(demo, "STORY", silent)
    assert run_demo() == 1
    assert f", {RECEIVED}, referral_id: " in capsys.readouterr().err.partition("gekommen ist")[2]


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


def test_what_had_to_be_started_is_stopped_again() -> None:
    """With nothing running, the demo starts the stack, plays, and leaves no process and no port."""
    with TemporaryDirectory(prefix="lotse-demo-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # as root, PostgreSQL's own account must get in
        layout = layout_at(Path(folder))
        try:
            done = lotse(layout, "demo")
            assert done.returncode == 0, done.stdout + done.stderr
            assert left_running(layout) == []
            assert all(is_free(port) for port in known_ports(layout).values())
        finally:
            bring_down(layout)
