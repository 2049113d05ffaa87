"""From the shared topics to a partner's own stream, on the real Kafka and the real database."""

import asyncio
import json
from pathlib import Path

from deploy.local.kafka import Kafka
from schemas import parse_headers
from services.notifier.app import SERVICE
from tests.conftest import CreateDatabase
from tests.notifier.bus import at_work, on_broker, read_to, send
from tests.notifier.events import AWO, Story, offer

DEADLINE_SECONDS = 30


async def test_events_reach_the_partners_topic_in_order(
    tmp_path: Path, create_database: CreateDatabase, kafka: Kafka, topic_prefix: str
) -> None:
    """What stands on the stream is numbered in its order."""
    story, url = Story(), await create_database("notifier")
    case = [story.consent(), story.requested(), story.received(), story.withdrawn(), story.ended()]
    async with (
        asyncio.timeout(DEADLINE_SECONDS),
        at_work(SERVICE, tmp_path, url, on_broker(kafka, topic_prefix)),
    ):
        await send(kafka, topic_prefix, *case, offer())
        records = await read_to(kafka, f"{topic_prefix}.partner.{AWO}.v1", 4)
    envelopes = [parse_headers(record.headers) for record in records]
    assert [envelope.sequence for envelope in envelopes] == [1, 2, 3, 4]
    assert [record.key.decode() for record in records] == [envelope.key for envelope in envelopes]
    about_case = [envelope.type for envelope in envelopes if envelope.subject.startswith("case/")]
    assert about_case == ["lotse.referral.requested.v1", "lotse.consent.withdrawn.v1", "lotse.referral.ended.v1"]
    whole = b"".join(json.dumps([record.key.decode(), record.value.decode()]).encode() for record in records)
    assert str(story.case_id).encode() not in whole


async def test_restart_goes_on_where_it_stopped(
    tmp_path: Path, create_database: CreateDatabase, kafka: Kafka, topic_prefix: str
) -> None:
    """A second process on the same database loses nothing; a record sent twice has the same number and id."""
    url, settings = await create_database("notifier"), on_broker(kafka, topic_prefix)
    for told in (1, 2):
        async with asyncio.timeout(DEADLINE_SECONDS), at_work(SERVICE, tmp_path, url, settings):
            await send(kafka, topic_prefix, offer())
            records = await read_to(kafka, f"{topic_prefix}.partner.{AWO}.v1", told)
    envelopes = [parse_headers(record.headers) for record in records]
    assert sorted({envelope.sequence for envelope in envelopes}) == [1, 2]
    assert len({(envelope.sequence, envelope.id) for envelope in envelopes}) == 2
    assert [envelope.sequence for envelope in envelopes] == sorted(envelope.sequence for envelope in envelopes)
