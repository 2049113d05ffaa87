"""Files that people write: whatever stands in them, they are read, or refused in one sentence that helps."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.agreement_file import AgreementFileError, load_agreement
from schemas.partner_file import PartnerFileError, load_partner
from schemas.toml_file import FileError
from services.chassis.auth import load_issuers
from services.chassis.config import StartError
from tests.badinput.effort import FUZZ
from tests.harness import ROOT

PARTNER = (ROOT / "deploy" / "partners" / "caritas-koblenz.toml").read_text(encoding="utf-8")
AGREEMENT = (ROOT / "deploy" / "agreement" / "koblenz.toml").read_text(encoding="utf-8")

_values = st.sampled_from(
    [
        "true",
        "-1",
        "1e400",
        "nan",
        "9" * 5000,
        "0x" + "f" * 9000,
        "2014-13-45",
        "0001-01-01T00:00:00+23:59",
        "[]",
        "[[]]",
        "{}",
        '""',
        '"\\u0000"',
        '"\\n"',
        '"\\u202e"',
        "'" + "x" * 5000 + "'",
        "[" * 3000,
        "{a=" * 3000,
        '"""\n\n"""',
        '["a", 1, [2]]',
        "{ kind = 1 }",
        '{ kind = "events" }',
        '"\\ud800"',
    ]
)
_keys = st.sampled_from(["slug", "unit", "x", '"a\\nb"', '"\\u0000"', "'" + "k" * 400 + "'", "a.b.c", "clause", '""'])
_lines = st.one_of(
    st.builds(lambda key, value: f"{key} = {value}", _keys, _values),
    st.sampled_from(
        ["[unit]", "[[secrets]]", "[secrets.unit]", "[[unit.roles]]", "[[clause]]", "[", "=", "\0", "\ufeff"]
    ),
    st.text(max_size=20),
)
edits = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from(["insert", "value", "drop"]), _lines, _values), max_size=3
)


def edited(text: str, edits: list[tuple[int, str, str, str]]) -> str:
    """The file with a few lines put in, left out, or with another value."""
    lines = text.splitlines()
    for place, how, line, value in edits:
        at = place % len(lines)
        if how == "insert":
            lines.insert(at, line)
        elif how == "drop" and len(lines) > 1:
            del lines[at]
        elif "=" in lines[at]:
            lines[at] = f"{lines[at].partition('=')[0]}= {value}"
    return "\n".join(lines)


def helps(error: FileError, path: Path) -> None:
    """One line that begins with the file and stays readable."""
    said = str(error)
    assert said.startswith(str(path))
    assert said.isprintable()
    assert len(said.removeprefix(str(path))) < 500


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all the examples."""
    return tmp_path_factory.mktemp("files")


@FUZZ
@given(edits=edits)
def test_any_partner_file_is_read_or_refused_with_a_sentence(folder: Path, edits: Any) -> None:
    """No traceback, however broken it is."""
    path = folder / "caritas-koblenz.toml"
    path.write_text(edited(PARTNER, edits), encoding="utf-8", errors="surrogatepass")
    try:
        assert load_partner(path).slug == "caritas-koblenz"
    except PartnerFileError as error:
        helps(error, path)


@FUZZ
@given(edits=edits)
def test_any_agreement_file_is_read_or_refused_with_a_sentence(folder: Path, edits: Any) -> None:
    """The same of the agreement."""
    path = folder / "koblenz.toml"
    path.write_text(edited(AGREEMENT, edits), encoding="utf-8", errors="surrogatepass")
    try:
        assert load_agreement(path).clauses
    except AgreementFileError as error:
        helps(error, path)


@FUZZ
@given(raw=st.binary(max_size=200))
def test_any_bytes_are_refused_with_a_sentence(folder: Path, raw: bytes) -> None:
    """A file of another program, or half a file."""
    path = folder / "caritas-koblenz.toml"
    path.write_bytes(raw)
    with pytest.raises(PartnerFileError) as caught:
        load_partner(path)
    helps(caught.value, path)


@FUZZ
@given(raw=st.binary(max_size=60) | _lines.map(lambda line: line.encode("utf-8", "surrogatepass")))
def test_any_issuers_file_is_refused_with_a_sentence(folder: Path, raw: bytes) -> None:
    """Whom we trust is never guessed."""
    path = folder / "issuers.toml"
    path.write_bytes(raw)
    with pytest.raises(StartError) as caught:
        load_issuers(path)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).isprintable()
