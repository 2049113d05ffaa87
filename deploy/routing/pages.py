"""docs/routing.md, in German: the table as people read it."""

from collections.abc import Iterator, Sequence
from typing import Any

from deploy.routing.words import CONDITIONS, word
from schemas.codes import Code
from schemas.routing_file import BEGINNING, END, LONGEST_MONTHS, OLDEST, RoutingFile, Rule, When

WRITTEN = "<!-- von `python -m deploy.routing` geschrieben aus deploy/routing/koblenz.toml -->"
STEPS = {
    "danger": ("Gefahr geht vor", "Trifft eine Zeile zu, wird nichts anderes vorgeschlagen und nichts übermittelt."),
    "service": (
        "Der zuständige Dienst",
        "Auf jeden Menschen passt an jedem Tag genau eine Zeile; das wird beim Laden geprüft.",
    ),
    "also": ("Was daneben in Frage kommt", "Jede Zeile, die zutrifft, kommt hinzu."),
    "note": ("Was bei Vermittlungen zu beachten ist", "Ergänzt Vermittlungen an die genannten Dienste."),
    "consent": ("Ohne Einwilligung", "Dann wird aus jeder Vermittlung eine Auskunft."),
}


def page(table: RoutingFile) -> str:
    """The whole document."""
    return "\n".join(_lines(table)) + "\n"


def _lines(table: RoutingFile) -> Iterator[str]:
    yield from ("# Wer wird wohin vermittelt", "", WRITTEN, "")
    yield f"Stand: {table.edition}. Lotse schlägt vor, ein Mensch entscheidet. Religion und Staatsangehörigkeit"
    yield "entscheiden nie; jede Angabe darf fehlen; von einer Frage wird nichts gespeichert. Geändert wird die Tabelle"
    yield "in der Datei [koblenz.toml](../deploy/routing/koblenz.toml), ohne Programm; sie gilt ab dem nächsten Start"
    yield "des Dienstes. Die Vorschläge stehen in der Reihenfolge dieser Seite."
    for step, (title, explained) in STEPS.items():
        yield from ("", f"## {title}", "", explained, "")
        yield from _table(
            ("Regel", "Wenn", "Dann", "Was gesagt wird", "Gilt", "Grundlage"),
            [_row(rule, table) for rule in table.rules if rule.step == step],
        )
    yield from ("", "## Mehrere passen", "")
    yield f"{table.providers.id}: {table.providers.text} Reihenfolge: {', '.join(map(word, table.providers.order))}."
    yield f"({table.providers.source})"
    for remark in (table.silence, table.full):
        yield from ("", f"{remark.id}: {remark.text} ({remark.source})")
    yield from ("", "## Orte", "")
    yield from _table(
        ("Kürzel", "Name", "Telefon", "Hinweis"),
        [(place.code, place.name, place.phone or "", place.note or "") for place in table.places],
    )


def _row(rule: Rule, table: RoutingFile) -> Sequence[str]:
    said = f"{rule.text} ({rule.off})" if rule.off else rule.text
    return (
        rule.id,
        "<br>**oder** ".join(_condition(when) for when in rule.when),
        _then(rule, table),
        said,
        _time(rule),
        rule.source,
    )


def _condition(when: When) -> str:
    return "; ".join(f"{CONDITIONS[name]}: {_value(name, value)}" for name, value in when.given.items()) or "immer"


def _value(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if name in ("age", "months_since_arrival"):
        return _ranges(value, OLDEST if name == "age" else LONGEST_MONTHS)
    return _listed([word(code) for code in _in_order(value)])


def _listed(words: Sequence[str]) -> str:
    return " oder ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _in_order(codes: frozenset[Code]) -> list[Code]:
    return [code for code in type(next(iter(codes))) if code in codes]


def _ranges(values: frozenset[int | None], most: int) -> str:
    """The values as they were written: `12 bis 26 oder nicht angegeben`."""
    numbers = sorted(each for each in values if each is not None)
    begins = [each for each in numbers if each - 1 not in values]
    ends = [each for each in numbers if each + 1 not in values]
    said = [f"ab {first}" if last == most else f"{first} bis {last}" for first, last in zip(begins, ends, strict=True)]
    return _listed([*said, *(["nicht angegeben"] if None in values else [])])


def _then(rule: Rule, table: RoutingFile) -> str:
    places = " und ".join(table.place(code).name for code in rule.to)
    what = f"bei {places}" if rule.then is None else f"{word(rule.then)} {places}".strip()
    more = [word(each) for each in (*rule.requires, *([rule.priority] if rule.priority else []))]
    instead = [f"statt {each}" for each in rule.replaces]
    return "; ".join([what, *more, *instead])


def _time(rule: Rule) -> str:
    if rule.off:
        return "nicht in Gebrauch"
    begin = "" if rule.first == BEGINNING else f"ab {rule.first:%d.%m.%Y}"
    end = "" if rule.last == END else f"bis {rule.last:%d.%m.%Y}"
    return " ".join(filter(None, (begin, end))) or "immer"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(cell.replace('|', ' ') for cell in row)} |"
