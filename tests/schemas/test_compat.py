"""A schema may gain optional fields and codes where it says so; everything else is refused, against every version."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import StringConstraints

from schemas import CaseEvent, FieldChange, Party, Shared
from schemas.codes import Code, Scope
from schemas.compat import breaches, demands_the_same
from schemas.documents import internal_schema
from schemas.generate import Incompatible, load_versions, main, next_version, wanted_files
from tests.schemas.samples import declare, forgotten_classes


class Colour(Code, grows=True, unknown="grey"):
    RED = "red"
    GREY = "grey"


class MoreColours(Code, grows=True, unknown="grey"):
    RED = "red"
    BLUE = "blue"
    GREY = "grey"


class FewerColours(Code, grows=True, unknown="grey"):
    GREY = "grey"


class Shape(Code, grows=False):
    ROUND = "round"


class MoreShapes(Code, grows=False):
    ROUND = "round"
    SQUARE = "square"


Word = Annotated[str, StringConstraints(max_length=10)]
FIELDS: dict[str, Any] = {
    "colour": Annotated[Colour, Shared],
    "shape": Shape,
    "word": Word,
    "maybe": Word | None,
    "many": tuple[Colour, ...],
    "changes": tuple[FieldChange, ...],
}
DEFAULTS: dict[str, Any] = {"maybe": None, "__doc__": "Something happened."}
WORDS: dict[str, Any] = {"audience": {Party.INFORMED}}


def event_class(
    fields: dict[str, Any] | None = None,
    *,
    without: str = "",
    required: str = "",
    defaults: dict[str, Any] | None = None,
    **words: Any,
) -> Any:
    """The first version of an event, with what the test changes."""
    all_fields = {name: kind for name, kind in {**FIELDS, **(fields or {})}.items() if name != without}
    all_defaults = {name: value for name, value in {**DEFAULTS, **(defaults or {})}.items() if name != required}
    with forgotten_classes():
        return declare(CaseEvent, all_fields, all_defaults, **{**WORDS, **words})


def commit(directory: Path, *classes: Any) -> None:
    """Write the schemas of an event's classes one after another, as `make schemas` would."""
    for each in classes:
        for path, text in wanted_files(directory, [each]).items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A folder of committed schemas with one version of one event."""
    folder = tmp_path / "json"
    commit(folder, event_class())
    return folder


def numbers(directory: Path) -> list[int]:
    return [version.number for version in load_versions(directory / "lotse.test.happened.v1")]


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "a field is removed": (lambda: event_class(without="word"), "field word is gone"),
    "a required field is added": (lambda: event_class({"extra": int}), "field extra is new and required"),
    "an optional field becomes required": (
        lambda: event_class(required="maybe"),
        "field maybe becomes required",
    ),
    "a required field becomes optional": (
        lambda: event_class(defaults={"word": "x"}),
        "field word becomes optional",
    ),
    "a type changes": (lambda: event_class({"word": int}), "field word: "),
    "a limit is widened": (
        lambda: event_class({"word": Annotated[str, StringConstraints(max_length=20)]}),
        "field word: maxLength changes from 10 to 20",
    ),
    "a limit appears": (
        lambda: event_class({"word": Annotated[Word, StringConstraints(min_length=1)]}),
        "field word: minLength changes from None to 1",
    ),
    "a growing list loses a code": (
        lambda: event_class({"colour": Annotated[FewerColours, Shared]}),
        "field colour loses the code red; codes stay",
    ),
    "a growing list is closed": (
        lambda: event_class({"colour": Annotated[Shape, Shared]}),
        "field colour: a code list cannot begin or cease to grow",
    ),
    "a closed list gains a code": (lambda: event_class({"shape": MoreShapes}), "field shape: enum changes"),
    "a field may suddenly be null": (lambda: event_class({"word": Word | None}), "field word: anyOf changes"),
    "a list's items change": (lambda: event_class({"many": tuple[Word, ...]}), r"field many\[\]: "),
    "a branch of a choice changes": (lambda: event_class({"maybe": int | None}), "field maybe: "),
    "a choice gains a branch": (lambda: event_class({"maybe": Word | int | None}), "field maybe: anyOf changes"),
    "it becomes terminal": (lambda: event_class(terminal=True), "the event: x-terminal changes"),
    "a field is no longer shown": (lambda: event_class({"colour": Colour}), "field colour is gone"),
    "partners are no longer told": (lambda: event_class(audience=frozenset()), "partners are no longer told"),
}

ALLOWED: dict[str, Callable[[], Any]] = {
    "an optional field is added": lambda: event_class({"extra": Word | None}, defaults={"extra": None}),
    "an optional list is added": lambda: event_class({"extra": tuple[int, ...]}, defaults={"extra": ()}),
    "a growing list gains a code": lambda: event_class({"colour": Annotated[MoreColours, Shared]}),
    "a growing list inside a list gains a code": lambda: event_class({"many": tuple[MoreColours, ...]}),
    "a field is shown that was not": lambda: event_class({"word": Annotated[Word, Shared]}),
    "a field is shown to some": lambda: event_class({"word": Annotated[Word, Shared(needs=Scope.COOPERATION)]}),
    "an optional field is added and shown": lambda: event_class(
        {"extra": Annotated[Word | None, Shared]}, defaults={"extra": None}
    ),
}


@pytest.mark.parametrize("change", REFUSED)
def test_refused_change(directory: Path, change: str) -> None:
    """A change that would break a reader or an old event is refused with type, version, field and rule."""
    make, sentence = REFUSED[change]
    with pytest.raises(Incompatible, match=rf"^lotse\.test\.happened\.v1, version 1: {sentence}"):
        commit(directory, make())
    assert numbers(directory) == [1]


@pytest.mark.parametrize("change", ALLOWED)
def test_allowed_change_is_the_next_version(directory: Path, change: str) -> None:
    """A change that nobody is hurt by is written beside the old version, which stays as it is."""
    first = {path: path.read_bytes() for path in directory.rglob("1*.json")}
    commit(directory, ALLOWED[change]())
    assert numbers(directory) == [1, 2]
    assert {path: path.read_bytes() for path in directory.rglob("1*.json")} == first
    commit(directory, ALLOWED[change]())
    assert numbers(directory) == [1, 2]


def test_compatibility_holds_with_every_version_not_only_the_last(directory: Path) -> None:
    """An old event has no field that came later, so such a field can never become required."""
    commit(directory, event_class({"extra": Word | None}, defaults={"extra": None}))
    with pytest.raises(Incompatible, match="version 1: field extra is new and required"):
        commit(directory, event_class({"extra": Word | None}))


def test_field_shown_later_is_not_required_of_older_events(directory: Path) -> None:
    """Partners' streams still hold events from before."""
    commit(directory, event_class({"word": Annotated[Word, Shared]}))
    partner = load_versions(directory / "lotse.test.happened.v1")[-1].partner
    assert partner is not None
    assert "word" in partner["properties"]
    assert partner["required"] == ["case_ref", "colour"]


