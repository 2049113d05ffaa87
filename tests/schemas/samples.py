"""Events for tests: the golden samples, and classes declared for one test only."""

import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from schemas import Event, decode, envelope

GOLDEN = Path(__file__).parent / "golden"


def golden_files() -> list[Path]:
    """Every golden sample, by name."""
    return sorted(GOLDEN.glob("*.json"))


def type_of(sample: Path) -> str:
    """The event type a golden sample is named after: `<type>.json`, later ones `<type>.<n>.json`."""
    stem, _, number = sample.stem.rpartition(".")
    return stem if number.isdigit() else sample.stem


def a(event_type: str, **different: Any) -> Any:
    """The golden event of that type, with the fields that matter to the test set otherwise."""
    event = decode(event_type, (GOLDEN / f"{event_type}.json").read_bytes())
    return type(event)(**{**dict(event), **different})


def declare(base: type[Event], fields: dict[str, Any], defaults: dict[str, Any] | None = None, **words: Any) -> Any:
    """Declare an event class as the class statement would."""
    words = {"type": "lotse.test.happened.v1", "audience": frozenset(), **words}
    body = {"__annotations__": fields, "__module__": __name__, **(defaults or {})}
    return types.new_class("Happened", (base,), words, lambda namespace: namespace.update(body))


@contextmanager
def forgotten_classes() -> Iterator[None]:
    """Take the event classes declared inside out of the registry again."""
    before = dict(envelope._events)
    try:
        yield
    finally:
        envelope._events.clear()
        envelope._events.update(before)
