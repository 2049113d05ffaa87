"""Processes of the stack: started detached, written down, recognised again, and stopped for certain."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from deploy.local.layout import Layout

# A pid is given to another process some day; its start time is not. The clock may be corrected by a second in between.
SAME_START_SECONDS = 2.0


@dataclass(frozen=True)
class Recorded:
    """A process as its starter wrote it down."""

    name: str
    pid: int
    started: float

    @property
    def is_running(self) -> bool:
        """Whether this very process still runs: same pid, same start, and not just waiting to be reaped."""
        _reap(self.pid)
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < SAME_START_SECONDS
            return bool(same and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False


@dataclass(frozen=True)
class Account:
    """The system account a process runs under instead of ours."""

    uid: int
    gid: int


def spawn(
    layout: Layout,
    name: str,
    command: Sequence[str | Path],
    env: Mapping[str, str] | None = None,
    account: Account | None = None,
    cwd: Path | None = None,
) -> Recorded:
    """Start a process in a session of its own, with its output appended to `log/<name>.log`, and write it down."""
    with (layout.log / f"{name}.log").open("ab") as log:
        child = subprocess.Popen(  # noqa: S603 - fixed programs of this stack, no shell
            [str(part) for part in command],
            env=dict(env) if env is not None else None,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    record = record_of(name, child.pid)
    # The record is what is looked at from now on; Popen would warn that its child is still running.
    child.returncode = 0
    write_record(layout, record)
    return record


def record_of(name: str, pid: int) -> Recorded:
    """Describe a running process."""
    return Recorded(name, pid, psutil.Process(pid).create_time())


def write_record(layout: Layout, record: Recorded) -> None:
    draft = layout.run / f".{record.name}.{os.getpid()}"
    draft.write_text(json.dumps(asdict(record)))
    draft.replace(_file(layout, record.name))


def read_record(layout: Layout, name: str) -> Recorded | None:
    """The process written down under this name, running or not."""
    file = _file(layout, name)
    return Recorded(**json.loads(file.read_text())) if file.exists() else None


def running(layout: Layout, name: str) -> Recorded | None:
    """The process of this name if it still runs."""
    record = read_record(layout, name)
    return record if record and record.is_running else None


def stop(layout: Layout, name: str, grace_seconds: float, first: signal.Signals = signal.SIGTERM) -> None:
    """End the process of this name if it runs: asked first, killed after the grace. Its record goes with it."""
    record = running(layout, name)
    if record is not None:
        _signal(record, first)
        if not gone(record, grace_seconds):
            _signal(record, signal.SIGKILL)
            gone(record, grace_seconds)
    forget(layout, name)


def forget(layout: Layout, name: str) -> None:
    """Remove the record of a process that has ended."""
    _file(layout, name).unlink(missing_ok=True)


def ask_to_end(layout: Layout, *names: str) -> None:
    """Send SIGTERM to each that runs, without waiting."""
    for name in names:
        if record := running(layout, name):
            _signal(record, signal.SIGTERM)


def gone(record: Recorded, timeout_seconds: float) -> bool:
    """Wait for a process to end. Returns whether it did."""
    deadline = time.monotonic() + timeout_seconds
    while record.is_running:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def listening_ports(layout: Layout, name: str) -> list[int]:
    """The TCP ports on which the process of this name listens; none when it does not run."""
    record = running(layout, name)
    if record is None:
        return []
    try:
        connections = psutil.Process(record.pid).net_connections("tcp")
    except psutil.NoSuchProcess:
        return []
    return [each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN]


def log_tail(layout: Layout, name: str, lines: int = 5) -> str:
    """The last lines a process wrote, for an error message."""
    file = layout.log / f"{name}.log"
    text = file.read_text(errors="replace") if file.exists() else ""
    return "\n".join(text.splitlines()[-lines:])


def _file(layout: Layout, name: str) -> Path:
    return layout.run / f"{name}.pid"


def _signal(record: Recorded, number: signal.Signals) -> None:
    # It may end by itself between our look and our signal.
    with contextlib.suppress(ProcessLookupError):
        os.kill(record.pid, number)


def _reap(pid: int) -> None:
    # Only our own children are ours to reap; anybody else's is reaped by its parent.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
