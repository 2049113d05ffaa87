"""`lotse up` and `lotse down` as an operator uses them: real processes, real ports, nothing left behind."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import psutil
import pytest

from deploy.cli.running import PARTS
from deploy.local import processes
from deploy.local.layout import Layout
from deploy.local.ports import accepts, is_free, known_ports
from deploy.local.services import is_ready
from deploy.local.state import read_state
from deploy.topology import SERVICES
from tests.conftest import eventually
from tests.deploy.own_stack import lotse, own_layout


@pytest.fixture(scope="module")
def layout() -> Iterator[Layout]:
    """A stack of its own, brought down whatever happens."""
    with own_layout() as here:
        yield here


def left_running(layout: Layout) -> list[list[str]]:
    """The command lines of processes that belong to this stack."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ", "status"]):
        line, environ = process.info["cmdline"] or [], process.info["environ"] or {}
        ours = str(layout.root) in " ".join(line) or str(layout.root) in " ".join(environ.values())
        if ours and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(line)
    return found


def get(layout: Layout, service: str, path: str) -> str:
    """Ask a service of the stack."""
    state = read_state(layout)
    assert state is not None
    with urllib.request.urlopen(f"http://127.0.0.1:{state.ports[service]}{path}", timeout=5) as answer:
        return str(answer.read().decode())


@pytest.fixture(scope="module")
def up(layout: Layout) -> "subprocess.CompletedProcess[str]":
    """The stack, brought up once for the tests of this module."""
    done = lotse(layout, "up")
    assert done.returncode == 0, done.stderr
    return done


def test_up_starts_all_four_services(layout: Layout, up: "subprocess.CompletedProcess[str]") -> None:
    """When `up` returns, every service says that it is ready."""
    for service in SERVICES:
        assert get(layout, service.name, "/health/ready")


def test_up_again_changes_nothing(layout: Layout, up: "subprocess.CompletedProcess[str]") -> None:
    """A second `up` finds the stack running and shows the same addresses."""
    before = processes.read_record(layout, "supervisor")
    again = lotse(layout, "up")
    assert again.returncode == 0
    assert again.stdout == up.stdout
    assert processes.read_record(layout, "supervisor") == before


def test_everything_listens_on_loopback_only(layout: Layout, up: "subprocess.CompletedProcess[str]") -> None:
    """No port of the stack can be reached from another machine."""
    for name in PARTS:
        record = processes.running(layout, name)
        assert record is not None
        listening = [c for c in psutil.Process(record.pid).net_connections("tcp") if c.status == psutil.CONN_LISTEN]
        assert listening
        assert {c.laddr.ip.removeprefix("::ffff:") for c in listening} == {"127.0.0.1"}


def test_apply_after_up_has_nothing_to_change(layout: Layout, up: "subprocess.CompletedProcess[str]") -> None:
    """`up` provisions Kafka itself."""
    applied = lotse(layout, "apply")
    assert applied.returncode == 0, applied.stderr
    assert "nothing to change" in applied.stdout


def test_migrate_after_up_has_nothing_to_do(layout: Layout, up: "subprocess.CompletedProcess[str]") -> None:
    """`up` migrates the databases itself."""
    migrated = lotse(layout, "migrate")
    assert migrated.returncode == 0, migrated.stderr
    assert migrated.stdout.count("up to date") == len(SERVICES)


def test_status_shows_every_service_ready(layout: Layout, up: "subprocess.CompletedProcess[str]") -> None:
    """One row for each service, none of them in trouble."""
    shown = lotse(layout, "status")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert all(service.name in shown.stdout for service in SERVICES)


def test_a_token_opens_no_foreign_unit(layout: Layout, up: "subprocess.CompletedProcess[str]") -> None:
    """A unit that no partner file names gets no token, and the sentence names those that there are."""
    refused = lotse(layout, "token", "awo-rheinland/unknown", "--role", "clerk")
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert "awo-rheinland/mbe" in refused.stderr


def test_a_token_is_all_that_token_prints(layout: Layout, up: "subprocess.CompletedProcess[str]") -> None:
    """Three parts in one line, to be used in a header."""
    made = lotse(layout, "token", "awo-rheinland/mbe", "--role", "system")
    assert made.returncode == 0
    assert made.stdout.strip().count(".") == 2
    assert made.stderr == ""


@pytest.mark.parametrize("name", ["referral", "kafka", "postgres"])
async def test_what_dies_is_started_again(layout: Layout, up: "subprocess.CompletedProcess[str]", name: str) -> None:
    """A killed part comes back and its service is ready again."""
    before = processes.running(layout, name)
    assert before is not None
    os.kill(before.pid, signal.SIGKILL)

    def is_back() -> bool:
        now = processes.running(layout, name)
        return now is not None and now.pid != before.pid

    await eventually(is_back, timeout=150)
    state = read_state(layout)
    assert state is not None
    assert state.restarts[name] >= 1
    await eventually(lambda: all(is_ready(state.ports[service.name]) for service in SERVICES), timeout=150)
    await eventually(lambda: accepts(known_ports(layout)["kafka"]), timeout=150)


def test_down_leaves_no_process_and_no_port(layout: Layout, up: "subprocess.CompletedProcess[str]") -> None:
    """After `down` nothing of the stack runs or listens, and `status` says so in one sentence."""
    ports = [port for part in PARTS for port in processes.listening_ports(layout, part)]
    assert len(ports) >= len(PARTS)
    done = lotse(layout, "down")
    assert done.returncode == 0, done.stderr
    assert left_running(layout) == []
    assert all(is_free(port) for port in ports)
    asked = lotse(layout, "status")
    assert asked.returncode == 1
    assert "not running" in asked.stderr
    assert "Traceback" not in asked.stderr


def test_up_after_down_uses_the_same_ports_and_data(layout: Layout) -> None:
    """A partner's configuration still fits after a restart, and nothing has to be provisioned again."""
    # Another stack of this run may take a service's usual port meanwhile; those drawn at random are ours.
    before = {name: port for name, port in known_ports(layout).items() if port >= 20000 and is_free(port)}
    assert before
    again = lotse(layout, "up")
    assert again.returncode == 0, again.stderr
    assert before.items() <= known_ports(layout).items()
    assert "nothing to change" in lotse(layout, "apply").stdout


def test_down_clears_up_after_a_killed_supervisor(layout: Layout) -> None:
    """With the supervisor gone at once, its parts are found by their records and stopped all the same."""
    record = processes.running(layout, "supervisor")
    assert record is not None
    os.kill(record.pid, signal.SIGKILL)
    assert processes.gone(record, 10)
    assert left_running(layout)
    done = lotse(layout, "down")
    assert done.returncode == 0, done.stderr
    assert left_running(layout) == []


def test_down_spares_a_stranger_that_got_the_pid(layout: Layout) -> None:
    """After a reboot a recorded pid may be somebody else's: it is told by its start time and left alone."""
    layout.create()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        stale = {"name": "kafka", "pid": stranger.pid, "started": psutil.Process(stranger.pid).create_time() - 3600}
        (layout.run / "kafka.pid").write_text(json.dumps(stale))
        assert lotse(layout, "down").returncode == 0
        assert stranger.poll() is None
        stranger.communicate(b"\n")


def test_purge_deletes_data_and_secrets(layout: Layout) -> None:
    """`down --purge` leaves nothing of the stack but jars."""
    assert lotse(layout, "down", "--purge").returncode == 0
    assert not layout.secrets.exists()
    assert not layout.postgres.exists()
    assert not layout.kafka.exists()
