"""docs/referral-states.md says what the service does."""

from pathlib import Path

import pytest

from deploy.states.__main__ import PAGE, main
from deploy.states.pages import page
from services.referral.model.referrals import TRANSITIONS, Act


def test_the_committed_page_is_the_services() -> None:
    """Somebody who changes the transitions has to write the page."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_drift_is_found_and_mended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--check` writes nothing."""
    file = tmp_path / "referral-states.md"
    file.write_text("old\n", encoding="utf-8")
    assert main(["--check"], file) == 1
    assert file.read_text(encoding="utf-8") == "old\n"
    assert "python -m deploy.states" in capsys.readouterr().out
    assert main([], file) == 0
    assert main(["--check"], file) == 0


def test_every_transition_is_drawn_and_listed() -> None:
    """But the one that leads from everywhere, which is said in words."""
    text = page()
    for (state, act), to in TRANSITIONS.items():
        if act is not Act.ANNUL:
            assert f"    {state.replace('-', '_')} --> {to.replace('-', '_')}: {act}\n" in text
            assert f"| {state} | {act} | {to} |" in text
