"""`lotse notices`: list, read, check and release what people are shown."""

import hashlib
import shutil
from pathlib import Path

import pytest

from deploy.local.layout import CHECKOUT
from schemas.codes import Scope
from schemas.notice_file import load_notices
from schemas.partner_file import load_partners
from tests.deploy.test_cli import lotse

PAIR = ("--from", "stadt-koblenz/integration", "--to", "caritas-koblenz/mbe")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The notices that come with Lotse, to be changed."""
    copied = tmp_path / "notices"
    shutil.copytree(CHECKOUT / "deploy" / "notices", copied)
    return copied


def test_the_list_shows_what_lacks_a_human_translation(tmp_path: Path, folder: Path) -> None:
    """Every language the city wants, with and without the word list."""
    shutil.copytree(folder / "2026-01" / "de", folder / "2026-01" / "uk")
    path = folder / "2026-01" / "uk" / "transfer.md"
    path.write_text(path.read_text().replace('"original"', '"machine"'))
    for arguments in (["notices"], ["notices", "list"]):
        told = lotse(tmp_path, *arguments, LOTSE_NOTICES=str(folder))
        assert told.returncode == 0, told.stderr
        rows = {line.split()[0]: line for line in told.stdout.splitlines() if len(line.split()) > 5}
        assert rows["de"].count("original") == rows["de-simple"].count("original") == 5
        assert rows["so"].count("missing") == 5
        assert (rows["uk"].count("machine*"), rows["uk"].count("original*")) == (1, 4)
        assert "*" not in rows["de"]
        lacking = next(line for line in told.stdout.splitlines() if "lacks a human translation" in line)
        assert "uk (Ukrainisch)" in lacking
        assert "ti (Tigrinya)" in lacking
        assert "de-simple" not in lacking


def test_what_is_shown_elsewhere_than_on_a_terminal_is_exactly_what_is_hashed(tmp_path: Path) -> None:
    """So anybody can check the hash that a consent names."""
    told = lotse(tmp_path, "notices", "show", *PAIR, "--scope", "transfer", "--language", "de-simple")
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("# Dürfen wir Ihre Daten weitergeben?\n")
    assert f"2026-01, de-simple, released, sha256 {hashlib.sha256(told.stdout.encode()).hexdigest()}" in told.stderr


def test_a_draft_can_be_read_before_it_is_released(tmp_path: Path, folder: Path) -> None:
    """And says that it is one."""
    shutil.copytree(folder / "2026-01", folder / "2026-02")
    (folder / "2026-02" / "released.toml").unlink()
    told = lotse(
        tmp_path, "notices", "show", *PAIR, "--scope", "cooperation", "--version", "2026-02", LOTSE_NOTICES=str(folder)
    )
    assert told.returncode == 0, told.stderr
    assert "2026-02, de, not released, sha256" in told.stderr


@pytest.mark.parametrize(
    ("arguments", "error", "way_out"),
    [
        ([*PAIR, "--scope", "all"], 'There is no scope "all".', "There are transfer, feedback-status"),
        ([*PAIR, "--scope", "transfer", "--language", "so"], "There is no text for transfer", "`lotse notices` shows"),
        (["--from", "awo/x", "--to", "b/c", "--scope", "transfer"], 'No partner has the unit "awo/x"', "Name one"),
    ],
)
def test_a_notice_that_is_not_there_is_told_with_a_way_out(
    tmp_path: Path, arguments: list[str], error: str, way_out: str
) -> None:
    """One sentence each, no traceback."""
    told = lotse(tmp_path, "notices", "show", *arguments)
    assert told.returncode == 1
    first, second = told.stderr.splitlines()
    assert error.lower() in first.lower()
    assert way_out in second


def test_the_check_passes_what_comes_with_lotse_and_names_a_change(tmp_path: Path, folder: Path) -> None:
    """The same check that intake makes when it starts, and `lotse up` before anything does."""
    told = lotse(tmp_path, "notices", "check")
    assert told.returncode == 0, told.stderr
    assert "2026-01: 14 texts released in de, de-simple, 0 to be released" in told.stdout
    assert "every pair of units has its German text" in told.stdout
    with (folder / "2026-01" / "de" / "kdg.md").open("a") as text:
        text.write("x\n")
    for command in (["notices", "check"], ["up"]):
        told = lotse(tmp_path / "state", *command, LOTSE_NOTICES=str(folder))
        assert told.returncode == 1
        assert "kdg.md was changed after its release" in told.stderr
        assert "Traceback" not in told.stderr
    assert not (tmp_path / "state" / "run").exists()


def test_the_check_names_what_has_no_german_text(tmp_path: Path, folder: Path) -> None:
    """Nothing is released: nobody can be shown anything."""
    (folder / "2026-01" / "released.toml").unlink()
    told = lotse(tmp_path, "notices", "check", LOTSE_NOTICES=str(folder))
    assert told.returncode == 1
    assert "has no released German transfer.md" in told.stderr


def test_releasing_writes_the_hashes_once_and_never_again(tmp_path: Path, folder: Path) -> None:
    """A language that comes later is added; what was released stays; a machine's words stay out."""
    released = folder / "2026-01" / "released.toml"
    before = released.read_text()
    told = lotse(tmp_path, "notices", "release", "2026-01", LOTSE_NOTICES=str(folder))
    assert told.returncode == 1
    assert "has nothing to release" in told.stderr
    for tag, translation in (("uk", 'human"\ntranslated_by = "Übersetzerin'), ("ru", "machine")):
        shutil.copytree(folder / "2026-01" / "de", folder / "2026-01" / tag)
        for path in (folder / "2026-01" / tag).iterdir():
            path.write_text(path.read_text().replace('"original"', f'"{translation}"', 1))
    told = lotse(tmp_path, "notices", "release", "2026-01", LOTSE_NOTICES=str(folder))
    assert told.returncode == 0, told.stderr
    assert "7 texts released" in told.stderr
    after = released.read_text()
    assert set(before.splitlines()) < set(after.splitlines())
    assert '"uk/transfer.md"' in after
    assert '"ru/' not in after
    notices = load_notices(folder, load_partners(CHECKOUT / "deploy" / "partners"))
    assert notices.languages(Scope.TRANSFER) == ("de", "de-simple", "uk")


def test_a_version_without_german_is_not_released(tmp_path: Path, folder: Path) -> None:
    """It would be the newest one, and nobody could be shown anything else."""
    shutil.copytree(folder / "2026-01", folder / "2026-02")
    (folder / "2026-02" / "released.toml").unlink()
    (folder / "2026-02" / "de" / "cooperation.md").unlink()
    told = lotse(tmp_path, "notices", "release", "2026-02", LOTSE_NOTICES=str(folder))
    assert told.returncode == 1
    assert "2026-02 has no German cooperation.md" in told.stderr
    told = lotse(tmp_path, "notices", "release", "2026-03", LOTSE_NOTICES=str(folder))
    assert 'There is no version "2026-03"' in told.stderr
