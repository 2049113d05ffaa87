"""Whether the Kafka client is still whole: aiokafka works in tasks of its own, and says nothing when one of them ends.

Without the task that keeps the metadata, for instance, whoever asks for them waits for ever, and so does a commit.
"""

import asyncio
from collections.abc import Callable
from typing import Any

LOOK_SECONDS = 1.0


class ClientBroken(Exception):
    """A task inside the client has ended; only a fresh client reads on."""


async def stay_whole(consumer: Callable[[], Any]) -> None:
    """Look now and then, until cancelled. Raises ClientBroken. `consumer`: gives it, None before there is one."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        check(consumer())


def check(consumer: Any) -> None:
    """Raise ClientBroken, from what ended it, when a task of this AIOKafkaConsumer has ended."""
    if consumer is None or consumer._closed:
        return
    # Private, but there is no other way to know; a test pins them.
    for owner, name in (
        (consumer._client, "_sync_task"),
        (consumer._fetcher, "_fetch_task"),
        (consumer._coordinator, "_coordination_task"),
    ):
        task: asyncio.Task[Any] | None = getattr(owner, name) if owner is not None else None
        if task is not None and task.done():
            raise ClientBroken(f"{name} has ended") from (None if task.cancelled() else task.exception())
