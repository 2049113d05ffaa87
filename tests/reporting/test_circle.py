"""Notifier and reporting on one bus: an offer is told, the telling is reported, the clause counts it."""

import asyncio
from pathlib import Path

from deploy.local.kafka import Kafka
from services.notifier.app import SERVICE as NOTIFIER
from services.reporting.app import SERVICE as REPORTING
from tests.conftest import CreateDatabase, eventually
from tests.harness import Running, running
from tests.notifier.bus import at_work, on_broker, send
from tests.notifier.events import AWO_UNIT, Story, contact, offer


async def test_what_the_notifier_told_is_counted_by_clause(
    tmp_path: Path, create_database: CreateDatabase, kafka: Kafka, topic_prefix: str
) -> None:
    """One offer of Caritas told to three, of which one is the City; one contact; one referral received."""
    settings = on_broker(kafka, topic_prefix)
    urls = {name: await create_database(name) for name in ("notifier", "reporting")}
    story = Story()
    async with (
        asyncio.timeout(60),
        at_work(NOTIFIER, tmp_path, urls["notifier"], settings),
        at_work(REPORTING, tmp_path, urls["reporting"], settings),
        running(REPORTING, tmp_path, urls["reporting"], **settings) as api,
    ):
        await send(kafka, topic_prefix, offer(), contact(), story.consent(), story.requested(), story.received())
        expected = {"K1": 0, "K2": 1, "K4": 1, "K5": 0, "K6": 3, "K7": 0, "K8": 3, "K9": 0, "K10": 0}

        async def counted_all() -> bool:
            return await done(api) == expected

        await eventually(counted_all, timeout=40)


async def done(api: Running) -> dict[str, int]:
    """How often each counted clause was done this year."""
    answer = await api.client.get("/v1/compliance", headers=api.headers(AWO_UNIT, "system"))
    return {row["id"]: row["done"] for row in answer.json()["clauses"] if row["done"] is not None}