def test_partners_may_be_told_later(tmp_path: Path) -> None:
    """An event that nobody was told of gains its partner view with a further version."""
    commit(tmp_path / "json", event_class(audience=frozenset()), event_class())
    first, second = load_versions(tmp_path / "json" / "lotse.test.happened.v1")
    assert (first.partner, second.partner is not None) == (None, True)


def test_wording_is_mended_in_place(directory: Path) -> None:
    """A better sentence is no new version."""
    commit(directory, event_class(defaults={"__doc__": "Something happened, indeed."}))
    assert numbers(directory) == [1]
    assert load_versions(directory / "lotse.test.happened.v1")[0].internal["description"].endswith("indeed.")


def test_deleted_version_is_noticed(directory: Path) -> None:
    """Versions are never deleted: events written by them are still about."""
    commit(directory, event_class({"extra": Word | None}, defaults={"extra": None}))
    (directory / "lotse.test.happened.v1" / "1.json").unlink()
    with pytest.raises(Incompatible, match="is gone; versions stay"):
        numbers(directory)


def test_event_whose_class_is_gone_is_noticed(directory: Path) -> None:
    """A class is not removed while its events may be read."""
    with pytest.raises(Incompatible, match="its event class is gone"):
        wanted_files(directory, [])


def test_generator_writes_checks_and_names_what_is_stale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`make schemas` writes, `make lint` only compares."""
    folder = tmp_path / "json"
    assert main(["--check"], folder) == 1
    assert "run `make schemas`" in capsys.readouterr().err
    assert not folder.exists()
    assert main([], folder) == 0
    assert main(["--check"], folder) == 0
    written = folder / "lotse.referral.completed.v1" / "1.partner.json"
    written.write_text(written.read_text().replace("The service", "A service"))
    capsys.readouterr()
    assert main(["--check"], folder) == 1
    assert "1.partner.json of lotse.referral.completed.v1 is not what the models give" in capsys.readouterr().err


def test_generator_refuses_with_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A refused change writes nothing at all."""
    folder = tmp_path / "json"
    assert main([], folder) == 0
    committed = folder / "lotse.referral.completed.v1" / "1.json"
    schema = json.loads(committed.read_text())
    schema["properties"]["once"] = {"type": "string"}
    committed.write_text(json.dumps(schema))
    assert main([], folder) == 1
    error = capsys.readouterr().err
    assert error == "lotse.referral.completed.v1, version 1: field once is gone; fields stay\n"


def test_schema_is_compatible_with_itself_and_names_every_breach() -> None:
    """The comparison finds all faults, not only the first."""
    one = internal_schema(event_class())
    other = internal_schema(event_class({"shape": MoreShapes}, without="word"))
    assert breaches(one, one) == []
    assert len(breaches(one, other)) == 2
    assert demands_the_same(None, None)
    assert not demands_the_same(one, None)


def test_first_version_of_an_event_is_one() -> None:
    """An event that was never committed begins to count."""
    assert next_version(event_class(), []).number == 1
