"""Whether a new version of a schema can live beside an older one: old readers read it, it reads old events.

The one allowed change of shape is a further optional field; growing lists may gain codes; wording is free.
"""

from collections.abc import Iterator
from typing import Any

from schemas.documents import Schema, map_subschemas

WORDING = frozenset({"$schema", "$id", "title", "description", "default", "examples"})


def canonical(schema: Schema) -> Schema:
    """Return what a schema demands, without its wording."""
    demanding = {word: value for word, value in schema.items() if word not in WORDING}
    return map_subschemas(demanding, canonical)


def demands_the_same(one: Schema | None, other: Schema | None) -> bool:
    """Tell whether two schemas differ in their wording at most; None is no schema at all."""
    if one is None or other is None:
        return one is other
    return canonical(one) == canonical(other)


def breaches(old: Schema, new: Schema) -> list[str]:
    """Say for each field how the new schema breaks with the old one; [] when they are compatible."""
    return list(_compare(canonical(old), canonical(new), ""))


def _compare(old: Schema, new: Schema, path: str) -> Iterator[str]:
    yield from _compare_fields(old, new, path)
    yield from _compare_codes(old, new, path)
    for word in sorted((old.keys() | new.keys()) - {"properties", "required", "x-codes"}):
        before, after = old.get(word), new.get(word)
        if word in ("anyOf", "items") and _same_shape(before, after):
            yield from _compare_inner(before, after, path)
        elif before != after:
            yield f"{_name(path)}: {word} changes from {before} to {after}"


def _compare_fields(old: Schema, new: Schema, path: str) -> Iterator[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    was_required, is_required = set(old.get("required", ())), set(new.get("required", ()))
    for name in sorted(before.keys() - after.keys()):
        yield f"{_name(path, name)} is gone; fields stay"
    for name in sorted(after.keys() & is_required - before.keys()):
        yield f"{_name(path, name)} is new and required; a new field must be optional"
    for name in sorted(before.keys() & after.keys()):
        if (name in was_required) != (name in is_required):
            now = "required, which older events may lack" if name in is_required else "optional, which readers rely on"
            yield f"{_name(path, name)} becomes {now}"
        yield from _compare(before[name], after[name], f"{path}.{name}" if path else name)


def _compare_codes(old: Schema, new: Schema, path: str) -> Iterator[str]:
    """A growing list may gain codes; losing one, or no longer growing, breaks."""
    if ("x-codes" in old) != ("x-codes" in new):
        yield f"{_name(path)}: a code list cannot begin or cease to grow"
    elif lost := [code for code in old.get("x-codes", ()) if code not in new["x-codes"]]:
        yield f"{_name(path)} loses the code {lost[0]}; codes stay"


def _same_shape(before: object, after: object) -> bool:
    if isinstance(before, list) and isinstance(after, list):
        return len(before) == len(after)
    return isinstance(before, dict) and isinstance(after, dict)


def _compare_inner(before: Any, after: Any, path: str) -> Iterator[str]:
    """Compare what a list's items, or the branches of a choice, demand; branches keep their order."""
    if isinstance(before, dict):
        yield from _compare(before, after, f"{path}[]")
    else:
        for one, other in zip(before, after, strict=True):
            yield from _compare(one, other, path)


def _name(path: str, field: str = "") -> str:
    whole = ".".join(part for part in (path, field) if part)
    return f"field {whole}" if whole else "the event"
