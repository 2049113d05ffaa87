"""The committed documents: what the models give, valid to the standards, and naming nothing they must not."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from schemas import Event, Party, Topic, view_for
from schemas.codes import Scope
from schemas.directory import OfferState
from schemas.documents import contract_events, internal_schema, partner_schema
from schemas.envelope import SCHEMAS_DIR
from schemas.generate import main
from tests.schemas.samples import a, golden_files, type_of

EVERY_EVENT = pytest.mark.parametrize("event_class", contract_events(), ids=lambda each: each.event_type)
SCOPES = [
    frozenset(some) for n in range(3) for some in combinations([Scope.FEEDBACK_STATUS, Scope.FEEDBACK_OUTCOME], n)
]
TOLD = [(each, party) for each in contract_events() for party in Party if party in each.audience]

FORBIDDEN = re.compile(
    r"religio|faith|confession|church|ethnic|race|party_member|flight|fled|persecut|diagnos|health|illness|disab"
    r"|passport|azr|bg_number|customer_number|crim|convict|undocumented|residence|status_group|benefit|nationalit"
    r"|citizenship|remark|comment|note$|notes$|first_name|last_name|surname|birth"
)


def committed(event_type: str, name: str) -> Any:
    return json.loads((SCHEMAS_DIR / event_type / name).read_bytes())


def subschemas(schema: Any, path: str = "") -> Any:
    """Every schema inside a schema with the names of the fields on its way."""
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from subschemas(inner, f"{path}.{name}")
    for word in ("items",):
        if word in schema:
            yield from subschemas(schema[word], path)
    for inner in schema.get("anyOf", []):
        yield from subschemas(inner, path)


def test_committed_documents_are_what_the_models_give(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever changes a model also runs `make schemas`."""
    assert main(["--check"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    "path", sorted(SCHEMAS_DIR.rglob("*.json")), ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_committed_schema_is_a_schema(path: Path) -> None:
    """Each document is valid in the dialect it names, and says which version it is."""
    schema = json.loads(path.read_bytes())
    Draft7Validator.check_schema(schema)
    number, _, view = path.stem.partition(".")
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert schema["$id"] == f"urn:lotse:schema:{path.parent.name}:{number}{':partner' if view else ''}"


@pytest.mark.parametrize("path", golden_files(), ids=lambda path: path.stem)
def test_golden_sample_is_valid_to_the_first_schema(path: Path) -> None:
    """Samples and schemas say the same of an event."""
    Draft7Validator(committed(type_of(path), "1.json")).validate(json.loads(path.read_bytes()))


@EVERY_EVENT
def test_what_is_written_is_valid_to_the_schema_it_names(event_class: type[Event]) -> None:
    """A reader that validates accepts what this code writes."""
    Draft7Validator(internal_schema(event_class)).validate(json.loads(a(event_class.event_type).encode()))


@pytest.mark.parametrize(("event_class", "party"), TOLD, ids=str)
@pytest.mark.parametrize("scopes", SCOPES, ids=lambda scopes: "+".join(sorted(scopes)) or "none")
def test_what_a_partner_gets_is_valid_to_the_partner_schema(
    event_class: type[Event], party: Party, scopes: frozenset[Scope]
) -> None:
    """One schema holds for every party, whatever the person allowed; the first version for who still reads by it."""
    newest = partner_schema(event_class)
    assert newest is not None
    content = json.loads(view_for(a(event_class.event_type), party, scopes, lambda uuid: uuid.hex))
    for schema in (committed(event_class.event_type, "1.partner.json"), newest):
        Draft7Validator(schema).validate(content)
    assert content.keys() <= newest["properties"].keys()


@EVERY_EVENT
def test_partner_schema_names_nothing_but_what_is_shown(event_class: type[Event]) -> None:
    """A field without a word is not even named to partners; nor is an event nobody is told of."""
    schema = partner_schema(event_class)
    if not event_class.audience:
        assert schema is None
        return
    assert schema is not None
    view = event_class.view
    assert schema["properties"].keys() == view.shared | set(view.pairwise.values())
    assert not set(schema["required"]) & view.needing.keys()


@EVERY_EVENT
def test_schema_lets_events_gain_fields_and_lists_gain_codes(event_class: type[Event]) -> None:
    """A validating reader is not broken by a newer writer."""
    for path, schema in subschemas(internal_schema(event_class)):
        assert schema.get("additionalProperties", True) is True, path
        assert ("x-codes" in schema) == ("x-unknown" in schema), path
        assert not ("x-codes" in schema and "enum" in schema), path


@EVERY_EVENT
def test_no_event_has_a_field_that_must_not_exist(event_class: type[Event]) -> None:
    """Religion, origin, reasons for flight, health, papers, status and names of persons have no place on the bus."""
    for path, _ in subschemas(internal_schema(event_class)):
        assert not FORBIDDEN.search(path.lower()), path


@EVERY_EVENT
def test_no_event_outside_the_directory_has_free_text(event_class: type[Event]) -> None:
    """Where there is no free text, nobody can write a name into it."""
    if event_class.topic is Topic.DIRECTORY:
        return
    for path, schema in subschemas(internal_schema(event_class)):
        if schema.get("type") == "string":
            assert schema.keys() & {"format", "pattern", "enum", "const", "x-codes"}, path


@EVERY_EVENT
def test_every_text_of_the_directory_has_a_limit(event_class: type[Event]) -> None:
    """A published text has a length that fits every channel."""
    for path, schema in subschemas(internal_schema(event_class)):
        if schema.get("type") == "string" and not path.startswith(".changes"):
            assert schema.keys() & {"maxLength", "format", "pattern", "enum", "x-codes"}, path


def test_asyncapi_document_is_valid_to_the_official_schema(standards: Path) -> None:
    """Any AsyncAPI tool can read it."""
    official = json.loads((standards / "asyncapi-3.0" / "asyncapi-3.0.0.schema.json").read_bytes())
    Draft7Validator(official).validate(asyncapi())


def asyncapi() -> Any:
    return json.loads((SCHEMAS_DIR.parent / "asyncapi.json").read_bytes())


def references(node: Any) -> Any:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for inner in node:
            yield from references(inner)


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    """Messages name schemas that are committed; channels name messages that are there."""
    document = asyncapi()
    for reference in references(document):
        if not reference.startswith("#/"):
            assert (SCHEMAS_DIR.parent / reference).is_file(), reference
            continue
        node = document
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


def test_asyncapi_document_has_each_event_on_its_topic_and_each_told_one_on_the_streams() -> None:
    """A partner's developer finds every event that can arrive."""
    channels = asyncapi()["channels"]
    for event_class in contract_events():
        homes = [name for name, channel in channels.items() if event_class.__name__ in channel["messages"]]
        assert [channels[home]["address"] for home in homes] == [event_class.topic]
        on_stream = f"{event_class.__name__}ForPartner" in channels["partner"]["messages"]
        assert on_stream is bool(event_class.audience)
    assert channels["partner"]["address"] == "lotse.partner.{slug}.v1"


def test_offer_uses_the_names_and_states_of_hsds(standards: Path) -> None:
    """An offer can be served to any reader of HSDS without renaming."""
    service = json.loads((standards / "hsds-3.1" / "schema" / "service.json").read_bytes())["properties"]
    shared_names = {
        "name",
        "description",
        "eligibility_description",
        "interpretation_services",
        "email",
        "url",
        "status",
    }
    assert shared_names <= service.keys() & OfferState.model_fields.keys()
    assert OfferState.model_json_schema()["$defs"]["OfferStatus"]["enum"] == service["status"]["enum"]
