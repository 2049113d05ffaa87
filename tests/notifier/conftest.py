"""The notifier on a database of its own, and short ways to look at what partners were told."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.notifier.app import SERVICE
from tests.conftest import CreateDatabase
from tests.harness import Running, running


@pytest.fixture
async def notifier(tmp_path: Path, create_database: CreateDatabase) -> AsyncIterator[Running]:
    """A notifier without its tasks: tests drive its inbox."""
    async with running(SERVICE, tmp_path, await create_database("notifier")) as service:
        yield service
