"""Bringing the local stack up and down."""

import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from deploy.cli.errors import CliError
from deploy.local import kafka, postgres, processes, supervisor
from deploy.local.account import remove_place
from deploy.local.kafka_jars import kafka_jars
from deploy.local.layout import CHECKOUT, Layout
from deploy.local.ports import wait_until_free
from deploy.local.secrets import Secrets
from deploy.local.services import stop_services
from deploy.local.stack import Stack, kafka_of, stop_stack
from deploy.local.state import State, forget_state, read_state
from deploy.topology import SERVICES

START_SECONDS = 600.0
# Services, Kafka and PostgreSQL have 10, 30 and 20 seconds to end.
STOP_SECONDS = 75.0

PARTS = (postgres.NAME, kafka.NAME, *(service.name for service in SERVICES))

NOT_RUNNING = CliError("The local stack is not running.", "`lotse up` starts it.")


def bring_up(layout: Layout, environ: Mapping[str, str], say: Callable[[str], None]) -> State:
    """Start the stack unless it runs, and wait until every service is ready. Raises CliError with the reason."""
    layout.create()
    if not supervisor.is_supervised(layout):
        if not environ.get("LOTSE_KAFKA"):
            kafka_jars(layout.cache, say)
        forget_state(layout)
        processes.spawn(
            layout,
            supervisor.NAME,
            [sys.executable, "-m", "deploy.cli.supervise"],
            env={**environ, "LOTSE_STATE_DIR": str(layout.root), "LOTSE_CACHE_DIR": str(layout.cache)},
            cwd=CHECKOUT,
        )
    return _wait_until_ready(layout, say)


def bring_down(layout: Layout) -> list[int]:
    """Stop whatever of the stack still runs. Returns those of its ports that stay taken: none, if all is well."""
    if not layout.run.exists():
        return []
    held = [port for part in PARTS for port in processes.listening_ports(layout, part)]
    processes.stop(layout, supervisor.NAME, STOP_SECONDS)
    # These do something only where a supervisor did not: it was killed, or the machine was switched off.
    stop_services(layout)
    stop_stack(layout)
    forget_state(layout)
    return wait_until_free(held)


def require_free(taken: list[int]) -> None:
    """Raise CliError when ports of a stack that was brought down stay taken."""
    if taken:
        listed = ", ".join(map(str, taken))
        raise CliError(f"Still in use by another program: port {listed}.", "`lotse up` will take other ports.")


def purge(layout: Layout) -> list[Path]:
    """Delete the data, secrets and logs of a stopped stack; the jars stay. Returns the folders deleted."""
    remove_place(layout)
    folders = [layout.kafka, layout.postgres, layout.secrets, layout.run, layout.log]
    gone = [folder for folder in folders if folder.exists()]
    for folder in gone:
        shutil.rmtree(folder)
    return gone


def running_state(layout: Layout) -> State | None:
    """The state of the stack if it is being supervised now."""
    return read_state(layout) if supervisor.is_supervised(layout) else None


def require_ready(layout: Layout) -> State:
    """The state of a stack that is ready. Raises CliError when it is not."""
    state = running_state(layout)
    if state is None:
        raise NOT_RUNNING
    if state.status != "ready":
        raise CliError(f"The local stack is not ready: {state.doing or state.status}.", "`lotse up` waits for it.")
    return state


def attach(layout: Layout, environ: Mapping[str, str]) -> Stack:
    """The servers that are running, or that the environment names. Raises CliError when there are none."""
    _require(layout, environ, postgres.NAME, "LOTSE_DATABASE_URL")
    _require(layout, environ, kafka.NAME, "LOTSE_KAFKA")
    return Stack.start(layout.root, environ=environ)


def attach_kafka(layout: Layout, environ: Mapping[str, str]) -> tuple[kafka.Kafka, Secrets]:
    """The Kafka that is running, or that the environment names, and the secrets kept for it."""
    _require(layout, environ, kafka.NAME, "LOTSE_KAFKA")
    layout.create()
    secrets = Secrets(layout.secrets)
    return kafka_of(layout, secrets, environ), secrets


def _require(layout: Layout, environ: Mapping[str, str], server: str, variable: str) -> None:
    if not environ.get(variable) and processes.running(layout, server) is None:
        raise NOT_RUNNING


def _wait_until_ready(layout: Layout, say: Callable[[str], None]) -> State:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        state = read_state(layout)
        if state is None or state.status == "starting":
            say(state.doing if state and state.doing else "starting the supervisor")
        elif state.status == "ready":
            return state
        elif state.status == "failed":
            _wait_for_end(layout)
            raise CliError(state.doing, state.way_out)
        else:
            raise CliError("The local stack is being stopped.", "Wait for `lotse down` to end and try again.")
        if processes.running(layout, supervisor.NAME) is None and not supervisor.is_supervised(layout):
            raise _ended(layout)
        time.sleep(0.1)
    raise CliError(f"The local stack was not ready after {START_SECONDS:.0f} s.", f"Its logs are in {layout.log}.")


def _wait_for_end(layout: Layout) -> None:
    """Let a supervisor that gave up stop what it had started."""
    if record := processes.running(layout, supervisor.NAME):
        processes.gone(record, STOP_SECONDS)


def _ended(layout: Layout) -> CliError:
    state = read_state(layout)
    if state is not None and state.status == "failed":
        return CliError(state.doing, state.way_out)
    last = processes.log_tail(layout, supervisor.NAME, 1)
    return CliError(f"The supervisor ended: {last}", f"The whole log is {layout.log / 'supervisor.log'}.")
