"""A part: one role of a service alone, as its process runs it. `real relay SERVICE COUNT`, `real consumer SERVICE`."""

import asyncio
import resource
import sys
import time
from importlib import import_module
from typing import Any

import uvloop

from services.chassis.app import open_context
from services.chassis.config import load_settings
from services.chassis.consume import Consumer
from services.chassis.log import configure_logging
from services.chassis.metrics import RELAYED
from services.chassis.relay import Relay
from tests.bench.ground import answer


def cpu_seconds() -> float:
    """What this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def relay(service: str, count: int) -> dict[str, float]:
    """Send `count` waiting events, timed from the first acknowledged pass."""
    task = asyncio.create_task(Relay(service, load_settings()).run())
    began = at_first = cpu = 0.0
    sent: Any = lambda: RELAYED._value.get()  # noqa: E731 - the counter's own reading is a private attribute
    while sent() < count:
        await asyncio.sleep(0.002)
        if task.done():
            task.result()
        if not began and sent():
            began, at_first, cpu = time.perf_counter(), sent(), cpu_seconds()
    seconds = time.perf_counter() - began
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return {"rate": (count - at_first) / seconds, "cpu_us": (cpu_seconds() - cpu) / (count - at_first) * 1e6}


async def consumer(service: str) -> None:
    """Read and apply until ended from outside."""
    module = import_module(f"services.{service}.app")
    settings = load_settings()
    async with open_context(module.SERVICE, settings) as context:
        await Consumer(service, settings, context.database, module.SERVICE.handlers(context)).run()


if __name__ == "__main__":
    configure_logging(sys.argv[2], "warning")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if sys.argv[1] == "relay":
            answer(runner.run(relay(sys.argv[2], int(sys.argv[3]))))
        else:
            runner.run(consumer(sys.argv[2]))
