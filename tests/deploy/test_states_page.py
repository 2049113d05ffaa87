"""docs/referral-states.md and docs/cooperation-states.md say what the service does."""

from pathlib import Path

import pytest

from deploy.states import cooperation
from deploy.states.__main__ import FOLDER, PAGES, main
from deploy.states.pages import page
from services.referral.model.cooperations import PERMITTED
from services.referral.model.referrals import TRANSITIONS, Act


@pytest.mark.parametrize("name", PAGES)
def test_the_committed_page_is_the_services(name: str) -> None:
    """Somebody who changes the rules has to write the page."""
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name]()


@pytest.mark.parametrize("name", PAGES)
def test_drift_is_found_and_mended(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of each page; `--check` writes nothing."""
    assert main([], tmp_path) == 0
    file = tmp_path / name
    file.write_text("old\n", encoding="utf-8")
    assert main(["--check"], tmp_path) == 1
    assert file.read_text(encoding="utf-8") == "old\n"
    assert f"differs: docs/{name}; write it with `python -m deploy.states`" in capsys.readouterr().out
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0


def test_every_act_on_a_cooperation_is_listed() -> None:
    """In each state, by each part that may do it."""
    text = cooperation.page()
    for (state, part), acts in PERMITTED.items():
        for act in acts:
            assert f"| {state} | {part} | {act} |" in text


def test_every_transition_is_drawn_and_listed() -> None:
    """But the one that leads from everywhere, which is said in words."""
    text = page()
    for (state, act), to in TRANSITIONS.items():
        if act is not Act.ANNUL:
            assert f"    {state.replace('-', '_')} --> {to.replace('-', '_')}: {act}\n" in text
            assert f"| {state} | {act} | {to} |" in text
