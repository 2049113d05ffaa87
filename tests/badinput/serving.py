"""A service in this process on a real socket: database, API and the HTTP connection of the real one."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import uvicorn

from services.chassis.context import Service
from services.chassis.web import create_app
from services.chassis.wire import BoundedHead
from tests.conftest import eventually
from tests.harness import Running, issuer, running

T = TypeVar("T")


@asynccontextmanager
async def serving(
    service: Service, folder: Path, database_url: str, **more: object
) -> AsyncIterator[tuple[Running, int]]:
    """The opened service, and the port on which it answers."""
    async with running(service, folder, database_url, **more) as opened:
        listener = socket.create_server(("127.0.0.1", 0))
        app = create_app(service, opened.context)
        config = uvicorn.Config(
            app, http=BoundedHead, lifespan="off", log_config=None, access_log=False, server_header=False
        )
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # signals are pytest's here
        task = asyncio.create_task(server._serve([listener]))
        await eventually(lambda: server.started)
        try:
            yield opened, listener.getsockname()[1]
        finally:
            server.should_exit = True
            await task
            listener.close()


async def beside(function: Callable[..., T], *arguments: object) -> T:
    """Run a blocking client in a thread while this loop serves it."""
    return await asyncio.to_thread(function, *arguments)


def caller(folder: Path, unit: str, role: str) -> dict[str, str]:
    """Headers of somebody with that role; an operator is of no partner."""
    partner = unit.partition("/")[0]
    token = issuer(folder).issue_token(partner, unit, [role])
    return {"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid4())}
