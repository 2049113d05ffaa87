"""Code lists: what a writer may say and what a reader makes of it."""

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from schemas.codes import READER, Code, ContactLevel, DataCategory, LanguageTag, Outcome, ReferralState, Scope


class Words(BaseModel):
    state: ReferralState = ReferralState.REQUESTED
    outcome: Outcome | None = None
    categories: tuple[DataCategory, ...] = ()
    level: ContactLevel = ContactLevel.COORDINATING


def test_growing_list_without_an_unknown_code_cannot_be_declared() -> None:
    """A list that may grow must say what a reader makes of a new code."""
    with pytest.raises(TypeError, match="code list Loose"):

        class Loose(Code, grows=True):
            ONE = "one"


def test_closed_list_with_an_unknown_code_cannot_be_declared() -> None:
    """A closed list has no unknown codes, so it names none."""
    with pytest.raises(TypeError, match="code list Tight"):

        class Tight(Code, grows=False, unknown="one"):
            ONE = "one"


def test_unknown_code_must_be_in_the_list() -> None:
    """The fallback is one of the list's own codes."""
    with pytest.raises(TypeError, match="'two' is not in the list"):

        class Astray(Code, grows=True, unknown="two"):
            ONE = "one"


def test_list_that_does_not_say_whether_it_grows_cannot_be_declared() -> None:
    """Whether a list grows is never left open."""
    with pytest.raises(TypeError, match="grows"):

        class Silent(Code):
            ONE = "one"


@pytest.mark.parametrize(
    ("raw", "field", "read"),
    [
        ('{"state": "resting"}', "state", ReferralState.UNKNOWN),
        ('{"outcome": "won-the-lottery"}', "outcome", Outcome.OTHER),
        ('{"categories": ["identity", "shoe-size"]}', "categories", (DataCategory.IDENTITY, DataCategory.UNKNOWN)),
        ('{"state": "unknown"}', "state", ReferralState.UNKNOWN),
    ],
)
def test_reader_makes_the_fallback_of_an_unknown_code(raw: str, field: str, read: object) -> None:
    """A code added later does not stop an older reader, wherever it stands."""
    assert getattr(Words.model_validate_json(raw, context=READER), field) == read


@pytest.mark.parametrize("raw", ['{"level": "galactic"}', '{"state": 7}', '{"outcome": ["other"]}', '{"state": null}'])
def test_reader_refuses_what_is_no_code_of_a_closed_list_or_no_code_at_all(raw: str) -> None:
    """Only a word of a growing list has a fallback."""
    with pytest.raises(ValidationError):
        Words.model_validate_json(raw, context=READER)


@pytest.mark.parametrize(
    "raw", ['{"state": "resting"}', '{"outcome": "won-the-lottery"}', '{"categories": ["shoe-size"]}', '{"level": "x"}']
)
def test_writer_refuses_an_unknown_code(raw: str) -> None:
    """Nothing is written that is not in the list."""
    with pytest.raises(ValidationError, match="Input should be"):
        Words.model_validate_json(raw)


@pytest.mark.parametrize("said", ["unknown", ReferralState.UNKNOWN])
def test_writer_cannot_say_what_only_a_reader_makes(said: str) -> None:
    """`unknown` is what is left of a code, not a code to write."""
    with pytest.raises(ValidationError, match="one of the codes"):
        Words(state=said)


def test_schema_offers_only_the_codes_a_writer_may_use() -> None:
    """An API's description does not offer `unknown`."""
    schema = TypeAdapter(Scope).json_schema()
    assert schema["enum"] == ["transfer", "feedback-status", "feedback-outcome", "cooperation"]
    assert schema["x-grows"] is True


@pytest.mark.parametrize("tag", ["de", "de-simple", "ar", "kmr", "kmr-Latn", "prs", "de-DE", "es-419", "sr-Cyrl-RS"])
def test_language_tags_of_the_region_are_accepted(tag: str) -> None:
    """The languages spoken here have their tags."""
    assert TypeAdapter(LanguageTag).validate_python(tag) == tag


@pytest.mark.parametrize("tag", ["", "DE", "german", "d", "de_DE", "de-", "de-de", "de DE", "ar\n", "x" * 40])
def test_other_spellings_of_a_language_are_refused(tag: str) -> None:
    """One language has one spelling, so that counts add up."""
    with pytest.raises(ValidationError):
        TypeAdapter(LanguageTag).validate_python(tag)
