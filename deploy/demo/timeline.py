"""The play as one reads it: when, who did what, who heard what, how fast; and the agreement clause by clause."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from deploy.demo.cast import SHORT, UNITS
from deploy.demo.play import Hearing, Part, Step
from schemas.calendar import LOCAL_TIME

TIME, WHO, FAST, GAP = 8, 9, 5, 1
WIDEST = 120
TITLE = "Lotse: die Koblenzer Integrationsvereinbarung, an Beispielen"
EXPLAINED = (
    "Die Personen sind erfunden, alles andere ist echt: vier Dienste, Apache Kafka und PostgreSQL laufen auf diesem "
    "Rechner. Jeder Partner liest nur seinen eigenen Nachrichtenstrom, mit eigenem Kennwort. Unter „ms“ steht, wie "
    "viele Millisekunden nach der Bestätigung einer Änderung der letzte der Genannten davon gelesen hat."
)
CLOCK_GOES_AHEAD = (
    "Damit niemand warten muss, geht die Uhr der Dienste von hier an vor, und Fristen, die in Koblenz nur "
    "vorgeschlagen sind, gelten als beschlossen: nur in dieser Vorführung, am Ende wird alles weggeworfen. Auf die Uhr "
    "sehen die Dienste jede halbe Sekunde; so lange kann es dauern, bis sie bemerken, dass ein Tag gekommen ist."
)
LEFT_OUT = (
    "Ausgelassen, weil dafür die Uhr vorgehen müsste und das hier niemand darf (`lotse demo` allein, ohne einen "
    "laufenden Stapel, zeigt es): {chapters}."
)


class Timeline:
    """Shows a play on a console while it goes on. `slowest`: of all that was heard, in milliseconds."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.width = min(console.width, WIDEST)
        self.slowest = 0

    def cast(self, unit_names: Mapping[str, str]) -> None:
        """Say who plays. unit_names: the full name of each unit."""
        names = [(SHORT[unit.partition("/")[0]], unit_names[unit]) for unit in UNITS]
        self._say(Text(TITLE, "bold"), "", _two_columns(names), "", Text(EXPLAINED, "dim"))

    def begin(self) -> None:
        """The heads of the columns."""
        self._say("", self._row("Zeit", "wer", "tut was", _heard([("wer erfährt was", "ms")]), style="dim"))

    def part(self, part: Part, has_clock: bool) -> None:
        """The heading of a part, and what is to be said of its clock."""
        self._say("", Text(part.title.upper(), "bold"))
        if timed := [chapter.title for chapter in part.chapters if chapter.clock]:
            left_out = LEFT_OUT.format(chapters=", ".join(f"„{title}“" for title in timed))
            self._say(Text(CLOCK_GOES_AHEAD if has_clock else left_out, "dim"))

    def chapter(self, title: str) -> None:
        """A heading."""
        self._say("", Text(title, "bold"))

    def step(self, step: Step, at: datetime, said: str, heard: Sequence[Hearing]) -> None:
        """One step: what was done, and on a line of its own each thing that was heard."""
        now = at.astimezone(LOCAL_TIME).strftime("%H:%M:%S")
        lines = [(_who_heard(each), _fast(each)) for each in _together(heard)]
        self._say(self._row(now, Text(step.who, "cyan"), said, _heard(lines or [(Text(step.note, "dim"), "")])))
        self.slowest = max([self.slowest, *(each.milliseconds for each in heard)])

    def compliance(self, document: Mapping[str, Any]) -> None:
        """The clauses of the agreement, as reporting counts them."""
        table = Table(box=box.SIMPLE_HEAD, width=self.width, padding=(0, GAP, 0, 0))
        table.add_column("")
        table.add_column("wer → wem", width=25, overflow="fold")
        table.add_column("Pflicht", ratio=4)
        table.add_column("getan", justify="right", min_width=5)
        table.add_column("Anmerkung", ratio=4)
        for clause in document["clauses"]:
            table.add_row(clause["id"], _between(clause), clause["duty"], _done(clause), Text(_remark(clause), "dim"))
        self._say("", Text(f"{document['name']}, Jahr {document['year']}", "bold"), table)

    def end(self, words: Sequence[str], ways_on: Mapping[str, str]) -> None:
        """Closing words, and what one may do next."""
        self._say(*words, "", "So geht es weiter:", _two_columns(list(ways_on.items())))

    def _say(self, *parts: RenderableType) -> None:
        for part in parts:
            self.console.print(part, width=self.width, markup=False)

    def _row(self, now: str, who: str | Text, what: str, heard: Table, style: str = "") -> Table:
        row = Table.grid(padding=(0, GAP, 0, 0), expand=True)
        row.style = style
        row.add_column(width=TIME)
        row.add_column(width=WHO)
        row.add_column(ratio=9)
        row.add_column(width=GAP)
        row.add_column(ratio=11)
        row.add_row(now, who, what, "", heard)
        return row


def _two_columns(rows: Sequence[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    for left, right in rows:
        table.add_row(Text(f"  {left}", "cyan"), right)
    return table


def _heard(lines: Sequence[tuple[str | Text, str]]) -> Table:
    table = Table.grid(padding=(0, GAP, 0, 0), expand=True)
    table.add_column(ratio=1)
    table.add_column(width=FAST, justify="right")
    for said, fast in lines:
        table.add_row(said, fast)
    return table


def _together(heard: Sequence[Hearing]) -> list[list[Hearing]]:
    """Those who heard the same words, in the order of the words."""
    by_words: dict[str, list[Hearing]] = {}
    for hearing in heard:
        by_words.setdefault(hearing.says, []).append(hearing)
    return list(by_words.values())


def _who_heard(hearings: Sequence[Hearing]) -> Text:
    names = ", ".join(dict.fromkeys(SHORT[each.partner] for each in hearings))
    return Text.assemble((names, "green"), f": {hearings[0].says}")


def _fast(hearings: Sequence[Hearing]) -> str:
    return str(max(each.milliseconds for each in hearings))


def _between(clause: Mapping[str, Any]) -> str:
    return " → ".join(filter(None, (clause["from"], clause["to"])))


def _done(clause: Mapping[str, Any]) -> str:
    return "-" if clause["done"] is None else f"{clause['done']}-mal"


def _remark(clause: Mapping[str, Any]) -> str:
    if clause["reason"]:
        return str(clause["reason"])
    late = [f"{clause['late']}-mal zu spät"] if clause["late"] else []
    missing = [SHORT.get(slug, slug) for slug in clause["missing"] or ()]
    return "; ".join([*late, *([f"fehlt noch von {', '.join(missing)}"] if missing else [])])
