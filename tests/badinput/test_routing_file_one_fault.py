"""The routing table of Koblenz, each time with one fault as people make them: the message names place and remedy."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.routing_file import RoutingFileError, load_routing
from tests.badinput.effort import FUZZ
from tests.badinput.test_file_fuzz import edited, edits
from tests.badinput.test_files_one_fault import helps, with_fault
from tests.harness import ROOT

KOBLENZ = ROOT / "deploy" / "routing" / "koblenz.toml"

FAULTS = {
    "a gap at one age": (
        'age = ["27-"], status = ["eu-eea"',
        'age = ["28-"], status = ["eu-eea"',
        "a gap: no service rule fits age 27, unaccompanied yes, status eu-eea, declined by nobody",
    ),
    "a gap in time": (
        "until = 2027-06-30",
        "until = 2027-06-29",
        "a gap: no service rule fits age 27, .* from 2027-06-30",
    ),
    "a gap where an age is not stated": (
        '{ age = ["0-17", "not-stated"], unaccompanied = ["yes"] }',
        '{ age = ["0-17"], unaccompanied = ["yes"] }',
        "a gap: no service rule fits age not-stated, unaccompanied yes",
    ),
    "an overlap of two ages": (
        '{ age = ["18-26"] }',
        '{ age = ["18-27"] }',
        "an overlap: R4 and R6 fit age 27, unaccompanied yes, status eu-eea",
    ),
    "an overlap in time": (
        "from = 2027-07-01",
        "from = 2027-06-30",
        "the rule R6 is there twice for the same days; their times should not overlap",
    ),
    "a service decided by something else": (
        '{ age = ["18-26"] }',
        '{ age = ["18-26"], regime = ["SGB2"] }',
        "a service rule decides by age, unaccompanied, status, declined_by, not_declined_by, not by regime",
    ),
    "a word that is none": (
        '"tolerated", "other"',
        '"undocumented", "other"',
        "status.* is 'undocumented'; it should be",
    ),
    "a criterion that is none": ('{ age = ["18-26"] }', '{ religion = ["none"] }', "religion is not a known key"),
    "a danger nobody answers": (
        'danger = ["medical"]',
        'danger = ["violence"]',
        "no rule of the step danger answers medical",
    ),
    "a danger answered for some": (
        '{ danger = ["medical"] }',
        '{ danger = ["medical"], age = ["18-"] }',
        "no rule of the step danger answers medical",
    ),
    "a place that is not there": (
        'to = ["jobcenter"]',
        'to = ["jobzenter"]',
        'R10 leads to "jobzenter", for which there',
    ),
    "a place twice": ('code = "sozialamt"', 'code = "jobcenter"', 'the place "jobcenter" is there twice'),
    "a referral to an office": (
        'then = "signpost"\nto = ["auslaenderbehoerde"]',
        'then = "refer"\nto = ["auslaenderbehoerde"]',
        'R12 refers to "auslaenderbehoerde", which is no service type',
    ),
    "a referral to nobody": ('to = ["JMD"]\nreason = "age-12-26"', 'reason = "age-12-26"', "`to` should say where to"),
    "a range backwards": ('["0-36"]', '["36-0"]', "'36-0' should go upwards and end at 1560"),
    "a range of words": ('["37-"]', '["long"]', "'long' is no range; it should be \"12-26\""),
    "a range as a number": ('["37-"]', "[37]", 'it should be a list of "12-26"'),
    "an age of two hundred": ('age = ["15-66", ', 'age = ["15-200", ', "'15-200' should go upwards and end at 130"),
    "an empty list": ('danger = ["medical"]', "danger = []", "danger.* is .*; it should be a list of violence"),
    "until before from": ("until = 2026-12-31", "until = 2026-01-01", "until is before from"),
    "a date in words": ("from = 2026-02-09", 'from = "Februar"', "from is 'Februar'; it should be a date"),
    "a rule that replaces none": (
        'replaces = ["R10"]',
        'replaces = ["R99"]',
        "UA_2025 replaces R99, which is not there",
    ),
    "a turn before the wish": (
        '["capacity", "wish", "language", "alternating"]',
        '["alternating", "wish"]',
        "leaves no tie, so it should stand last",
    ),
    "an order of faith": (
        '["capacity", "wish", "language"',
        '["religion", "wish", "language"',
        "order 1 is 'religion'; it should be a list of capacity",
    ),
    "an emergency beside": (
        'then = "refer"\nto = ["JMD"]\nreason = "age',
        'then = "at-once"\nto = ["JMD"]\nreason = "age',
        "only they",
    ),
    "asking again by a rule": (
        'then = "inform"\nreason = "child',
        'then = "ask-again"\nreason = "child',
        "no rule's to say",
    ),
    "a source left out": (
        'source = "Garantiefonds Hochschule"\n',
        "",
        "rule .*, source is missing; it should be a text",
    ),
}


@pytest.mark.parametrize(("old", "new", "sentence"), FAULTS.values(), ids=FAULTS)
def test_a_fault_in_the_table_is_named(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    """Thirty-odd rules, one fault."""
    path = tmp_path / "koblenz.toml"
    shutil.copy(KOBLENZ, path)
    with_fault(path, old, new)
    with pytest.raises(RoutingFileError, match=sentence) as caught:
        load_routing(path)
    helps(caught.value, path)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file for all the examples."""
    return tmp_path_factory.mktemp("routing") / "koblenz.toml"


@FUZZ
@given(edits=edits, lines=st.integers(0, 400))
def test_any_table_is_read_or_refused_with_a_sentence(table: Path, edits: list[object], lines: int) -> None:
    """No traceback, however broken it is."""
    text = KOBLENZ.read_text(encoding="utf-8").splitlines()
    turned = "\n".join(text[lines:] + text[:lines])
    table.write_text(edited(turned, edits), encoding="utf-8", errors="surrogatepass")
    try:
        assert load_routing(table).rules
    except RoutingFileError as error:
        helps(error, table)
