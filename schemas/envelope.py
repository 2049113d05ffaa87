"""What every event is: its class and words on the wire, the registry, the open reader, the received event."""

import re
import types
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, NamedTuple, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.codes import READER, Scope
from schemas.ids import CaseId, PartnerSlug, UnitId
from schemas.visibility import CompiledView, ContractError, Pairwise, Party, compile_view

SCHEMAS_DIR = Path(__file__).parent / "json"
TYPE_PATTERN = r"^lotse\.[a-z_]+\.[a-z_]+\.v[1-9][0-9]*$"


class Topic(StrEnum):
    """The topics Lotse's services share."""

    CASES = "lotse.cases.v1"
    DIRECTORY = "lotse.directory.v1"
    CIRCLE = "lotse.circle.v1"
    DELIVERIES = "lotse.deliveries.v1"


def partner_topic(slug: str) -> str:
    """Return the topic of a partner's own stream."""
    return f"lotse.partner.{slug}.v1"


_events: "dict[str, type[Event]]" = {}

EVENTS: "Mapping[str, type[Event]]" = types.MappingProxyType(_events)
"""Every concrete event class by its type on the wire; complete once `schemas` is imported."""


class UnknownEventType(ValueError):
    """This code knows no event of that type."""

    def __init__(self, event_type: str) -> None:
        super().__init__(f"no event of the type {event_type} is known here")
        self.event_type = event_type


class InvalidEvent(ValueError):
    """An event's data is not what its type promises; the text names fields and faults, never a value."""


class Event(BaseModel):
    """Something that happened, as it stands on a topic.

    A concrete class says `type` (the word on the wire) and `audience` (who is told; NOBODY must be said too);
    `sender_needs`: the scope without which the sender is not told; `terminal`: it ends something for good;
    `closing`: those informed before are told without consent. An abstract base says `topic` and `key`, the
    field that keeps events in order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_type: ClassVar[str]
    topic: ClassVar[Topic]
    key_field: ClassVar[str]
    audience: ClassVar[frozenset[Party]]
    sender_needs: ClassVar[Scope | None]
    terminal: ClassVar[bool]
    closing: ClassVar[bool]
    view: ClassVar[CompiledView]

    def __init_subclass__(
        cls,
        *,
        abstract: bool = False,
        topic: Topic | None = None,
        key: str | None = None,
        type: str | None = None,
        audience: "frozenset[Party] | set[Party] | None" = None,
        sender_needs: Scope | None = None,
        terminal: bool = False,
        closing: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)
        if topic is not None:
            cls.topic = topic
        if key is not None:
            cls.key_field = key
        if abstract:
            return
        _check_words(cls, type, audience)
        cls.event_type, cls.audience = str(type), frozenset(audience or ())
        cls.sender_needs, cls.terminal, cls.closing = sender_needs, terminal, closing

    @classmethod
    def __pydantic_init_subclass__(cls, *, abstract: bool = False, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__()
        cls.view = compile_view(cls)
        if not abstract:
            _check_fields(cls)
            _check_audience(cls)
            _events[cls.event_type] = cls

    @property
    def key(self) -> str:
        """The id of what the event is about; events of one key keep their order."""
        return str(getattr(self, self.key_field))

    @property
    def subject_kind(self) -> str:
        """What the key is the id of, for instance `case`."""
        return self.key_field.removesuffix("_id")

    @property
    def subject(self) -> str:
        """The CloudEvents subject, for instance `case/<case_id>`."""
        return f"{self.subject_kind}/{self.key}"

    def parties(self) -> Mapping[Party, PartnerSlug]:
        """Return which partner is sender and which recipient; empty where the event has no such parties."""
        return {}

    def participants(self) -> tuple[UnitId, ...]:
        """Return the units that take part in what the event is about; empty where there are no such parties."""
        return ()

    def encode(self) -> bytes:
        """Return the event's data as JSON, as it stands on the topic."""
        return self.model_dump_json().encode()


def _check_words(cls: type[Event], event_type: str | None, audience: object) -> None:
    """Refuse a concrete class that does not say what it must, or says it wrongly."""
    for word, said in [("type", event_type is not None), ("audience", audience is not None)]:
        if not said:
            raise ContractError(f"event {cls.__name__} does not say its {word}")
    if not re.fullmatch(TYPE_PATTERN, str(event_type)):
        raise ContractError(f"event {cls.__name__}: the type {event_type} is not like lotse.<what>.<happened>.v<n>")
    if event_type in _events:
        raise ContractError(f"event {cls.__name__}: {_events[event_type].__name__} has the type {event_type} already")
    if not hasattr(cls, "topic") or not hasattr(cls, "key_field"):
        raise ContractError(f"event {cls.__name__} has no base that says its topic and key")


