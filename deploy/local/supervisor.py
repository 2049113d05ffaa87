"""The process behind `lotse up`: starts everything in order, starts again what dies, stops everything in order."""

import fcntl
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Event
from types import FrameType
from typing import TextIO

from deploy.local import kafka, postgres, processes
from deploy.local.backoff import Backoff
from deploy.local.errors import StackError
from deploy.local.kafka_jars import jars_folder
from deploy.local.layout import Layout
from deploy.local.services import (
    Sources,
    service_ports,
    sources_from,
    start_service,
    stop_services,
    wait_until_ready,
)
from deploy.local.stack import Stack, stop_stack
from deploy.local.state import State, write_state
from deploy.topology import SERVICES

NAME = "supervisor"
WATCH_SECONDS = 0.2

Say = Callable[[str], None]
Prepare = Callable[[Stack, Say], None]


class Stopped(Exception):
    """Somebody asked the supervisor to end."""


def supervise(layout: Layout, prepare: Prepare, environ: Mapping[str, str]) -> int:
    """Run a whole stack until SIGTERM. prepare: migrates and provisions between Kafka's start and the services'.

    Returns the exit code: 0 after a stop that was asked for, 1 when the start failed (its reason is in the
    state file), 3 when another supervisor runs this stack.
    """
    layout.create()
    lock = _lock(layout)
    if lock is None:
        return 3
    with lock:
        processes.write_record(layout, processes.record_of(NAME, os.getpid()))
        return _Supervisor(layout, environ).run(prepare)


def is_supervised(layout: Layout) -> bool:
    """Whether a supervisor runs this stack. The lock tells: it goes with the process, however that ends."""
    if not layout.run.exists():
        return False
    lock = _lock(layout)
    if lock is None:
        return True
    lock.close()
    return False


def _lock(layout: Layout) -> TextIO | None:
    file = (layout.run / "supervisor.lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


@dataclass
class _Supervisor:
    layout: Layout
    environ: Mapping[str, str]
    asked_to_stop: Event = field(default_factory=Event)
    state: State = field(default_factory=lambda: State("starting"))

    def run(self, prepare: Prepare) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        try:
            stack = self._start(prepare)
            self._watch(stack)
        except Stopped:
            self._stop(replace(self.state, status="stopping", doing="stopping"))
            return 0
        except StackError as error:
            self._stop(State("failed", error.sentence, error.way_out))
            return 1
        except BaseException as error:  # a bug: nothing may be left running, and the log gets the traceback
            self._stop(State("failed", f"The supervisor failed: {error!r}.", f"Look into {self._log}."))
            raise
        return 0

    @property
    def _log(self) -> str:
        return str(self.layout.log / f"{NAME}.log")

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.asked_to_stop.set()

    def _say(self, doing: str) -> None:
        self._tell(replace(self.state, doing=doing))
        if self.asked_to_stop.is_set():
            raise Stopped

    def _tell(self, state: State) -> None:
        self.state = state
        write_state(self.layout, state)

    def _start(self, prepare: Prepare) -> Stack:
        stop_services(self.layout)  # left over from a supervisor that was killed
        self._say("starting PostgreSQL and Kafka")
        stack = Stack.start(self.layout.root, environ=self.environ)
        prepare(stack, self._say)
        ports, sources = service_ports(self.layout), sources_from(self.environ)
        self._say("starting the services")
        for service in SERVICES:
            start_service(stack, service, ports[service.name], sources)
        for service in SERVICES:
            self._say(f"waiting for {service.name}")
            wait_until_ready(self.layout, service, ports[service.name])
        self._tell(State("ready", ports=ports, kafka=stack.kafka.bootstrap))
        return stack

    def _watch(self, stack: Stack) -> None:
        parts = _parts(stack, self.state.ports, sources_from(self.environ))
        while not self.asked_to_stop.wait(WATCH_SECONDS):
            for part in parts:
                self._look_after(part)
        raise Stopped

    def _look_after(self, part: "_Part") -> None:
        now = time.monotonic()
        if processes.running(self.layout, part.name):
            part.backoff.seen_running(now)
        elif part.backoff.may_start(now):
            counts = {**self.state.restarts, part.name: self.state.restarts.get(part.name, 0) + 1}
            self._tell(replace(self.state, doing="", restarts=counts))
            try:
                part.start()
            except StackError as error:
                self._tell(replace(self.state, doing=f"{error.sentence} It will be tried again."))

    def _stop(self, state: State) -> None:
        self._tell(replace(state, status="stopping") if state.status != "failed" else state)
        stop_services(self.layout)
        stop_stack(self.layout)
        processes.forget(self.layout, NAME)


@dataclass
class _Part:
    name: str
    start: Callable[[], object]
    backoff: Backoff = field(default_factory=Backoff)


def _parts(stack: Stack, ports: Mapping[str, int], sources: Sources) -> list[_Part]:
    """Everything this supervisor started itself, servers before services."""
    layout, secrets = stack.layout, stack.secrets
    servers = [
        _Part(postgres.NAME, partial(postgres.start_postgres, layout, secrets)),
        _Part(kafka.NAME, partial(kafka.start_kafka, layout, secrets, jars_folder(layout.cache))),
    ]
    own = [part for part in servers if processes.read_record(layout, part.name)]
    services = [
        _Part(service.name, partial(start_service, stack, service, ports[service.name], sources))
        for service in SERVICES
    ]
    return own + services
