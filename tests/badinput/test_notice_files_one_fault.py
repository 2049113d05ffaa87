"""The notices that come with Lotse, each with one fault as people make them: the message names place and remedy."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.notice_file import Notices, load_notices
from schemas.notice_text import NoticeFileError
from schemas.partner_file import load_partners
from tests.badinput.effort import FUZZ
from tests.badinput.test_files_one_fault import helps, with_fault
from tests.harness import ROOT

PARTNERS = load_partners(ROOT / "deploy" / "partners")
TITLE = 'title = "Dürfen wir Ihre Angaben weitergeben?"'

TEXT_FAULTS = {
    "place misspelt": (
        "{from.unit}",
        "{from.units}",
        r", line 11: \{from\.units\} is not known; known here are \{from\.",
    ),
    "place in German": ("{to.unit}", "{an.stelle}", r", line 16: \{an\.stelle\} is not known; known here are"),
    "place of a law": ("{to.unit}", "{own.unit}", r", line 16: \{own\.unit\} is not known; known here are"),
    "place without end": ("{to.unit}", "{to.unit", r", line 16: there is a brace without its other half"),
    "place twice braced": ("{to.unit}", "{{to.unit}}", r", line 16: there is a brace without its other half"),
    "place left out": ("**{to.unit}**", "**die Caritas**", r" has no \{to\.unit\}; the text should name it"),
    "law left out": ("{to.rights}", "", r" has no \{to\.rights\}; the text should name it"),
    "law in a line": (
        "{to.rights}",
        "Dort gilt: {to.rights}",
        r", line \d+: \{to\.rights\} should have a line of its own",
    ),
    "unseen place": ("{to.unit}", "{to\u202e.unit}", r"line 16: \{'to\\u202e\.unit'\} is not known"),
    "HTML": (
        "Bitte fragen",
        "<b>Bitte</b> fragen",
        r", line 7: there is a <; the text should be Markdown without HTML",
    ),
    "title in the text": ("Wir möchten", "# Hallo\n\nWir möchten", r", line 5: there is a heading of the first level"),
    "tab": ("- Wir sind", "-\tWir sind", r", line 11: there is a control character"),
    "head left out": ("+++\n", "", r" has no head; there should be title and translation between two lines \+\+\+"),
    "head not closed": ('"original"\n+++', '"original"\n', r" has no head; there should be title"),
    "head not TOML": (TITLE, "title: Dürfen wir?", r" is not valid TOML: .*\(at line 2"),
    "title left out": (f"{TITLE}\n", "", r": title is missing; it should be a line of 1 to 200 characters"),
    "title empty": (TITLE, 'title = " "', r": title is ' '; it should be a line of 1 to 200 characters"),
    "another translation": (
        '"original"',
        '"official"',
        r": translation is 'official'; it should be \"original\", \"human\" or \"machine\"",
    ),
    "translator unknown": ('"original"', '"human"', r"a human translation should say in translated_by"),
    "original translated": (
        '"original"',
        '"original"\ntranslated_by = "Amt"',
        r"an original has no translated_by; translation should be human",
    ),
    "key unknown": ('"original"', '"original"\nauthor = "x"', r": author is not a known key; known here are title"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Nothing is released, so that a fault in a text is not just a change of it."""
    copied = tmp_path / "notices"
    shutil.copytree(ROOT / "deploy" / "notices", copied)
    (copied / "2026-01" / "released.toml").unlink()
    return copied


def load(folder: Path) -> Notices:
    """For the partners of Koblenz."""
    return load_notices(folder, PARTNERS)


@pytest.mark.parametrize(("old", "new", "sentence"), TEXT_FAULTS.values(), ids=TEXT_FAULTS)
def test_a_fault_in_one_text_is_named(folder: Path, old: str, new: str, sentence: str) -> None:
    """Among fourteen good ones: file and line first, then what would be right."""
    path = folder / "2026-01" / "de" / "transfer.md"
    with_fault(path, old, new)
    with pytest.raises(NoticeFileError, match=sentence) as caught:
        load(folder)
    helps(caught.value, path)


