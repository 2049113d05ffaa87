"""Event classes: what they must say, what a writer may write and what a reader reads."""

import ast
import importlib
import inspect
import json
import pkgutil
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ValidationError

import schemas
from schemas import (
    EVENTS,
    CaseEvent,
    CaseId,
    DirectoryEvent,
    Event,
    InvalidEvent,
    OfferId,
    Party,
    Topic,
    UnitId,
    UnknownEventType,
    dataschema,
    decode,
    new_id,
    partner_of,
    partner_topic,
)
from schemas.codes import Outcome, ReferralState, Scope
from schemas.documents import contract_events
from schemas.visibility import ContractError, Shared
from tests.schemas.samples import GOLDEN, a, declare, golden_files, type_of

COMPLETED = "lotse.referral.completed.v1"


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"type": None}, "event Happened does not say its type"),
        ({"audience": None}, "event Happened does not say its audience"),
        ({"type": "lotse.happened.v1"}, "is not like"),
        ({"type": "lotse.test.happened"}, "is not like"),
        ({"type": "lotse.test.happened.v0"}, "is not like"),
        ({"type": "Lotse.test.happened.v1"}, "is not like"),
        ({"type": COMPLETED}, "ReferralCompleted has the type"),
        ({"audience": {Party.RECIPIENT}}, "does not say who they are"),
        ({"sender_needs": Scope.FEEDBACK_STATUS}, "says sender_needs but not that the sender is told"),
    ],
)
def test_event_class_that_does_not_say_what_it_must_fails_at_import(words: dict[str, Any], sentence: str) -> None:
    """Who is told, and of what, is never a default."""
    with pytest.raises(ContractError, match=sentence):
        declare(CaseEvent, {}, **words)


@pytest.mark.usefixtures("registry")
def test_a_field_named_like_a_word_of_every_event_fails_at_import() -> None:
    """It would be lost without a word: the class has a topic of its own."""

    class State(BaseModel):
        topic: Annotated[str, Shared]

    with pytest.raises(ContractError, match="topic of State is a word of every event"):

        class Happened(DirectoryEvent, State, type="lotse.test.happened.v1", audience={Party.OTHERS}, key="thing_id"):
            thing_id: Annotated[OfferId, Shared]


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize(
    ("base", "fields", "words", "sentence"),
    [
        (Event, {}, {}, "no base that says its topic and key"),
        (DirectoryEvent, {"thing_id": OfferId}, {}, "no base that says its topic and key"),
        (DirectoryEvent, {"thing_id": OfferId}, {"key": "offer_id"}, "has no field offer_id, its key"),
        (DirectoryEvent, {"thing_id": OfferId}, {"key": "thing_id", "audience": {Party.OTHERS}}, "does not show"),
    ],
)
def test_event_class_without_a_usable_key_fails_at_import(
    base: type[Event], fields: dict[str, Any], words: dict[str, Any], sentence: str
) -> None:
    """Order holds per key, so there is one, and whoever is told sees it."""
    with pytest.raises(ContractError, match=sentence):
        declare(base, fields, **words)


@pytest.mark.usefixtures("registry")
def test_refused_class_is_not_registered() -> None:
    """A class that failed leaves nothing behind."""
    with pytest.raises(ContractError):
        declare(CaseEvent, {"case_id": CaseId}, type="lotse.test.refused.v1")
    assert "lotse.test.refused.v1" not in EVENTS


def test_every_event_class_of_the_contract_is_registered() -> None:
    """Importing `schemas` is enough to read every event."""
    declared = set()
    for module in pkgutil.iter_modules(schemas.__path__):
        tree = ast.parse(inspect.getsource(importlib.import_module(f"schemas.{module.name}")))
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                declared |= {ast.literal_eval(word.value) for word in node.keywords if word.arg == "type"}
    assert declared == {event_class.event_type for event_class in contract_events()}


def test_registry_cannot_be_changed_from_outside() -> None:
    """Only declaring a class registers it."""
    with pytest.raises(TypeError):
        EVENTS["lotse.test.x.v1"] = CaseEvent  # type: ignore[index]  # the fault under test


