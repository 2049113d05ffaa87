"""A town of its own for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local.kafka import Kafka
from deploy.local.stack import Stack
from tests.conftest import CreateDatabase
from tests.restore.town import Town, a_town


@pytest.fixture
async def town(
    tmp_path: Path, stack: Stack, kafka: Kafka, topic_prefix: str, create_database: CreateDatabase
) -> AsyncIterator[Town]:
    """The four services at work."""
    async with a_town(tmp_path, stack, kafka, topic_prefix, create_database) as made:
        yield made
