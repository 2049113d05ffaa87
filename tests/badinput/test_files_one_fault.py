"""The files that come with Lotse, each with one fault as people make them: the message names file, place and remedy."""

import shutil
from pathlib import Path

import pytest

from schemas.agreement_file import AgreementFileError, load_agreement
from schemas.partner_file import PartnerFileError, load_partners
from schemas.toml_file import FileError
from tests.harness import ROOT

PARTNER_FAULTS = {
    "slug with umlaut": ('slug = "caritas-koblenz"', 'slug = "cäritas"', r"slug is 'cäritas'; it should be lower-case"),
    "slug as a number": ('slug = "caritas-koblenz"', "slug = 7", r"slug is 7; it should be lower-case letters"),
    "slug of another file": ('slug = "caritas-koblenz"', 'slug = "awo-rheinland"', "kafka_user should be"),
    "key twice": ('slug = "mbe"', 'slug = "mbe"\nslug = "mbe"', r"not valid TOML: .*at line 1\d"),
    "quote missing": ('regime = "KDG"', 'regime = "KDG', r"not valid TOML: .*at line 1\d"),
    "no quotes at all": ('regime = "KDG"', "regime = KDG", r"not valid TOML: .*at line 1\d"),
    "table as a key": ("[secrets]", "secrets = 1", r"not valid TOML|secrets is 1; it should be a table \[secrets\]"),
    "table twice": ("[[unit]]", "[secrets]\n[[unit]]", "not valid TOML"),
    "one bracket": ("[[unit]]", "[unit]", r"not valid TOML|unit is .*; it should be one table \[\[unit\]\] or more"),
    "regime in lower case": ('regime = "KDG"', 'regime = "kdg"', "unit 1, regime is 'kdg'; it should be one of DSGVO"),
    "role alone": (
        'roles = ["migration-service"]',
        'roles = "migration-service"',
        "unit 1, roles is 'migration-service'; it should be a list of one or more of",
    ),
    "role misspelt": (
        '"migration-service"]',
        '"migrationservice"]',
        "unit 1, roles 1 is 'migrationservice'; it should",
    ),
    "role of a reader": ('"migration-service"]', '"unknown"]', "unit 1, roles 1 is 'unknown'; it should be a list"),
    "name empty": ('legal_name = "Caritasverband Koblenz e. V."', 'legal_name = ""', "legal_name is ''; it should be"),
    "name misspelt": ("legal_name", "legalname", "legal_name is missing; it should be a name|legalname is not a known"),
    "the secret itself": (
        '"kafka-partner-caritas-koblenz"',
        '"correct horse battery staple"',
        'secrets, kafka_password is wrong and is not repeated here; it should be the name of a secret: "kafka',
    ),
    "another's password": (
        '"kafka-partner-caritas-koblenz"',
        '"kafka-partner-awo-rheinland"',
        r'secrets, kafka_password is "kafka-partner-awo-rheinland", which awo-rheinland\.toml uses already',
    ),
    "a key beside the tables": (
        "[secrets]",
        'email = "a@b"\n[secrets]',
        "email is not a known key; known here are slug",
    ),
    "depth": ('regime = "KDG"', "regime = " + "[" * 5000, "beyond sense; it should have a few levels"),
    "a number without end": ('regime = "KDG"', "regime = " + "9" * 5000, "a number of thousands of digits"),
    "a number of many hex digits": ('regime = "KDG"', "regime = 0x" + "f" * 5000, "regime is a number of thousands"),
    "such a number in a list": ('"migration-service"', f"0x{'f' * 5000}", "roles 1 is a number of thousands"),
    "a key with a line break": ("[secrets]", '"a\\nb" = 1\n[secrets]', r"'a\\nb' is not a known key"),
}

