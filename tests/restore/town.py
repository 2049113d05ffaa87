"""All four services in this process on real servers, each of which can be stopped and set back to an earlier day."""

import gc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2
from aiokafka import AIOKafkaConsumer, TopicPartition
from starlette.types import ASGIApp

from deploy.local.kafka import Kafka
from deploy.local.stack import Stack
from schemas import Event, decode, parse_headers, place_of
from services.chassis import identity
from services.chassis.app import open_context, running_tasks
from services.chassis.context import Context, Service
from services.chassis.web import create_app
from services.intake.app import SERVICE as INTAKE
from services.notifier.app import SERVICE as NOTIFIER
from services.referral.app import SERVICE as REFERRAL
from services.reporting.app import SERVICE as REPORTING
from tests.conftest import CreateDatabase, eventually
from tests.flows.world import ROLES, Heard, World
from tests.harness import issuer, make_settings
from tests.notifier.bus import on_broker

SERVICES = (INTAKE, REFERRAL, NOTIFIER, REPORTING)
PORTS = {service.name: number for number, service in enumerate(SERVICES, 1)}


@dataclass
class Part:
    """One service: its database, and while it runs its context and API."""

    service: Service
    url: str
    more: dict[str, Any]
    folder: Path
    running: AsyncExitStack | None = None
    context: Context | None = None
    app: ASGIApp | None = None

    async def start(self) -> None:
        """Run it with all its tasks."""
        stack = AsyncExitStack()
        try:
            settings = make_settings(self.folder, self.url, **self.more)
            self.context = await stack.enter_async_context(open_context(self.service, settings))
            self.unfit = await stack.enter_async_context(running_tasks(self.service, self.context))
        except BaseException:
            await stack.aclose()
            raise
        self.app, self.running = create_app(self.service, self.context), stack

    async def stop(self) -> None:
        """End it in order."""
        if self.running:
            await self.running.aclose()
        self.running = self.context = self.app = None

    async def rows(self, sql: str, *arguments: Any) -> list[dict[str, Any]]:
        """A look into its database, whether it runs or not."""
        conn = await asyncpg.connect(self.url)
        try:
            return [dict(row) for row in await conn.fetch(sql, *arguments)]
        finally:
            await conn.close()