def _check_fields(cls: type[Event]) -> None:
    """Refuse a field that a base declares under a name that means something of every event: pydantic would drop it."""
    for base in cls.__mro__:
        if issubclass(base, BaseModel) and (lost := base.model_fields.keys() - cls.model_fields.keys()):
            raise ContractError(f"event {cls.__name__}: {min(lost)} of {base.__name__} is a word of every event")


def _check_audience(cls: type[Event]) -> None:
    """Refuse an audience that could not be served: without parties, or blind to the key."""
    if cls.key_field not in cls.model_fields:
        raise ContractError(f"event {cls.__name__} has no field {cls.key_field}, its key")
    if cls.sender_needs and Party.SENDER not in cls.audience:
        raise ContractError(f"event {cls.__name__} says sender_needs but not that the sender is told")
    if cls.audience & {Party.SENDER, Party.RECIPIENT} and cls.parties is Event.parties:
        raise ContractError(f"event {cls.__name__} tells sender or recipient but does not say who they are")
    if Party.PARTICIPANT in cls.audience and cls.participants is Event.participants:
        raise ContractError(f"event {cls.__name__} tells participants but does not say who they are")
    if cls.audience and cls.key_field not in cls.view.always | cls.view.pairwise.keys():
        raise ContractError(f"event {cls.__name__} does not show its audience the key {cls.key_field}")


class CaseEvent(Event, abstract=True, topic=Topic.CASES, key="case_id"):
    """An event about one person's case."""

    case_id: Annotated[CaseId, Pairwise]
    acted_by: PartnerSlug | None = None
    """The partner that caused it; None when the person or a job did."""


class DirectoryEvent(Event, abstract=True, topic=Topic.DIRECTORY):
    """An event about what the partners publish of themselves."""

    acted_by: PartnerSlug | None = None
    """The partner that caused it; None when a job did."""


class CircleEvent(Event, abstract=True, topic=Topic.CIRCLE):
    """An event of the coordination circle, or a count without a person."""


class DeliveryEvent(Event, abstract=True, topic=Topic.DELIVERIES):
    """An event about who was told what."""


E = TypeVar("E", bound=Event, covariant=True)


class Received(NamedTuple, Generic[E]):
    """An event as a handler gets it.

    `topic` is the logical name, `version` counts per (topic, source, key).
    """

    id: UUID
    source: str
    type: str
    time: datetime
    topic: str
    key: str
    version: int
    correlation_id: str
    causation_id: str | None
    data: E


def decode(event_type: str, raw: bytes) -> Event:
    """Read an event as a newer or older writer may have written it.

    Unknown fields are ignored, unknown codes become their list's fallback.
    Raises UnknownEventType, or InvalidEvent for anything else that is wrong with it.
    """
    event_class = EVENTS.get(event_type)
    if event_class is None:
        raise UnknownEventType(event_type)
    try:
        return event_class.model_validate_json(raw, extra="ignore", context=READER)
    except ValidationError as error:
        # `from None`: the original carries the input, which must not reach a log
        raise InvalidEvent(_describe(event_type, error)) from None


def _describe(event_type: str, error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    named = [f"{'.'.join(map(str, fault['loc'])) or 'data'}: {fault['type']}" for fault in faults[:5]]
    return f"{event_type}: {', '.join(named)}"


def dataschema(event_class: type[Event], partner: bool) -> str:
    """Name the schema an event is written by: its highest committed version, 1 where none is committed."""
    return schema_urn(event_class.event_type, _written_version(event_class.event_type), partner=partner)


def schema_urn(event_type: str, version: int, *, partner: bool = False) -> str:
    """Name one version of an event's schema."""
    return f"urn:lotse:schema:{event_type}:{version}{':partner' if partner else ''}"


@cache
def _written_version(event_type: str) -> int:
    return max(committed_versions(SCHEMAS_DIR / event_type), default=1)


def committed_versions(directory: Path) -> list[int]:
    """List the versions of a schema in its directory, rising; [] where there is none."""
    return sorted(int(path.stem) for path in directory.glob("*.json") if path.stem.isdigit())