AGREEMENT_FAULTS = {
    "day before month": ("2014-01-08", "08.01.2014", r"not valid TOML: .*line \d"),
    "a date that is none": ("2014-01-08", "2014-13-08", r"not valid TOML: .*line \d"),
    "date in quotes": ("2014-01-08", '"8. Januar 2014"', "concluded_on is '8. Januar 2014'; it should be a date"),
    "clause twice": ('id = "K2"', 'id = "K1"', "the clause K1 is there twice; each needs an id of its own"),
    "clause without K": ('id = "K3"', 'id = "3"', "clause 3, id is '3'; it should be \"K\" and a number"),
    "duty missing": (
        'duty = "bei der Eingliederung unterstützen"\n',
        "",
        "clause 3, duty is missing; it should be a text",
    ),
    "unknown way of counting": (
        '"sum-information"',
        '"count"',
        "clause 1, counts is .*; it should be a table of the kind",
    ),
    # The validator's own error cannot write such a number, and says so beside it.
    "a way of counting of many hex digits": ('"sum-information"', f"0x{'f' * 5000}", "kind is a number of thousands"),
    "type misspelt": ("lotse.offer.published.v1", "lotse.offers.published.v1", "there is no event of the type"),
    "types as text": (
        '["lotse.referral.received.v1"]',
        '"lotse.referral.received.v1"',
        "types is 'lotse.ref.*; it should be a",
    ),
    "level misspelt": (
        '"coordinating"',
        '"koordinierend"',
        "level is 'koordinierend'; it should be one of coordinating",
    ),
    "role misspelt": ('by = "city"', 'by = "Stadt"', "by is 'Stadt'; it should be one of city, jobcenter"),
    "another due": ('due = "yearly"', 'due = "monthly"', "due is 'monthly'; it should be \"yearly\", or left out"),
    "unknown key": (
        'due = "yearly"',
        'deadline = "yearly"',
        "deadline is not a known key; known here are id, from, to",
    ),
}


def with_fault(path: Path, old: str, new: str) -> None:
    """Put the fault in, once."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def helps(error: FileError, path: Path) -> None:
    """One line, with the file first."""
    assert str(error).startswith(f"{path}")
    assert str(error).isprintable()
    assert len(str(error).removeprefix(str(path))) < 400


@pytest.mark.parametrize(("old", "new", "sentence"), PARTNER_FAULTS.values(), ids=PARTNER_FAULTS)
def test_a_fault_in_one_partner_file_is_named(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    """Among four good files."""
    folder = tmp_path / "partners"
    shutil.copytree(ROOT / "deploy" / "partners", folder)
    path = folder / "caritas-koblenz.toml"
    with_fault(path, old, new)
    with pytest.raises(PartnerFileError, match=sentence) as caught:
        load_partners(folder)
    helps(caught.value, path)
    assert "horse" not in str(caught.value)


@pytest.mark.parametrize(("old", "new", "sentence"), AGREEMENT_FAULTS.values(), ids=AGREEMENT_FAULTS)
def test_a_fault_in_the_agreement_is_named(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    """Fifteen clauses, one fault."""
    path = tmp_path / "koblenz.toml"
    shutil.copy(ROOT / "deploy" / "agreement" / "koblenz.toml", path)
    with_fault(path, old, new)
    with pytest.raises(AgreementFileError, match=sentence) as caught:
        load_agreement(path)
    helps(caught.value, path)


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    """Some editors begin a file with one, and nobody sees it."""
    path = tmp_path / "koblenz.toml"
    path.write_text((ROOT / "deploy" / "agreement" / "koblenz.toml").read_text(encoding="utf-8"), encoding="utf-8-sig")
    assert load_agreement(path).slug == "koblenz"


def test_lines_of_another_system_are_no_fault(tmp_path: Path) -> None:
    """CR LF at the end of each line."""
    path = tmp_path / "koblenz.toml"
    text = (ROOT / "deploy" / "agreement" / "koblenz.toml").read_text(encoding="utf-8")
    path.write_bytes(text.replace("\n", "\r\n").encode())
    assert load_agreement(path).slug == "koblenz"


@pytest.mark.parametrize("what", ["folder", "UTF-16", "empty", "zeros"])
def test_what_is_no_text_file_is_named(tmp_path: Path, what: str) -> None:
    """A folder of that name, a file in another encoding, one that a full disk left empty."""
    path = tmp_path / "caritas-koblenz.toml"
    text = (ROOT / "deploy" / "partners" / "caritas-koblenz.toml").read_text(encoding="utf-8")
    if what == "folder":
        path.mkdir()
    else:
        path.write_bytes({"UTF-16": text.encode("utf-16"), "empty": b"", "zeros": b"\0" * 4096}[what])
    sentence = {
        "folder": "cannot be read",
        "UTF-16": "not UTF-8",
        "empty": "slug is missing",
        "zeros": "not valid TOML",
    }
    with pytest.raises(PartnerFileError, match=sentence[what]) as caught:
        load_partners(tmp_path)
    helps(caught.value, path)
