"""What must never be recorded about a person has no place in any schema, and is refused where somebody says it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import ValidationError

from schemas import EVENTS, Event
from schemas.agreement_file import AgreementFile
from schemas.partner_file import PartnerFile
from services.intake.app import SERVICE as INTAKE
from services.notifier.app import SERVICE as NOTIFIER
from services.referral.app import SERVICE as REFERRAL
from services.reporting.app import SERVICE as REPORTING
from tests.schemas.samples import golden_files, type_of

# Words of field names, each list one thing that a referral must not hold; compared word by word, in both languages.
FORBIDDEN = {
    "religion": "religion religious denomination faith belief konfession glaube",
    "party": "politics political parteimitglied parteibuch",
    "ethnic origin": "ethnic ethnicity ethnie herkunft race",
    "reasons for flight": "flight escape persecution flucht fluchtgrund verfolgung",
    "diagnoses": "diagnosis diagnoses illness disease diagnose krankheit befund icd",
    "AZR number": "azr auslaenderzentralregister",
    "passport number": "passport passnummer reisepass",
    "benefit number": "bg customer kundennummer bedarfsgemeinschaft",
    "copies of documents": "copy copies scan attachment attachments upload kopie anhang",
    "criminal matters": "criminal offence conviction crime straftat vorstrafe strafverfahren",
    "undocumented": "undocumented illegal papierlos aufenthaltsstatus",
}
WORDS = {word: what for what, words in FORBIDDEN.items() for word in words.split()}
PLANTED = sorted(WORDS)
LONGEST_FREE_TEXT = 500


def forbidden_in(name: str) -> list[str]:
    """Which forbidden things a field's name speaks of."""
    return [WORDS[word] for word in re.split(r"[_\-.]", name.lower()) if word in WORDS]


def names_in(schema: Any) -> Iterator[str]:
    """The names of all fields that a JSON Schema or OpenAPI document declares, at any depth."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {}) if isinstance(schema.get("properties"), dict) else ()
        for each in schema.values():
            yield from names_in(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from names_in(each)


def documents() -> dict[str, Any]:
    """Every public schema: events, the four APIs, the two kinds of files."""
    found: dict[str, Any] = {name: each.model_json_schema() for name, each in EVENTS.items() if "test" not in name}
    for service in (INTAKE, REFERRAL, NOTIFIER, REPORTING):
        app = FastAPI()
        for router in service.routers:
            app.include_router(router)
        found[service.name] = app.openapi()
    return found | {
        "partner file": PartnerFile.model_json_schema(),
        "agreement file": AgreementFile.model_json_schema(),
    }


def test_the_list_catches_what_it_is_for() -> None:
    """Whole words only: a copy is found, a copyright is not."""
    assert forbidden_in("passport_number") == ["passport number"]
    assert forbidden_in("Fluchtgrund") == ["reasons for flight"]
    assert forbidden_in("copyright") == forbidden_in("partner") == forbidden_in("scope") == []


@pytest.mark.parametrize("name", sorted(documents()))
def test_no_schema_has_a_place_for_it(name: str) -> None:
    """Not at any depth."""
    assert {field: forbidden_in(field) for field in names_in(documents()[name]) if forbidden_in(field)} == {}


@pytest.mark.parametrize("path", golden_files(), ids=lambda path: path.stem)
def test_no_event_can_be_written_with_it(path: Any) -> None:
    """Refused with the name of the field."""
    event_class: type[Event] = EVENTS[type_of(path)]
    said = json.loads(path.read_bytes())
    for word in PLANTED:
        with pytest.raises(ValidationError) as refused:
            event_class.model_validate_json(json.dumps({**said, word: "x"}))
        assert (word,) in [each["loc"] for each in refused.value.errors()]


def bodies() -> Iterator[tuple[str, Any]]:
    """Every object that a request may hold, by service and name."""
    for service in (INTAKE, REFERRAL, NOTIFIER, REPORTING):
        app = FastAPI()
        for router in service.routers:
            app.include_router(router)
        document = app.openapi()
        schemas = document.get("components", {}).get("schemas", {})
        for operations in document["paths"].values():
            for operation in operations.values():
                for name in references_in(operation.get("requestBody", {}), schemas, set()):
                    yield f"{service.name} {name}", schemas[name]


def references_in(schema: Any, schemas: Any, seen: set[str]) -> set[str]:
    """The named objects that a schema leads to."""
    if isinstance(schema, dict):
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        if name and name not in seen:
            seen.add(name)
            references_in(schemas[name], schemas, seen)
        for each in schema.values():
            references_in(each, schemas, seen)
    elif isinstance(schema, list):
        for each in schema:
            references_in(each, schemas, seen)
    return seen


BODIES = dict(bodies())


def test_every_request_body_is_looked_at() -> None:
    """The walk finds what it must."""
    assert {"intake NewPerson", "intake Channel", "intake NewConsents", "intake NewConsent"} <= BODIES.keys()
    assert len(BODIES) > 20


# Other programs write packages of HSDS, with fields that Lotse does not know: they are named in the answer and kept
# nowhere (tests/referral/test_packages.py).
PACKAGE = re.compile(r"referral (Package-Input|Said[A-Z][a-z]+)")
OBJECTS = sorted(each for each in BODIES if BODIES[each].get("type") == "object")


@pytest.mark.parametrize("name", [each for each in OBJECTS if not PACKAGE.fullmatch(each)])
def test_no_request_takes_a_field_that_nobody_declared(name: str) -> None:
    """So nothing forbidden either, at no depth."""
    assert BODIES[name].get("additionalProperties") is False


def texts_in(schema: Any) -> Iterator[Any]:
    """The schemas of all texts."""
    if isinstance(schema, dict):
        if schema.get("type") == "string":
            yield schema
        for each in schema.values():
            yield from texts_in(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from texts_in(each)


def test_no_request_to_intake_takes_a_long_free_text() -> None:
    """A story about somebody does not fit in: each text is a code, has a form, or is short."""
    free = [
        (name, text)
        for name, schema in BODIES.items()
        for text in texts_in(schema)
        if name.startswith("intake ")
        and not {"enum", "const", "format", "pattern"} & text.keys()
        and text.get("maxLength", LONGEST_FREE_TEXT + 1) > LONGEST_FREE_TEXT
    ]
    assert free == []