def test_every_event_has_a_golden_sample() -> None:
    """An event without one could change its shape unnoticed."""
    assert {type_of(path) for path in golden_files()} == {each.event_type for each in contract_events()}


@pytest.mark.parametrize("path", golden_files(), ids=lambda path: path.stem)
def test_golden_sample_is_read_with_every_value_in_its_place(path: Path) -> None:
    """What was once written stays readable for ever."""
    read = decode(type_of(path), path.read_bytes()).model_dump(mode="json")
    golden = json.loads(path.read_bytes())
    assert as_far_as(golden, read) == golden


def as_far_as(golden: Any, read: Any) -> Any:
    """What was read, without the fields that came later."""
    if isinstance(golden, dict):
        return {field: as_far_as(value, read[field]) for field, value in golden.items()}
    if isinstance(golden, list) and len(golden) == len(read):
        return [as_far_as(*pair) for pair in zip(golden, read, strict=True)]
    return read


@pytest.mark.parametrize("event_class", contract_events(), ids=lambda each: each.event_type)
def test_what_is_written_is_read_back(event_class: type[Event]) -> None:
    """Encoding and decoding lose nothing."""
    event = a(event_class.event_type)
    assert decode(event_class.event_type, event.encode()) == event


def test_unknown_type_is_told_apart_from_bad_data() -> None:
    """An unknown type may be readable by newer code; bad data never is."""
    with pytest.raises(UnknownEventType, match=r"lotse\.test\.unheard\.v9") as caught:
        decode("lotse.test.unheard.v9", b"{}")
    assert caught.value.event_type == "lotse.test.unheard.v9"


@pytest.mark.parametrize("raw", [b"", b"{", b'{"case_id": "0', b"null", b"[]", b'"x"', b"\xff\xfe", b"{}", b"\x00"])
def test_half_or_foreign_json_is_an_invalid_event(raw: bytes) -> None:
    """Whatever the bytes, the answer is one kind of error."""
    with pytest.raises(InvalidEvent, match=COMPLETED):
        decode(COMPLETED, raw)


def test_error_names_the_field_and_the_fault_but_never_the_value() -> None:
    """What is wrong may be a name in the wrong place; it must not reach a log."""
    raw = (GOLDEN / f"{COMPLETED}.json").read_bytes().replace(b"awo-rheinland/mbe", b"Amira Beispiel")
    with pytest.raises(InvalidEvent) as caught:
        decode(COMPLETED, raw)
    assert str(caught.value) == f"{COMPLETED}: to_unit: string_pattern_mismatch"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_reader_ignores_unknown_fields_also_inside_lists() -> None:
    """A newer writer may say more, at any depth."""
    raw = (GOLDEN / "lotse.offer.changed.v1.json").read_bytes()
    newer = raw.replace(b'"field":', b'"moved_by": 3, "field":').replace(b'"unit":', b'"wheelchairs": true, "unit":', 1)
    assert newer != raw
    assert decode("lotse.offer.changed.v1", newer) == decode("lotse.offer.changed.v1", raw)


def test_writer_refuses_unknown_fields() -> None:
    """A slip of the pen is not written."""
    with pytest.raises(ValidationError, match="extra_forbidden"):
        a(COMPLETED, remark="free text")


def test_reader_takes_the_fallback_for_codes_added_later() -> None:
    """An event with new codes is still read."""
    raw = (
        (GOLDEN / f"{COMPLETED}.json")
        .read_bytes()
        .replace(b"need-met", b"new-home")
        .replace(b'"completed"', b'"resting"')
    )
    event = decode(COMPLETED, raw)
    assert isinstance(event, schemas.ReferralCompleted)
    assert (event.outcome, event.state) == (Outcome.OTHER, ReferralState.UNKNOWN)


def test_writer_refuses_codes_of_no_list() -> None:
    """A code that is not in the list is not written."""
    with pytest.raises(ValidationError, match="enum"):
        a(COMPLETED, outcome="new-home")


def test_event_cannot_be_changed() -> None:
    """What happened has happened."""
    with pytest.raises(ValidationError, match="frozen"):
        a(COMPLETED).outcome = Outcome.OTHER