def test_a_fault_in_the_text_of_a_law_is_named(folder: Path) -> None:
    """Each side is filled in by itself: the text of a law knows neither sender nor recipient."""
    path = folder / "2026-01" / "de" / "kdg.md"
    with_fault(path, "{own.contact}", "{to.contact}")
    with pytest.raises(NoticeFileError, match=r"\{to\.contact\} is not known; known here are \{own\.unit\}") as caught:
        load(folder)
    helps(caught.value, path)


def test_a_name_that_fits_nowhere_is_named(folder: Path) -> None:
    """A version, a language, a file: what is misspelt is never silently left out."""
    version = folder / "2026-01"
    for path, made, sentence in (
        (folder / "v2", Path.mkdir, "v2 is no version; it should be a year and two digits, such as 2026-01"),
        (version / "deutsch_leicht", Path.mkdir, "deutsch_leicht is no language; it should be a BCP 47 tag"),
        (version / "de" / "transfers.md", Path.touch, r"transfers\.md is not known; known here are transfer\.md, "),
    ):
        made(path)
        with pytest.raises(NoticeFileError, match=sentence) as caught:
            load(folder)
        helps(caught.value, path)
        path.rmdir() if path.is_dir() else path.unlink()


def test_a_fault_in_the_list_of_released_texts_is_named(folder: Path) -> None:
    """The list is made by a command; somebody may have touched it all the same."""
    path = folder / "2026-01" / "released.toml"
    for text, sentence in (
        ("", "sha256 is missing; it should be a table"),
        ('[sha256]\n"de/transfer.md" = "abc"\n', r"sha256, de/transfer\.md is 'abc'; it should be a table \[sha256\]"),
        (f'[sha256]\n"de/other.md" = "{"0" * 64}"\n', r"lists de/other\.md, which is missing"),
        (f'[sha256]\n"de\\n" = "{"0" * 64}"\n', "which is missing"),
    ):
        path.write_text(text)
        with pytest.raises(NoticeFileError, match=sentence) as caught:
            load(folder)
        helps(caught.value, path)


def test_a_fault_in_the_list_of_languages_is_named(folder: Path) -> None:
    """What the city wants is said in one file."""
    path = folder / "languages.toml"
    for text, sentence in (
        ("", r"language is missing; it should be a table \[language\]"),
        ("[language]\ngerman_easy = 'x'\n", "it should be a table"),
        ("[language]\nde = 1\n", "language, de is 1; it should be a table"),
    ):
        path.write_text(text)
        with pytest.raises(NoticeFileError, match=sentence) as caught:
            load(folder)
        helps(caught.value, path)
    path.unlink()
    with pytest.raises(NoticeFileError, match="cannot be read"):
        load(folder)


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    """The setting points elsewhere."""
    with pytest.raises(NoticeFileError, match="nowhere is not a directory; it should hold the notices"):
        load(tmp_path / "nowhere")


_pieces = st.sampled_from(
    ["{", "}", "{to.unit}", "{}", "+++", "\n", "# ", "\t", "\0", "\u202e", "\u2028", "title = ", '"']
)


@FUZZ
@given(edits=st.lists(st.tuples(st.integers(0, 4000), _pieces | st.text(max_size=5)), max_size=4))
def test_any_text_is_read_or_refused_with_a_sentence(tmp_path_factory: pytest.TempPathFactory, edits: Any) -> None:
    """No traceback, however broken it is."""
    folder = tmp_path_factory.mktemp("notices", numbered=True)
    path = folder / "2026-01" / "de" / "transfer.md"
    path.parent.mkdir(parents=True)
    shutil.copy(ROOT / "deploy" / "notices" / "languages.toml", folder)
    text = (ROOT / "deploy" / "notices" / "2026-01" / "de" / "transfer.md").read_text(encoding="utf-8")
    for place, piece in edits:
        text = text[:place] + piece + text[place:]
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        assert load(folder).versions[0].texts
    except NoticeFileError as error:
        helps(error, path)
