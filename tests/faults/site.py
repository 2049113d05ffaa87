"""The machine room of a run: the servers and the four services as processes that can be killed and started again."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from deploy.cli.provision import make_keys, migrate_all, prepare, provision_kafka, read_partners
from deploy.local import kafka, postgres, processes
from deploy.local.databases import create_databases
from deploy.local.errors import StackError
from deploy.local.issuer import issuer_of
from deploy.local.kafka_jars import kafka_jars
from deploy.local.layout import CHECKOUT, layout_at
from deploy.local.ports import LOOPBACK, remembered_ports
from deploy.local.secrets import Secrets
from deploy.local.services import (
    Sources,
    service_environment,
    service_ports,
    start_service,
    stop_services,
    wait_until_ready,
)
from deploy.local.stack import Stack, silent, stop_stack
from deploy.topology import SERVICES, Service
from schemas.partner_file import load_partners
from tests.faults.cluster import Cluster, proxied_port, start_cluster
from tests.faults.people import PARTNERS
from tests.faults.proxy import Proxy

NAMES = tuple(service.name for service in SERVICES)
SERVICE: Mapping[str, Service] = {service.name: service for service in SERVICES}
POSTGRES_TRIES = 20


@dataclass
class Site:
    """One stack with its services. What starts or stops something takes its time: call it in a thread."""

    stack: Stack
    ports: Mapping[str, int]
    others: list[str] = field(default_factory=list)
    """Names of processes beside the four."""
    cluster: Cluster | None = None
    """Brokers of the test's own, where the stack's one broker does not do."""
    proxy: Proxy | None = None
    """What stands between the services and the broker."""
    kept_up: set[str] = field(default_factory=set)
    """The services that are started again when they end by themselves, as any supervisor does."""
    _keeping_up: threading.Lock = field(default_factory=threading.Lock)

    @property
    def stack_of_services(self) -> Stack:
        """The stack as the services are to see it: where there is a proxy, they know the broker by its address."""
        if self.proxy is None:
            return self.stack
        broker = replace(self.stack.kafka, bootstrap=f"{LOOPBACK}:{self.proxy.listen_port}")
        return replace(self.stack, kafka=broker)

    def start(self, *names: str) -> None:
        """Start services that do not run and wait until they are ready."""
        for name in names:
            start_service(self.stack_of_services, SERVICE[name], self.ports[name], Sources())
        for name in names:
            wait_until_ready(self.stack.layout, SERVICE[name], self.ports[name])
        self.kept_up.update(names)

    def keep_up(self) -> list[str]:
        """Start again what ended by itself; returns those names."""
        with self._keeping_up:
            ended = [name for name in sorted(self.kept_up) if not self.is_running(name)]
            for name in ended:
                start_service(self.stack_of_services, SERVICE[name], self.ports[name], Sources())
        return ended

    def kill(self, *names: str) -> None:
        """kill -9, all at once."""
        self._let_go(names)
        records = [record for name in names if (record := processes.running(self.stack.layout, name))]
        for record in records:
            os.kill(record.pid, signal.SIGKILL)
        for record in records:
            processes.gone(record, 10)

    def _let_go(self, names: Iterable[str]) -> None:
        """These end on purpose now."""
        with self._keeping_up:
            self.kept_up.difference_update(names)

    def start_wrapped(self, how: str, *names: str) -> None:
        """Start services in a wrapper that breaks them in one way (see tests/faults/wrapped.py), in their place.

        Some end by themselves, so nobody waits for them to be ready.
        """
        for name in names:
            self._spawn(name, [sys.executable, "-m", "tests.faults.wrapped", how, name], name, self.ports[name])

    def wait_until_ready(self, *names: str) -> None:
        """Wait for services that were started."""
        for name in names:
            wait_until_ready(self.stack.layout, SERVICE[name], self.ports[name])

    def start_second(self, name: str) -> str:
        """Start a second process of a service on a port of its own; returns the name it runs under."""
        other = f"{name}-2"
        port = remembered_ports(self.stack.layout, **{other: 0})[other]
        self._spawn(other, [sys.executable, "-m", f"services.{name}.app"], name, port)
        self.others.append(other)
        return other

    def stop_service(self, name: str) -> None:
        """Ask a service to end, and wait until it has."""
        self._let_go([name])
        processes.stop(self.stack.layout, name, 10)

    def start_with(self, name: str, settings: Mapping[str, str]) -> None:
        """Start a service with other settings, in its place."""
        self._spawn(name, [sys.executable, "-m", f"services.{name}.app"], name, self.ports[name], settings)
        wait_until_ready(self.stack.layout, SERVICE[name], self.ports[name])
        self.kept_up.add(name)

    def _spawn(
        self, record: str, command: list[str], name: str, port: int, settings: Mapping[str, str] | None = None
    ) -> None:
        environment = {
            **service_environment(self.stack_of_services, SERVICE[name], port, Sources()),
            **(settings or {}),
        }
        processes.spawn(self.stack.layout, record, command, env=environment, cwd=CHECKOUT)

    def is_running(self, name: str) -> bool:
        """Whether that process runs."""
        return processes.running(self.stack.layout, name) is not None

    def kill_services(self) -> None:
        """kill -9 of all four."""
        self.kill(*NAMES)

    def start_services(self) -> None:
        """Start all four."""
        self.start(*NAMES)

    def kill_kafka(self) -> None:
        """kill -9 of the broker."""
        self.kill(kafka.NAME)

    def start_kafka(self) -> None:
        """Start the broker again and wait until it answers."""
        layout = self.stack.layout
        kafka.start_kafka(layout, self.stack.secrets, kafka_jars(layout.cache, silent))

    def kill_postgres(self) -> None:
        """kill -9 of the postmaster; its children notice and end by themselves."""
        self.kill(postgres.NAME)

    def start_postgres(self) -> None:
        """Start PostgreSQL again; it refuses as long as a child of the killed one lives."""
        for _ in range(POSTGRES_TRIES - 1):
            try:
                postgres.start_postgres(self.stack.layout, self.stack.secrets)
            except StackError:
                continue
            return
        postgres.start_postgres(self.stack.layout, self.stack.secrets)

    def admin_url(self, name: str) -> str:
        """PostgreSQL's administrator in the database of a service."""
        server = self.stack.postgres
        return server.url(f"lotse_{name}", server.admin, server.password)

    def url(self, name: str) -> str:
        """Where a service answers."""
        return f"http://127.0.0.1:{self.ports[name]}"

    def token(self, unit: str) -> str:
        """A bearer token of a unit's system."""
        return issuer_of(self.stack.layout).issue_token(unit.partition("/")[0], unit, ["system"])

    def credentials(self) -> dict[str, dict[str, str]]:
        """What each partner's Kafka client is given."""
        secrets, broker = self.stack.secrets, self.stack.kafka
        return {
            partner: broker.asyncio_client(f"partner-{partner}", secrets.kafka_password(f"kafka-partner-{partner}"))
            for partner in PARTNERS
        }

    def resolver(self) -> "Resolver":
        """Turns the partners' references back into ids."""
        files = load_partners(Sources().partners)
        folder = self.stack.secrets.for_services
        return Resolver({file.slug: bytes.fromhex((folder / file.secrets.pairwise_key).read_text()) for file in files})

    def stop(self) -> None:
        """End everything."""
        self._let_go(NAMES)
        for name in self.others:
            processes.stop(self.stack.layout, name, 5)
        stop_services(self.stack.layout)
        if self.cluster:
            self.cluster.stop()
        stop_stack(self.stack.layout)


