"""The demo's own stack: alone at its place, with an agreement of its own, deleted when all went well."""

import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import asyncpg
import pytest

from deploy.cli import throwaway, updown
from deploy.cli.errors import CliError
from deploy.cli.throwaway import AGREEMENT, may_throw_away, place_beside, thrown_away
from deploy.local.clocks import set_clocks_ahead
from deploy.local.errors import StackError
from deploy.local.layout import Layout, layout_at
from deploy.local.stack import Stack
from deploy.local.state import State
from deploy.topology import SERVICES
from schemas.agreement_file import load_agreement


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """With which environment a stack was started; nothing is."""
    environments: list[dict[str, str]] = []

    def bring_up(_layout: Layout, environ: dict[str, str], _say: object) -> State:
        environments.append(environ)
        return State("ready")

    monkeypatch.setattr(throwaway, "bring_up", bring_up)
    return environments


@pytest.fixture
def place(tmp_path: Path) -> Layout:
    """Where the stack lies."""
    return place_beside(layout_at(tmp_path))


def test_the_deadlines_are_decided_and_nothing_else_differs(started: list[dict[str, str]], place: Layout) -> None:
    """The figures are those that Koblenz has before it."""
    with thrown_away(place, {"HOME": "/"}):
        [environ] = started
        decided, proposed = load_agreement(Path(environ["LOTSE_AGREEMENT_FILE"])), load_agreement(AGREEMENT)
    assert environ["HOME"] == "/"
    assert proposed.deadlines.decided_on is None
    assert decided.deadlines.decided_on == date(2014, 1, 8)
    deadlines = decided.deadlines.model_copy(update={"decided_on": None})
    assert decided.model_copy(update={"deadlines": deadlines}) == proposed


@pytest.mark.usefixtures("started")
def test_it_is_deleted_when_all_went_well(place: Layout) -> None:
    """Its clock is ahead and its agreement is nobody's: nobody may come upon it."""
    with thrown_away(place, {}):
        assert place.root.exists()
    assert not place.root.exists()


@pytest.mark.usefixtures("started")
def test_after_a_failure_it_stays_to_be_looked_at_until_the_next(place: Layout) -> None:
    """Its logs say why; the next one begins with nothing of it."""
    with pytest.raises(ZeroDivisionError), thrown_away(place, {}):
        _ = (place.log / "intake.log").write_text("why") / 0
    assert (place.log / "intake.log").exists()
    with thrown_away(place, {}):
        assert not (place.log / "intake.log").exists()


@pytest.mark.usefixtures("started")
def test_a_second_one_at_the_same_time_is_refused(place: Layout) -> None:
    """It would delete what the first is playing on."""
    with thrown_away(place, {}):
        with pytest.raises(CliError, match=re.escape("Another `lotse demo` is running.")), thrown_away(place, {}):
            raise AssertionError("two at once")
        assert place.root.exists()


@pytest.mark.parametrize("purge", [False, True])
def test_down_ends_one_that_a_killed_demo_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, purge: bool) -> None:
    """As it ends the lasting one; with `--purge` nothing of either stays."""
    lasting, left = layout_at(tmp_path), place_beside(layout_at(tmp_path))
    left.create()
    brought_down: list[Layout] = []

    def bring_down(layout: Layout) -> list[int]:
        brought_down.append(layout)
        return []

    monkeypatch.setenv("LOTSE_STATE_DIR", str(tmp_path))
    monkeypatch.setattr(updown, "bring_down", bring_down)
    updown.down(purge_data=purge)
    assert brought_down == [lasting, left]
    assert left.root.exists() is not purge


@pytest.mark.parametrize("name", ["LOTSE_DATABASE_URL", "LOTSE_KAFKA", "LOTSE_AGREEMENT_FILE"])
def test_servers_and_an_agreement_that_are_named_are_not_thrown_away(name: str) -> None:
    """They belong to somebody, and so does what the clock would do there."""
    assert may_throw_away({name: ""})
    assert not may_throw_away({name: "given"})


@pytest.mark.usefixtures("services")
async def test_a_clock_never_goes_back(stack: Stack) -> None:
    """What is recorded would lie in the future; the refusal leaves every clock as it is."""
    with pytest.raises(ValueError, match="ahead of"):
        await set_clocks_ahead(stack, timedelta(days=-1))
    await set_clocks_ahead(stack, timedelta())
    for service in SERVICES:
        conn = await asyncpg.connect(stack.databases[f"lotse_{service.name}"])
        assert await conn.fetchval("select ahead from chassis.clock") == timedelta()
        await conn.close()


async def test_the_clock_of_a_server_that_was_there_before_is_not_moved(stack: Stack, tmp_path: Path) -> None:
    """Whoever named it may have real data there; not even by nothing."""
    pointed_at = replace(stack, layout=layout_at(tmp_path))
    with pytest.raises(StackError, match="was there before"):
        await set_clocks_ahead(pointed_at, timedelta())
