"""The table of a run: on the screen, and in docs/delivery-guarantees.md between two marks."""

import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from deploy.local.layout import CHECKOUT
from tests.faults.run import Result

PAGE = CHECKOUT / "docs" / "delivery-guarantees.md"
BEGIN, END = "<!-- make faults writes from here", "<!-- to here -->"
HEAD = ("fault", "acknowledged", "received", "lost", "out of order", "otherwise wrong", "recovery")


def rows(results: Iterable[Result]) -> list[tuple[str, ...]]:
    """One line a scenario; `received` counts what came on all streams, repeats too."""
    return [
        (
            result.name,
            str(result.acknowledged),
            str(result.received),
            str(result.lost),
            str(result.out_of_order),
            str(len(result.findings) - result.lost - result.out_of_order),
            f"{result.recovery_seconds:.1f} s",
        )
        for result in results
    ]


def as_markdown(results: Sequence[Result], caught: Sequence[str], sizes: str) -> str:
    """What the page says of this run. caught: the names of the broken Lotses that the checker found out."""
    lines = [f"| {' | '.join(row)} |" for row in (HEAD, ("---", *["---:"] * (len(HEAD) - 1)), *rows(results))]
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    parts = [f"{datetime.now(UTC):%Y-%m-%d}, commit {_commit()}, {machine}, {sizes}.", "\n".join(lines)]
    if caught:
        parts.append(f"Broken on purpose, and found out by the same checker: {'; '.join(caught)}.")
    return "\n\n".join(parts)


def write_to(page: Path, text: str) -> None:
    """Put the text between the marks. Raises ValueError when the page has none."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    mark, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page.name} lacks the marks of the fault table")
    head = mark.partition("\n")[0]
    page.write_text(f"{before}{begin}{head}\n\n{text}\n\n{end}{after}", encoding="utf-8")


def as_text(results: Sequence[Result]) -> str:
    """The same for a terminal."""
    lines = [HEAD, *rows(results)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if not column else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def _commit() -> str:
    """The commit this ran on, with a plus where files had been changed since."""
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"
