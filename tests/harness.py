"""One service in this process, on a real database: its API, its inbox, and what stands in its outbox."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
from pydantic import SecretStr

from deploy.local.issuer import Issuer
from deploy.local.secrets import Secrets
from schemas import Event, Received, dataschema, decode, event_headers, new_id
from services.chassis import offsets
from services.chassis.app import open_context
from services.chassis.config import Settings
from services.chassis.context import Context, Service
from services.chassis.inbox import Inbox
from services.chassis.offsets import Partition
from services.chassis.records import Record
from services.chassis.schedule import Job, run_if_due
from services.chassis.web import create_app

ROOT = Path(__file__).parent.parent
PARTNERS = ("stadt-koblenz", "jobcenter-koblenz", "caritas-koblenz", "awo-rheinland")
PARTITION = 0

INTAKE, REFERRAL = "/koblenz/intake/1", "/koblenz/referral/1"


def make_settings(folder: Path, database_url: str, **more: Any) -> Settings:
    """Settings of a service under test; secrets and a token issuer are made below `folder`."""
    secrets = Secrets(folder / "secrets")
    secrets.service_keys(f"pairwise-{slug}" for slug in PARTNERS)
    issuer(folder)
    values: dict[str, Any] = {
        "database_url": database_url,
        "kafka": "127.0.0.1:1",
        "partners_dir": ROOT / "deploy" / "partners",
        "agreement_file": ROOT / "deploy" / "agreement" / "koblenz.toml",
        "notices": ROOT / "deploy" / "notices",
        "routing_file": ROOT / "deploy" / "routing" / "koblenz.toml",
        "secrets_dir": secrets.for_services,
        "issuers_file": folder / "issuer" / "issuers.toml",
        "kafka_password": SecretStr(""),
    }
    return Settings(**{**values, **more})


def issuer(folder: Path) -> Issuer:
    """The token issuer of a test."""
    made = Issuer(folder / "issuer")
    made.folder.mkdir(parents=True, exist_ok=True)
    made.write_public_files()
    return made


@dataclass
class Running:
    """A service under test."""

    service: Service
    context: Context
    client: httpx2.AsyncClient
    inbox: Inbox
    folder: Path
    fed: list[Record] = field(default_factory=list)
    _versions: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    _offset: int = 0

    def headers(self, unit: str, *roles: str, key: str | None = None) -> dict[str, str]:
        """Headers of a caller from a unit ("<partner>/<unit>"), with a fresh Idempotency-Key unless `key` is given."""
        token = issuer(self.folder).issue_token(unit.partition("/")[0], unit, list(roles))
        return {"Authorization": f"Bearer {token}", "Idempotency-Key": key or str(uuid4())}

    async def feed(
        self,
        *events: Event,
        source: str = INTAKE,
        at: datetime | None = None,
        version: int | None = None,
    ) -> list[UUID]:
        """Hand events to the inbox as one batch, each with the next version of its key; return their ids."""
        ids = [new_id() for _ in events]
        batch = [
            self._record(event, event_id, source, at or datetime.now(UTC), version)
            for event, event_id in zip(events, ids, strict=True)
        ]
        async with self.context.database.transaction() as conn:
            for topic in {record.topic for record in batch}:
                await offsets.begin(conn, Partition(topic, PARTITION), beginning=0, end=0)
        assert await self.inbox.apply(batch)
        self.fed += batch
        return ids

    def _record(self, event: Event, event_id: UUID, source: str, at: datetime, version: int | None) -> Record:
        stream = (event.topic, source, event.key)
        self._versions[stream] = version if version is not None else self._versions[stream] + 1
        self._offset += 1
        headers = event_headers(
            id=event_id,
            source=source,
            type=event.event_type,
            time=at,
            subject=event.subject,
            dataschema=dataschema(type(event), partner=False),
            sequence=self._versions[stream],
            key=event.key,
            correlation_id=str(new_id()),
            causation_id=None,
        )
        return Record(event.topic, PARTITION, self._offset, event.key.encode(), event.encode(), tuple(headers))

    async def published(self, topic_beginning: str = "lotse.") -> list[Event]:
        """The events waiting in the outbox, in order (partner streams have no full events: see `outbox_rows`)."""
        rows = await self.outbox_rows()
        internal = [row for row in rows if not row["topic"].startswith("lotse.partner.")]
        return [
            decode(row["headers"]["ce_type"], row["value"])
            for row in internal
            if row["topic"].startswith(topic_beginning)
        ]

    async def outbox_rows(self) -> list[dict[str, Any]]:
        """The rows of the outbox in order, headers as a dict of texts."""
        async with self.context.database.reading() as conn:
            rows = await conn.fetch("select * from chassis.outbox order by seq")
        return [
            {**dict(row), "headers": dict(zip(row["headers"][::2], row["headers"][1::2], strict=True))} for row in rows
        ]

    async def parked(self) -> list[dict[str, Any]]:
        """The dead letters, in order."""
        return await self.rows("select * from chassis.dead_letter order by record_offset")

    async def rows(self, sql: str, *arguments: Any) -> list[dict[str, Any]]:
        """Any look into the database."""
        async with self.context.database.reading() as conn:
            return [dict(row) for row in await conn.fetch(sql, *arguments)]

    async def move_clock(self, ahead: timedelta) -> None:
        """Set how far the service's clock is ahead of the machine's."""
        async with self.context.database.transaction() as conn:
            await conn.execute("update chassis.clock set ahead = $1", ahead)

    async def run_job(self, name: str) -> int:
        """Run one of the service's jobs now, as if it were due; returns the number of items done."""
        job = next(job for job in self.jobs() if job.name == name)
        async with self.context.database.transaction() as conn:
            await conn.execute(
                """
                insert into chassis.job (name, due_at) values ($1, chassis.lotse_now())
                on conflict (name) do update set due_at = excluded.due_at
                """,
                name,
            )
        return await run_if_due(self.context.database, job)

    def jobs(self) -> Sequence[Job]:
        """The service's own jobs."""
        return self.service.jobs(self.context)

    def reference(self, partner: str, value: UUID) -> str:
        """A partner's reference of an id."""
        return self.context.references.reference(partner, value)


@asynccontextmanager
async def running(service: Service, folder: Path, database_url: str, **more: Any) -> AsyncIterator[Running]:
    """Open a service with its API, without its tasks: tests drive inbox and jobs themselves."""
    settings = make_settings(folder, database_url, **more)
    async with open_context(service, settings) as context:
        transport = httpx2.ASGITransport(create_app(service, context))
        async with httpx2.AsyncClient(transport=transport, base_url=f"http://{service.name}") as client:
            yield Running(service, context, client, Inbox(context.database, service.handlers(context)), folder)


def received(event: Event, *, version: int = 1, source: str = INTAKE) -> Received[Event]:
    """An event as a handler gets it."""
    return Received(
        id=new_id(),
        source=source,
        type=event.event_type,
        time=datetime.now(UTC),
        topic=event.topic,
        key=event.key,
        version=version,
        correlation_id=str(new_id()),
        causation_id=None,
        data=event,
    )
