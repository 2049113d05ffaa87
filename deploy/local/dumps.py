"""PostgreSQL's own programs for dumping a database and reading a dump back."""

import os
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

from deploy.local.account import find_place
from deploy.local.errors import StackError
from deploy.local.layout import Layout


def dump(layout: Layout, url: str, file: Path) -> None:
    """Write one database as it is at this moment, in PostgreSQL's custom format; its service may go on meanwhile."""
    _run(layout, "pg_dump", url, "--format=custom", "--no-owner", "--no-privileges", f"--file={file}")


def read_back(layout: Layout, url: str, file: Path) -> None:
    """Fill an empty database from a dump: all of it or nothing."""
    options = ("--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction")
    _run(layout, "pg_restore", url, *options, f"--dbname={_settings(url)['PGDATABASE']}", str(file))


def _run(layout: Layout, program: str, url: str, *arguments: str) -> None:
    done = subprocess.run(  # noqa: S603 - PostgreSQL's own programs
        [find_place(layout).programs / program, "--no-password", *arguments],
        # By the environment: a password in the arguments could be read by everybody on the machine.
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", **_settings(url)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise StackError(f"{program} failed: {last[0]}", "Mend the cause and run the command again.")


def _settings(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    return {
        "PGHOST": parts.hostname or "",
        "PGPORT": str(parts.port or 5432),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": parts.path.strip("/"),
        "PGCONNECT_TIMEOUT": "10",
    }
