"""Write the contract's documents from the models: `python -m schemas.generate`, with `--check` only compare.

A changed model writes the next version of its schema beside the committed ones, or is refused.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from schemas.asyncapi import document
from schemas.compat import breaches, demands_the_same
from schemas.documents import Schema, contract_events, identified, internal_schema, partner_schema
from schemas.envelope import SCHEMAS_DIR, Event, committed_versions, schema_urn


class Incompatible(ValueError):
    """A model breaks with a committed version of its schema; the text names type, field and rule."""


@dataclass(frozen=True)
class Version:
    """One committed version of an event's schema; `partner` is None when nobody is told."""

    number: int
    internal: Schema
    partner: Schema | None


def main(arguments: list[str] | None = None, directory: Path = SCHEMAS_DIR) -> int:
    """Write or check; return 0, or 1 with a sentence for each fault."""
    parser = argparse.ArgumentParser(prog="python -m schemas.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, fail when something would change")
    check = parser.parse_args(arguments).check
    try:
        stale = {path: text for path, text in wanted_files(directory).items() if _content(path) != text}
    except Incompatible as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    for path, text in stale.items():
        if check:
            sys.stderr.write(f"{path.name} of {path.parent.name} is not what the models give: run `make schemas`\n")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {path.parent.name}/{path.name}\n")
    return 1 if check and stale else 0


def wanted_files(directory: Path, events: list[type[Event]] | None = None) -> dict[Path, str]:
    """Return each file that the models ask for, with its text. Raises Incompatible."""
    events = contract_events() if events is None else events
    _refuse_orphans(directory, {each.event_type for each in events})
    versions = {each.event_type: next_version(each, load_versions(directory / each.event_type)) for each in events}
    files = {
        path: text
        for event_type, version in versions.items()
        for path, text in _files_of(directory, event_type, version).items()
    }
    numbers = {event_type: version.number for event_type, version in versions.items()}
    return files | {directory.parent / "asyncapi.json": _text(document(events, numbers))}


def next_version(event_class: type[Event], committed: list[Version]) -> Version:
    """Return the version the model asks for: the last one in the present wording, or a further one.

    Raises Incompatible when the model breaks with any committed version.
    """
    internal = internal_schema(event_class)
    partner = partner_schema(event_class, [old.partner for old in committed if old.partner is not None])
    for old in committed:
        _refuse_breach(event_class.event_type, old, internal, partner)
    last = committed[-1] if committed else Version(0, {}, None)
    same = demands_the_same(last.internal, internal) and demands_the_same(last.partner, partner)
    return Version(last.number if same else last.number + 1, internal, partner)


def load_versions(directory: Path) -> list[Version]:
    """Read the committed versions of one event, rising. Raises Incompatible when one was deleted."""
    numbers = committed_versions(directory)
    if numbers != list(range(1, len(numbers) + 1)):
        raise Incompatible(f"{directory.name}: version {len(numbers)} or an earlier one is gone; versions stay")
    return [
        Version(number, _load(directory / f"{number}.json"), _load_optional(directory / f"{number}.partner.json"))
        for number in numbers
    ]


def _refuse_breach(event_type: str, old: Version, internal: Schema, partner: Schema | None) -> None:
    found = breaches(old.internal, internal)
    if old.partner is not None:
        found += ["partners are no longer told"] if partner is None else breaches(old.partner, partner)
    if found:
        raise Incompatible(f"{event_type}, version {old.number}: {found[0]}")


def _refuse_orphans(directory: Path, known: set[str]) -> None:
    for path in sorted(directory.glob("*")):
        if path.name not in known:
            raise Incompatible(f"{path.name}: its event class is gone; what was ever written must stay readable")


def _files_of(directory: Path, event_type: str, version: Version) -> dict[Path, str]:
    place = directory / event_type
    files = {
        place / f"{version.number}.json": _text(identified(version.internal, schema_urn(event_type, version.number)))
    }
    if version.partner is not None:
        urn = schema_urn(event_type, version.number, partner=True)
        files[place / f"{version.number}.partner.json"] = _text(identified(version.partner, urn))
    return files


def _content(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def _load(path: Path) -> Schema:
    schema: Schema = json.loads(path.read_text(encoding="utf-8"))
    return schema


def _load_optional(path: Path) -> Schema | None:
    return _load(path) if path.exists() else None


def _text(content: Schema) -> str:
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    sys.exit(main())
