"""JSON Schemas of the events, made from the models: what is on the topic, and what a partner may see.

Both are for readers: further fields are allowed, and a list that grows gives its codes as a hint (`x-codes`).
They use nothing newer than draft 7 and no references, so that any tool can read them.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from schemas.envelope import EVENTS, Event
from schemas.visibility import Party

Schema = dict[str, Any]

DRAFT = "http://json-schema.org/draft-07/schema#"
REFERENCE: Schema = {
    "type": "string",
    "pattern": "^[0-9a-f]{32}$",
    "description": "The partner's own reference; another partner has another for the same thing.",
}
_LISTS_OF_SCHEMAS = ("anyOf", "oneOf", "allOf", "prefixItems")


def contract_events() -> list[type[Event]]:
    """List the contract's own events by type, without what tests may have declared."""
    return [EVENTS[name] for name in sorted(EVENTS) if EVENTS[name].__module__.startswith("schemas.")]


def internal_schema(event_class: type[Event]) -> Schema:
    """Describe an event as it stands on its topic."""
    raw = event_class.model_json_schema(mode="validation")
    schema = _for_readers(raw, raw.get("$defs", {}))
    return {
        "title": event_class.event_type,
        "description": schema.pop("description"),
        "x-topic": event_class.topic.value,
        "x-key": event_class.key_field,
        "x-terminal": event_class.terminal,
        "x-closing": event_class.closing,
        **{word: value for word, value in schema.items() if word != "title"},
    }


def partner_schema(event_class: type[Event], earlier: Iterable[Schema] = ()) -> Schema | None:
    """Describe an event as a partner may see it, over all parties that are told; None when nobody is.

    earlier: the committed versions of this view; a field that one of them lacks is not required.
    """
    if not event_class.audience:
        return None
    whole, view = internal_schema(event_class), event_class.view
    inside_names = {outside: inside for inside, outside in view.pairwise.items()}
    inside_names |= {name: name for name in whole["properties"] if name in view.shared}
    required = {
        outside
        for outside, inside in inside_names.items()
        if inside in whole["required"] and inside not in _left_out_for_some(event_class)
    }
    for schema in earlier:
        required &= set(schema.get("required", ()))
    return {
        "title": event_class.event_type,
        "description": whole["description"],
        "x-closing": event_class.closing,
        "type": "object",
        "properties": {
            outside: REFERENCE if inside in view.pairwise else whole["properties"][inside]
            for outside, inside in inside_names.items()
        },
        "required": sorted(required),
        "additionalProperties": True,
    }


def identified(schema: Schema, urn: str) -> Schema:
    """Give a schema its name and dialect, as it is committed."""
    return {"$schema": DRAFT, "$id": urn, **schema}


def map_subschemas(schema: Mapping[str, Any], change: Callable[[Schema], Schema]) -> Schema:
    """Apply a change to each schema directly inside a schema; names of properties are left alone."""
    mapped: Schema = {}
    for word, value in schema.items():
        if word == "properties":
            mapped[word] = {name: change(inner) for name, inner in value.items()}
        elif word in _LISTS_OF_SCHEMAS:
            mapped[word] = [change(inner) for inner in value]
        elif isinstance(value, dict) and word in ("items", "additionalProperties"):
            mapped[word] = change(value)
        else:
            mapped[word] = value
    return mapped


def _for_readers(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """Put definitions in their place, open objects and growing code lists, drop generated titles."""
    if "$ref" in schema:
        definition = definitions[schema["$ref"].removeprefix("#/$defs/")]
        schema = {**definition, **{word: value for word, value in schema.items() if word != "$ref"}}
    opened = map_subschemas(schema, lambda inner: _for_readers(inner, definitions))
    opened.pop("title", None)
    opened.pop("$defs", None)
    if "additionalProperties" in opened:
        opened["additionalProperties"] = True
    if opened.pop("x-grows", False):
        opened["x-codes"] = opened.pop("enum")
    return opened


def _left_out_for_some(event_class: type[Event]) -> frozenset[str]:
    """Name the fields that need a scope, unless only the recipient is told, who sees them always."""
    return frozenset() if event_class.audience == {Party.RECIPIENT} else frozenset(event_class.view.needing)
