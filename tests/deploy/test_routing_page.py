"""docs/routing.md says what the table says, in German words."""

from pathlib import Path

import pytest

from deploy.routing.__main__ import PAGE, TABLE, main
from deploy.routing.pages import page
from deploy.routing.words import CONDITIONS, WORDS, word
from schemas.routing_file import When, load_routing


def test_the_committed_page_is_the_tables() -> None:
    """Somebody who changes the table has to write the page."""
    assert PAGE.read_text(encoding="utf-8") == page(load_routing(TABLE))


def test_drift_is_found_and_mended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--check` writes nothing."""
    file = tmp_path / "routing.md"
    file.write_text("old\n", encoding="utf-8")
    assert main(["--check"], file) == 1
    assert file.read_text(encoding="utf-8") == "old\n"
    assert "python -m deploy.routing" in capsys.readouterr().out
    assert main([], file) == 0
    assert main(["--check"], file) == 0


def test_another_table_is_printed_or_refused_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before it is put in place."""
    other = tmp_path / "other.toml"
    other.write_text(TABLE.read_text(encoding="utf-8").replace("Koblenz, November 2026", "Mainz"), encoding="utf-8")
    assert main([str(other)]) == 0
    assert "Stand: Mainz." in capsys.readouterr().out
    other.write_text("rule = 1\n", encoding="utf-8")
    assert main([str(other)]) == 1
    assert capsys.readouterr().err.startswith(f"{other}: ")


def test_every_word_of_a_table_has_a_german_one() -> None:
    """Each condition, each code."""
    assert set(CONDITIONS) == set(When.model_fields)
    for codes, words in WORDS.items():
        assert list(words) == list(codes)
        assert all(word(code) for code in codes)


def test_a_rule_out_of_use_says_so_and_why() -> None:
    """Also from when until when the others count."""
    rows = {line.split(" | ")[0].strip("| "): line for line in PAGE.read_text(encoding="utf-8").splitlines()}
    assert "nicht in Gebrauch" in rows["UA_2025"]
    assert "nicht bestätigt" in rows["UA_2025"]
    assert "ab 01.07.2027" in rows["R7"]
