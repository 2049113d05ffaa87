"""The AsyncAPI 3 document: which events stand on which topic, with which headers, and how to connect."""

from collections.abc import Iterable
from typing import Any

from schemas.envelope import Event, Topic, partner_topic
from schemas.headers import CONTENT_TYPE
from schemas.ids import SLUG

Node = dict[str, Any]

_SCHEMA_FORMAT = "application/schema+json;version=draft-07"
_TOPICS = {
    Topic.CASES: "Consents, persons' records and referrals, by case.",
    Topic.DIRECTORY: "Offers and contacts of the partners: full public state and changes.",
    Topic.CIRCLE: "What the coordination circle works with, and counts without a person.",
    Topic.DELIVERIES: "Who was told of which events when.",
}


def document(events: Iterable[type[Event]], versions: dict[str, int]) -> Node:
    """Return the whole document; `versions` says for each event type which schema version is written now."""
    events = list(events)
    told = [event_class for event_class in events if event_class.audience]
    return {
        "asyncapi": "3.0.0",
        "info": _info(),
        "defaultContentType": CONTENT_TYPE,
        "servers": {"kafka": _server()},
        "channels": {
            **{topic.name.lower(): _channel(topic, events) for topic in Topic},
            "partner": _partner_channel(told),
        },
        "operations": _operations(),
        "components": {
            "messages": {
                **{_id(each): _message(each, versions, partner=False) for each in events},
                **{_id(each, partner=True): _message(each, versions, partner=True) for each in told},
            },
            "schemas": {"headers": _headers(partner=False), "streamHeaders": _headers(partner=True)},
            "securitySchemes": {
                "scram": {"type": "scramSha512", "description": "One user per service and per partner."}
            },
        },
    }


def _info() -> Node:
    return {
        "title": "Lotse",
        "version": "1.0.0",
        "description": "CloudEvents 1.0 on Kafka in binary mode. A partner reads one topic, its own stream.",
        "license": {"name": "EUPL-1.2"},
    }


def _server() -> Node:
    return {
        "host": "{host}:{port}",
        "protocol": "kafka-secure",
        "description": "The operator names host and port; SCRAM-SHA-512.",
        "variables": {"host": {"default": "localhost"}, "port": {"default": "9093"}},
        "security": [{"$ref": "#/components/securitySchemes/scram"}],
    }


def _channel(topic: Topic, events: list[type[Event]]) -> Node:
    return {
        "address": topic.value,
        "description": _TOPICS[topic],
        "messages": {_id(each): _ref("messages", _id(each)) for each in events if each.topic is topic},
    }


def _partner_channel(told: list[type[Event]]) -> Node:
    names = [_id(each, partner=True) for each in told]
    return {
        "address": partner_topic("{slug}"),
        "description": "A partner's own stream: its numbers have no gap, its references are its own.",
        "parameters": {"slug": {"description": f"The partner's slug, ^{SLUG}$.", "examples": ["awo-rheinland"]}},
        "messages": {name: _ref("messages", name) for name in names},
    }


def _operations() -> Node:
    channels = [topic.name.lower() for topic in Topic]
    return {
        **{f"send_{name}": {"action": "send", "channel": {"$ref": f"#/channels/{name}"}} for name in channels},
        "send_partner": {
            "action": "send",
            "channel": {"$ref": "#/channels/partner"},
            "summary": "Tell a partner what it may know; the partner reads with its own user and groups.",
        },
    }


def _message(event_class: type[Event], versions: dict[str, int], *, partner: bool) -> Node:
    suffix = ".partner" if partner else ""
    path = f"json/{event_class.event_type}/{versions[event_class.event_type]}{suffix}.json"
    return {
        "name": event_class.event_type,
        "summary": (event_class.__doc__ or "").strip().partition("\n")[0],
        "contentType": CONTENT_TYPE,
        "headers": _ref("schemas", "streamHeaders" if partner else "headers"),
        "payload": {"schemaFormat": _SCHEMA_FORMAT, "schema": {"$ref": path}},
    }


def _headers(*, partner: bool) -> Node:
    """Describe the headers; a partner's have neither correlation nor causation."""
    text: Node = {"type": "string", "minLength": 1}
    properties: Node = {
        "ce_specversion": {"const": "1.0"},
        "ce_id": {"type": "string", "format": "uuid"},
        "ce_source": text,
        "ce_type": text,
        "ce_time": {"type": "string", "format": "date-time"},
        "ce_subject": text,
        "ce_dataschema": {"type": "string", "format": "uri"},
        "ce_sequence": {"type": "string", "pattern": "^[0-9]{12,18}$"},
        "ce_partitionkey": text,
        "content-type": {"const": CONTENT_TYPE},
    }
    required = list(properties)
    if not partner:
        properties |= {"ce_correlationid": text, "ce_causationid": text}
        required.append("ce_correlationid")
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": True}


def _id(event_class: type[Event], *, partner: bool = False) -> str:
    return f"{event_class.__name__}{'ForPartner' if partner else ''}"


def _ref(kind: str, name: str) -> Node:
    return {"$ref": f"#/components/{kind}/{name}"}