@dataclass
class Town(World):
    """The agreement's partners acting on the services from outside, and the operator who sets databases back."""

    folder: Path
    prefix: str
    parts: dict[str, Part] = field(default_factory=dict)

    def headers(self, unit: str, *roles: str) -> dict[str, str]:
        """A caller's headers, with a fresh Idempotency-Key."""
        token = issuer(self.folder).issue_token(unit.partition("/")[0], unit, list(roles) or [ROLES[unit]])
        return {"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid4())}

    async def operator(self, service: str, path: str, body: Any) -> httpx2.Response:
        """A POST of the operator."""
        token = issuer(self.folder).issue_token("", "", ["operator"])
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid4())}
        return await self.http.post(f"http://127.0.0.1:{self.ports[service]}{path}", json=body, headers=headers)

    async def backup(self, name: str) -> str:
        """Stop a service, copy its database, start it again; returns the copy's name."""
        part = self.parts[name]
        await part.stop()
        copy = f"copy_{uuid4().hex[:12]}"
        await self._admin(f'create database {copy} template "{_database(part.url)}" owner lotse_{name}')
        await part.start()
        return copy

    async def set_back(self, name: str, copy: str) -> None:
        """Stop a service and give it the copy in place of its database."""
        await self.parts[name].stop()
        await self.replace_database(name, copy)

    async def replace_database(self, name: str, copy: str) -> None:
        """Put the copy in the place of a service's database, whether it runs or not."""
        old = _database(self.parts[name].url)
        await self._admin(f'drop database "{old}" with (force)')
        await self._admin(f'create database "{old}" template {copy} owner lotse_{name}')

    async def restore(self, name: str, copy: str) -> None:
        """Set a service back, say so, and start it."""
        await self.set_back(name, copy)
        await self.raise_epoch(name)
        await self.parts[name].start()

    async def raise_epoch(self, name: str) -> None:
        """What `lotse restore` does to a restored database."""
        conn = await asyncpg.connect(self.parts[name].url)
        try:
            await identity.raise_epoch(conn)
        finally:
            await conn.close()

    async def recovered(self, name: str) -> None:
        """Wait until a service has recovered and takes changes again."""
        part = self.parts[name]

        async def is_in_order() -> bool:
            stage = (await part.rows("select recovery from chassis.identity"))[0]["recovery"]
            return stage is None and part.context is not None and part.context.admission.refusal("recovering") is None

        await eventually(is_in_order, 30)

    async def quiet(self) -> None:
        """Wait until nothing is on its way: every outbox empty, every service at the end of what it reads."""

        async def is_quiet() -> bool:
            return not await self._waiting() and not await self._unread() and not await self._waiting()

        await eventually(is_quiet, 30)

    async def _waiting(self) -> int:
        counts = [await part.rows("select count(*) as n from chassis.outbox") for part in self.parts.values()]
        return sum(rows[0]["n"] for rows in counts)

    async def _unread(self) -> int:
        behind = 0
        async with self.reader() as consumer:
            for part in self.parts.values():
                for row in await part.rows("select topic, partition, next_offset from chassis.next_offset"):
                    where = TopicPartition(self._physical(row["topic"]), row["partition"])
                    behind += (await consumer.end_offsets([where]))[where] - row["next_offset"]
        return behind

    def _physical(self, topic: str) -> str:
        return f"{self.prefix}.{topic.removeprefix('lotse.')}"

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[AIOKafkaConsumer]:
        """A consumer that may see everything."""
        async with AIOKafkaConsumer(auto_offset_reset="earliest", **self.stack.kafka.asyncio_client()) as consumer:
            yield consumer

    async def stream(self, slug: str) -> Heard:
        """A partner's whole stream as it is now."""
        heard = Heard(None)
        async with self.reader() as consumer:
            where = TopicPartition(self._physical(f"lotse.partner.{slug}.v1"), 0)
            consumer.assign([where])
            end = (await consumer.end_offsets([where]))[where]
            while await consumer.position(where) < end:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    heard.records += records
        return heard

    async def bus(self, topic: str) -> list[tuple[str, int, int, Event]]:
        """What a shared topic holds, by partition in order: producer, epoch, version, event."""
        found = []
        async with self.reader() as consumer:
            await consumer.topics()
            parts = [TopicPartition(self._physical(topic), number) for number in range(3)]
            consumer.assign(parts)
            ends = await consumer.end_offsets(parts)
            while any([await consumer.position(part) < ends[part] for part in parts]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        envelope = parse_headers(record.headers)
                        producer, place = place_of(envelope.source, envelope.sequence)
                        found.append((producer, *place, decode(envelope.type, record.value)))
        return found

    async def _admin(self, sql: str) -> None:
        conn = await asyncpg.connect(self.stack.postgres.admin_url)
        try:
            await conn.execute(sql)
        finally:
            await conn.close()


class _ToParts(httpx2.AsyncBaseTransport):
    """Hands a request to the service of its port, if it runs."""

    def __init__(self, parts: dict[str, Part]) -> None:
        self._parts = {PORTS[name]: part for name, part in parts.items()}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        part = self._parts[request.url.port or 0]
        if part.app is None:
            raise httpx2.ConnectError("the service is stopped")
        return await httpx2.ASGITransport(part.app).handle_async_request(request)


def _database(url: str) -> str:
    return url.rpartition("/")[2]


@asynccontextmanager
async def a_town(
    folder: Path, stack: Stack, kafka: Kafka, prefix: str, create_database: CreateDatabase
) -> AsyncIterator[Town]:
    """Four services at work on databases and topics of their own."""
    settings = on_broker(kafka, prefix)
    parts = {
        service.name: Part(service, await create_database(service.name), dict(settings), folder) for service in SERVICES
    }
    parts["intake"].more["keys_database_url"] = await create_database("keys")
    try:
        for part in parts.values():
            await part.start()
        async with httpx2.AsyncClient(transport=_ToParts(parts)) as http:
            yield Town(stack, PORTS, http, folder, prefix, parts)
    finally:
        for part in parts.values():
            await part.stop()
        # Kafka clients that are cancelled while they start leave connections behind; see the tests' filter.
        gc.collect()
