"""What one running service is made of, handed to its routes, handlers and jobs."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter

from schemas.partner_file import Partners
from services.chassis.admission import Admission
from services.chassis.adoption import Adoption
from services.chassis.auth import Verifier
from services.chassis.config import Settings
from services.chassis.db import Connection, Database
from services.chassis.handling import Handlers
from services.chassis.pairwise import References
from services.chassis.schedule import Job


@dataclass
class Context:
    """One process's open parts. `resources` is what only this service has (intake: its vault and notices)."""

    service: str
    settings: Settings
    database: Database
    partners: Partners
    references: References
    verifier: Verifier
    idempotency_secret: bytes
    resources: Any = None
    admission: Admission = field(default_factory=Admission)


def _no_jobs(_context: Context) -> Sequence[Job]:
    return []


async def _nothing_to_observe(_context: Context, _conn: Connection) -> None:
    return None


def _no_adoption(_context: Context) -> Adoption:
    return Adoption()


@dataclass(frozen=True)
class Service:
    """What a service says about itself; `app.py` of each service holds one."""

    name: str
    title: str
    routers: Sequence[APIRouter]
    handlers: Callable[[Context], Handlers]
    jobs: Callable[[Context], Sequence[Job]] = _no_jobs
    resources: Callable[[Context], AbstractAsyncContextManager[Any]] | None = field(default=None)
    adoption: Callable[[Context], Adoption] = _no_adoption
    observe: Callable[[Context, Connection], Awaitable[None]] = _nothing_to_observe
    """Sets gauges that only this service has, from its database; called when Prometheus asks."""
