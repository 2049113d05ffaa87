"""Where the benchmarks run: a durable stack of its own, with fresh databases, topics and processes for each figure."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import asyncpg
import psutil
from confluent_kafka.admin import AdminClient, NewTopic

from deploy.cli.provision import prepare
from deploy.local import processes
from deploy.local.databases import ensure_database
from deploy.local.issuer import issuer_of
from deploy.local.layout import CHECKOUT, layout_at
from deploy.local.services import (
    Sources,
    is_ready,
    service_environment,
    service_ports,
    start_service,
    stop_services,
    wait_until_ready,
)
from deploy.local.stack import Stack, silent, stop_stack
from deploy.topology import KAFKA_ADMIN, SERVICES, TOPICS, partner_topic
from services.chassis.migrate import migrate
from tests.faults.people import PARTNERS

BY_NAME = {service.name: service for service in SERVICES}
# Longer than the soak, which is the longest part.
PART_SECONDS = 2700


class PartFailed(Exception):
    """A process of the benchmark ended with an error; its last words are attached."""


@dataclass
class Part:
    """A process of the benchmark. What it prints as its last line is its result, as JSON."""

    name: str
    process: subprocess.Popen[str]

    def result(self) -> Any:
        """Wait for the end. Raises PartFailed."""
        out, _ = self.process.communicate(timeout=PART_SECONDS)
        if self.process.returncode:
            raise PartFailed(f"{self.name}: {out[-2000:]}")
        return json.loads(out.strip().rpartition("\n")[2])

    def cpu_seconds(self) -> float:
        """What the process has used so far."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def stop(self) -> str:
        """End it and return what it printed."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.communicate(timeout=30)[0]


@dataclass
class Ground:
    """A running stack."""

    stack: Stack
    ports: Mapping[str, int]
    parts: list[Part] = field(default_factory=list)

    def part(self, name: str, *arguments: object, env: Mapping[str, str] | None = None) -> Part:
        """Start `tests.bench.<name>` as a process."""
        process = subprocess.Popen(
            [sys.executable, "-m", f"tests.bench.{name}", *map(str, arguments)],
            env={**os.environ, **(env or {})},
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        part = Part(name, process)
        self.parts.append(part)
        return part

    def environment(self, service: str, *, database: str = "", prefix: str = "lotse", port: int = 0) -> dict[str, str]:
        """What a process of a service is told; on topics of another prefix it comes as the super user."""
        env = service_environment(self.stack, BY_NAME[service], port or self.ports[service], Sources())
        env |= {"LOTSE_TOPIC_PREFIX": prefix, "LOTSE_LOG_LEVEL": "warning"}
        if database:
            env["LOTSE_DATABASE_URL"] = database
        if prefix != "lotse":
            env |= {"LOTSE_KAFKA_USER": KAFKA_ADMIN, "LOTSE_KAFKA_PASSWORD": self.stack.kafka.password}
        return env

    def database(self, service: str, statements: str = "") -> str:
        """A fresh database of a service, migrated; or, with `statements`, one that holds just what they make."""
        return asyncio.run(self._database(service, statements))

    async def _database(self, service: str, statements: str) -> str:
        name, role = f"bench_{uuid4().hex[:10]}", f"lotse_{service}"
        admin = await asyncpg.connect(self.stack.postgres.admin_url)
        try:
            await ensure_database(admin, name, owner=role)
        finally:
            await admin.close()
        url = self.stack.postgres.url(name, role, self.stack.secrets.postgres_password(role))
        if not statements:
            await migrate(url, service)
            return url
        conn = await asyncpg.connect(url)
        try:
            await conn.execute(statements)
        finally:
            await conn.close()
        return url

    def topics(self) -> str:
        """Fresh topics with the partitions of production, below a prefix of their own, which is returned."""
        prefix = f"bench{uuid4().hex[:8]}"
        shared = [NewTopic(topic.full_name(prefix), topic.partitions, 1) for topic in TOPICS]
        streams = [NewTopic(partner_topic(slug).full_name(prefix), 1, 1) for slug in PARTNERS]
        admin = AdminClient(self.stack.kafka.client())
        for made in admin.create_topics([*shared, *streams]).values():
            made.result()
        return prefix

    def token(self, unit: str) -> str:
        """A bearer token of a unit's system."""
        return issuer_of(self.stack.layout).issue_token(unit.partition("/")[0], unit, ["system"])

    def world(self) -> dict[str, str]:
        """What a load generator needs to know, as environment."""
        from tests.faults.people import UNITS

        urls = {name: f"127.0.0.1:{port}" for name, port in self.ports.items()}
        logins = {
            slug: self.stack.kafka.asyncio_client(
                f"partner-{slug}", self.stack.secrets.kafka_password(f"kafka-partner-{slug}")
            )
            for slug in PARTNERS
        }
        tokens = {unit: self.token(unit) for unit in UNITS}
        return {"BENCH_WORLD": json.dumps({"urls": urls, "tokens": tokens, "logins": logins})}

    @contextmanager
    def services(self) -> Iterator[None]:
        """The four services as they run in production, for as long as the block lasts."""
        try:
            for service in SERVICES:
                start_service(self.stack, service, self.ports[service.name], Sources())
            for service in SERVICES:
                wait_until_ready(self.stack.layout, service, self.ports[service.name])
            yield
        finally:
            stop_services(self.stack.layout)

    @contextmanager
    def watched(self, files: Mapping[str, Path]) -> Iterator[None]:
        """The four services, each writing down how long every event took; `files` hold it after the end."""
        running = []
        try:
            for name, file in files.items():
                env = self.environment(name) | {"LOTSE_LOG_LEVEL": "info"}
                running.append(self.part("watched", name, file, env=env))
            for name in files:
                self.until(lambda name=name: is_ready(self.ports[name]), 60, f"{name} is ready")
            yield
        finally:
            for part in running:
                part.stop()

    @staticmethod
    def until(condition: Any, seconds: float, claim: str, waiting_for: Part | None = None) -> None:
        """Wait for something. Raises PartFailed with the last words of the process when it does not come."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                words = waiting_for.stop()[-2000:] if waiting_for else ""
                raise PartFailed(f"not within {seconds:.0f} s: {claim} {words}")
            time.sleep(0.05)

    def memory(self) -> dict[str, float]:
        """Resident MiB of each service, of the broker and of PostgreSQL (proportional set size there)."""
        sizes = {}
        for name in (*BY_NAME, "kafka"):
            record = processes.running(self.stack.layout, name)
            if record is not None:
                sizes[name] = psutil.Process(record.pid).memory_info().rss / 2**20
        return sizes

    def drop(self, url: str) -> None:
        """Drop a database that was made for one figure."""
        asyncio.run(self._drop(url.rpartition("/")[2].partition("?")[0]))

    async def _drop(self, name: str) -> None:
        admin = await asyncpg.connect(self.stack.postgres.admin_url)
        try:
            await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        finally:
            await admin.close()

    def delete_topics(self, prefix: str) -> None:
        """Delete the topics of a prefix."""
        admin = AdminClient(self.stack.kafka.client())
        names = [name for name in admin.list_topics(timeout=10).topics if name.startswith(f"{prefix}.")]
        for gone in admin.delete_topics(names).values():
            gone.result()


@contextmanager
def open_ground() -> Iterator[Ground]:
    """A durable stack in a folder that is removed at the end; whatever was started in it ends with it."""
    with TemporaryDirectory(prefix="lotse-bench-", ignore_cleanup_errors=True) as folder, ExitStack() as opened:
        Path(folder).chmod(0o755)  # as root, PostgreSQL's own account must get in
        layout = layout_at(Path(folder))
        opened.callback(stop_stack, layout)
        stack = Stack.start(Path(folder), durable=True)
        prepare(stack, silent, environ={})
        ground = Ground(stack, service_ports(layout))
        opened.callback(stop_services, layout)
        try:
            yield ground
        finally:
            for part in ground.parts:
                if part.process.poll() is None:
                    part.process.kill()


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def answer(result: object) -> None:
    """Called by a part: the result, as the last line."""
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()
