"""A service that hangs when it is told to: `python -m tests.chassis.hanging [fetch | handler]`."""

import asyncio
import sys
import time
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaConsumer
from fastapi import APIRouter

from schemas import ConsentGiven, Received
from services.chassis.app import run
from services.chassis.context import Service
from services.chassis.db import Connection
from services.chassis.handling import Handlers
from services.chassis.permissions import NAMED_IN_OPENAPI
from tests.chassis.probe import Probe

router = APIRouter()
probe = Probe()


@router.get("/v1/block", openapi_extra={NAMED_IN_OPENAPI: "none: this is a test"})
async def block() -> None:
    """Keep the event loop to itself."""
    time.sleep(600)  # noqa: ASYNC251  # that is the point


async def _for_ever(*_arguments: object, **_more: object) -> Any:
    await asyncio.Event().wait()


async def _wait_for_ever(_conn: Connection, _event: Received[Any], _now: datetime) -> None:
    await _for_ever()


def _service(way: str) -> Service:
    handlers = probe.handlers
    if way == "handler":
        handlers = Handlers(handlers.topics, each={ConsentGiven: _wait_for_ever})
    elif way == "fetch":
        AIOKafkaConsumer.getmany = _for_ever
    return Service("chassis", "Hanging", [router], handlers=lambda _context: handlers)


if __name__ == "__main__":
    run(_service(sys.argv[1] if len(sys.argv) > 1 else ""))