def test_case_event_is_keyed_and_named_by_its_case() -> None:
    """All of one case keeps its order."""
    case = CaseId(new_id())
    event = a(COMPLETED, case_id=case)
    assert (event.topic, event.key, event.subject) == (Topic.CASES, str(case), f"case/{case}")


@pytest.mark.parametrize(
    ("event_type", "topic", "subject"),
    [
        ("lotse.offer.changed.v1", Topic.DIRECTORY, "offer/019a8f3c-5b00-7004-8a11-3f0c5d2e9b04"),
        ("lotse.contact.changed.v1", Topic.DIRECTORY, "contact/019a8f3c-5b00-7005-8a11-3f0c5d2e9b05"),
        ("lotse.information.counted.v1", Topic.CIRCLE, "unit/stadt-koblenz/integration"),
        ("lotse.partner.informed.v1", Topic.DELIVERIES, "partner/awo-rheinland"),
    ],
)
def test_other_events_are_keyed_by_what_they_are_about(event_type: str, topic: Topic, subject: str) -> None:
    """Each topic has its own kind of key."""
    event = a(event_type)
    assert (event.topic, event.subject) == (topic, subject)
    assert event.subject.endswith(event.key)


def test_sender_and_recipient_are_the_partners_of_the_units() -> None:
    """The units of an event say which partners it concerns."""
    both = {Party.SENDER: "stadt-koblenz", Party.RECIPIENT: "awo-rheinland"}
    assert a(COMPLETED).parties() == both
    assert a("lotse.consent.withdrawn.v1").parties() == both
    assert a("lotse.person.disclosed.v1").parties() == {Party.RECIPIENT: "awo-rheinland"}
    assert a("lotse.offer.changed.v1").parties() == {}


def test_endings_are_terminal_and_closing_as_the_rules_ask() -> None:
    """Withdrawal, expiry and erasure end for good; what ends because of them is told without consent, not terminal."""
    ends = ("withdrawn", "expired", "revoked", "invalidated")
    for_good = {*(f"lotse.consent.{end}.v1" for end in ends), "lotse.person.erased.v1"}
    assert {each.event_type for each in contract_events() if each.terminal} == for_good
    assert {each.event_type for each in contract_events() if each.closing} == for_good | {
        "lotse.referral.ended.v1",
        "lotse.referral.entered_in_error.v1",
        *(f"lotse.cooperation.{end}.v1" for end in ("declined", "left", "lapsed", "ended")),
    }


def test_dataschema_names_the_highest_committed_version() -> None:
    """A reader finds the schema an event was written by."""
    assert dataschema(schemas.ReferralCompleted, False) == f"urn:lotse:schema:{COMPLETED}:2"
    assert dataschema(schemas.ReferralCompleted, True) == f"urn:lotse:schema:{COMPLETED}:2:partner"


@pytest.mark.usefixtures("registry")
def test_dataschema_of_an_event_never_committed_is_its_first() -> None:
    """A class of a test, or one before `make schemas`, names the version it will get."""
    assert dataschema(declare(CaseEvent, {}), False) == "urn:lotse:schema:lotse.test.happened.v1:1"


def test_names_of_units_and_topics() -> None:
    """The partner stands before the slash, and its stream carries its slug."""
    assert partner_of(UnitId("caritas-koblenz/jmd")) == "caritas-koblenz"
    assert partner_topic("caritas-koblenz") == "lotse.partner.caritas-koblenz.v1"


@pytest.mark.parametrize(
    "unit", ["caritas", "/mbe", "caritas/", "a/b/c", "Caritas/mbe", "a b/c", "a/b\n", "-a/b", "a--b/c"]
)
def test_unit_of_another_form_is_refused(unit: str) -> None:
    """A unit's id is always <partner>/<unit>."""
    with pytest.raises(ValidationError, match="unit"):
        a("lotse.information.counted.v1", unit=unit)


@pytest.mark.usefixtures("registry")
def test_base_may_add_fields_that_concrete_classes_share() -> None:
    """Abstract bases need no type and no audience."""
    base = declare(CaseEvent, {"unit": Annotated[UnitId, Shared]}, type=None, audience=None, abstract=True)
    assert declare(base, {}, audience={Party.INFORMED}).view.always == {"unit"}
