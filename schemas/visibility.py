"""What leaves Lotse, said where a field is declared, compiled when the class is made and applied per party.

Two words: `Shared` (as it is) and `Pairwise` (an id, replaced by the partner's own reference).
A field without a word stays inside.
"""

import inspect
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, NewType, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue
from pydantic_core import to_json

from schemas.codes import Scope

if TYPE_CHECKING:
    from schemas.envelope import Event

Reference = Callable[[UUID], str]
"""Turns an id into one partner's reference to it: 32 hex digits."""

CHANGES = "changes"


class Party(StrEnum):
    """Who may be told of an event."""

    SENDER = "sender"
    RECIPIENT = "recipient"
    PARTICIPANT = "participant"
    """One of several units that work together; hears what another says with a COOPERATION consent from that one."""
    OTHERS = "others"
    """Every partner but the acting one."""
    OWNER = "owner"
    """The partner whose unit published it, and nobody else."""
    INFORMED = "informed"
    """Whoever was told before about this key."""


NOBODY: frozenset[Party] = frozenset()


class ContractError(TypeError):
    """An event class contradicts the rules of the contract; raised when the class is made."""


@dataclass(frozen=True)
class Shared:
    """Marks a field that the audience sees; `needs`: all but a recipient see it only with a consent of that scope."""

    needs: Scope | None = None


class Pairwise:
    """Marks an id that leaves only as the partner's own reference, under the name `<x>_ref` for `<x>_id`."""


class FieldChange(BaseModel):
    """One changed field of a published state; `previous` and `new` are its values as on the wire."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    field: str
    previous: JsonValue
    new: JsonValue


@dataclass(frozen=True, slots=True)
class CompiledView:
    """What a class shows: plain fields, fields that need a scope, and ids under their outside names."""

    always: frozenset[str]
    needing: Mapping[str, Scope]
    pairwise: Mapping[str, str]
    projects_changes: bool

    @property
    def shared(self) -> frozenset[str]:
        """Every field that some party may see as it is."""
        return self.always | self.needing.keys()

    def fields_for(self, party: Party, scopes: frozenset[Scope]) -> frozenset[str]:
        """Return the plain fields a party sees: the recipient all, anyone else what the consents cover."""
        if not self.needing or party is Party.RECIPIENT:
            return self.shared
        return self.always | {name for name, scope in self.needing.items() if scope in scopes}


def is_audible(event_class: "type[Event]", party: Party, scopes: frozenset[Scope]) -> bool:
    """Tell whether a party hears of events of this class at all, given the scopes its consents cover."""
    if party not in event_class.audience:
        return False
    if party is Party.PARTICIPANT:
        return Scope.COOPERATION in scopes
    needs = event_class.sender_needs
    return party is not Party.SENDER or needs is None or needs in scopes


def view_for(event: "Event", party: Party, scopes: frozenset[Scope], reference: Reference) -> bytes:
    """Return the JSON of what a party may see of an event.

    Raises ValueError for a party the class does not name; who was informed before sees each closing one.
    """
    if party not in event.audience and not (event.closing and party is Party.INFORMED):
        raise ValueError(f"{event.event_type} is not told to {party}")
    view = event.view
    fields = view.fields_for(party, scopes)
    included = _with_changes(event, fields) if view.projects_changes else set(fields)
    body = event.model_dump_json(include=included).encode()
    if not view.pairwise:
        return body
    refs = to_json({outside: reference(getattr(event, inside)) for inside, outside in view.pairwise.items()})
    return refs if body == b"{}" else refs[:-1] + b"," + body[1:]


def key_for(event: "Event", reference: Reference) -> str:
    """Return the event's key as a partner may see it: its reference where the key is pairwise."""
    if event.key_field in event.view.pairwise:
        return reference(getattr(event, event.key_field))
    return event.key


def subject_for(event: "Event", reference: Reference) -> str:
    """Return the event's subject as a partner may see it, for instance `case/<reference>`."""
    return f"{event.subject_kind}/{key_for(event, reference)}"


def _with_changes(event: "Event", fields: frozenset[str]) -> dict[str, Any]:
    """Include the visible fields, and of the changes those that name one of them."""
    included: dict[str, Any] = dict.fromkeys(fields, True)
    changes: Iterable[FieldChange] = getattr(event, CHANGES)
    included[CHANGES] = {index for index, change in enumerate(changes) if change.field in fields}
    return included


def compile_view(event_class: "type[Event]") -> CompiledView:
    """Read the markers of an event class. Raises ContractError for one that would not hold where it is."""
    always, needing, pairwise = set[str](), dict[str, Scope](), dict[str, str]()
    for name, marker in _markers(event_class):
        if isinstance(marker, Pairwise):
            pairwise[name] = _outside_name(event_class, name)
        elif marker.needs is None:
            always.add(name)
        else:
            needing[name] = marker.needs
    if clash := set(pairwise.values()) & event_class.model_fields.keys():
        raise ContractError(f"{event_class.__name__}: a reference and a field share the name {min(clash)}")
    return CompiledView(
        frozenset(always),
        types.MappingProxyType(needing),
        types.MappingProxyType(pairwise),
        projects_changes=_projects_changes(event_class, always),
    )


def _markers(event_class: "type[Event]") -> Iterator[tuple[str, Shared | Pairwise]]:
    """Yield each marked field with its marker, refusing what pydantic would lose silently."""
    for name, field in event_class.model_fields.items():
        where = f"{event_class.__name__}.{name}"
        declared_in = [base.__name__ for base in event_class.__mro__ if name in inspect.get_annotations(base)]
        if len(declared_in) > 1:
            raise ContractError(f"{where} is declared again in {declared_in[0]}: its visibility would be lost")
        if _has_marker(field.annotation):
            raise ContractError(f"{where} has a visibility marker inside its type: put it on the whole field")
        markers = [marker for marker in map(_as_marker, field.metadata) if marker is not None]
        if len(markers) > 1:
            raise ContractError(f"{where} has two visibility markers")
        if markers:
            yield name, markers[0]


def _as_marker(metadata: Any) -> Shared | Pairwise | None:
    if metadata is Shared or metadata is Pairwise:
        return Shared() if metadata is Shared else Pairwise()
    return metadata if isinstance(metadata, Shared | Pairwise) else None


def _has_marker(annotation: Any) -> bool:
    """Look for a marker inside a type: in its arguments, behind a NewType, in a nested model's fields."""
    if get_origin(annotation) is Annotated and any(_as_marker(m) for m in annotation.__metadata__):
        return True
    if isinstance(annotation, NewType):
        return _has_marker(annotation.__supertype__)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields.values()
        return any(any(map(_as_marker, f.metadata)) or _has_marker(f.annotation) for f in fields)
    return any(_has_marker(argument) for argument in get_args(annotation))


def _outside_name(event_class: "type[Event]", name: str) -> str:
    annotation: Any = event_class.model_fields[name].annotation
    while isinstance(annotation, NewType):
        annotation = annotation.__supertype__
    if annotation is not UUID or not name.endswith("_id"):
        raise ContractError(f"{event_class.__name__}.{name} is Pairwise, which only a UUID named <x>_id can be")
    return f"{name.removesuffix('_id')}_ref"


def _projects_changes(event_class: "type[Event]", always: set[str]) -> bool:
    """Tell whether the class shows a list of changes, which then is cut to the fields its reader may see."""
    field = event_class.model_fields.get(CHANGES)
    if field is not None and field.annotation != tuple[FieldChange, ...]:
        raise ContractError(f"{event_class.__name__}.{CHANGES} must be a tuple[FieldChange, ...]")
    return CHANGES in always