@dataclass(frozen=True)
class Resolver:
    """The partners' pairwise keys. A reference is one AES-256 block of the id, so whoever has the key turns it back."""

    keys: Mapping[str, bytes]

    def __call__(self, partner: str, reference: str) -> str:
        """The id behind a partner's reference, as 32 hex digits."""
        decryptor = Cipher(algorithms.AES256(self.keys[partner]), modes.ECB()).decryptor()  # noqa: S305 - one block
        return (decryptor.update(bytes.fromhex(reference)) + decryptor.finalize()).hex()


OpenSite: TypeAlias = Callable[[], AbstractContextManager[Site]]
"""Opens a site for the length of a block."""


@contextmanager
def open_site(*, durable: bool = True) -> Iterator[Site]:
    """A stack of its own with its four services running, in a folder that is removed at the end."""
    with TemporaryDirectory(prefix="lotse-test-faults-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # as root, PostgreSQL's own account must get in
        layout = layout_at(Path(folder))
        try:
            stack = Stack.start(Path(folder), durable=durable)
            prepare(stack, silent, environ={})
            site = Site(stack, service_ports(layout))
            try:
                site.start(*NAMES)
                yield site
            finally:
                site.stop()
        finally:
            stop_stack(layout)


@contextmanager
def open_three_brokers() -> Iterator[Site]:
    """The same on a cluster of three brokers: three copies of everything, two of them before an acknowledgement."""
    with _own_brokers(count=3) as site:
        yield site


@contextmanager
def open_behind_proxy() -> Iterator[Site]:
    """The same with a proxy between the services and the broker; the partners read past it."""
    with _own_brokers(count=1, with_proxy=True) as site:
        yield site


@contextmanager
def _own_brokers(count: int, with_proxy: bool = False) -> Iterator[Site]:
    with TemporaryDirectory(prefix="lotse-test-faults-", ignore_cleanup_errors=True) as folder, ExitStack() as opened:
        Path(folder).chmod(0o755)  # as root, PostgreSQL's own account must get in
        layout = layout_at(Path(folder))
        layout.create()
        secrets = Secrets(layout.secrets)
        opened.callback(stop_stack, layout)
        server = postgres.start_postgres(layout, secrets)
        proxy_port = remembered_ports(layout, proxy=0)["proxy"] if with_proxy else 0
        cluster = start_cluster(layout, secrets, count, proxy_port)
        opened.callback(cluster.stop)
        stack = Stack(layout, secrets, server, cluster.kafka, asyncio.run(create_databases(server, secrets)))
        partners = read_partners(Sources().partners)
        make_keys(secrets, partners)
        asyncio.run(migrate_all(stack.databases))
        provision_kafka(cluster.kafka, secrets, partners, replication=count)
        site = Site(stack, service_ports(layout), cluster=cluster)
        if with_proxy:
            site.proxy = opened.enter_context(Proxy(proxy_port, proxied_port(layout)).running())
        opened.callback(site.stop)
        site.start(*NAMES)
        yield site
