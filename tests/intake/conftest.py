"""Intake on its two databases."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.intake.app import SERVICE
from tests.conftest import CreateDatabase
from tests.harness import Running, running
from tests.intake.builders import Desk


@pytest.fixture
async def keys_url(create_database: CreateDatabase) -> str:
    """A fresh database for data keys."""
    return await create_database("keys")


@pytest.fixture
async def intake(create_database: CreateDatabase, keys_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    """The service in this process."""
    async with running(SERVICE, tmp_path, await create_database("intake"), keys_database_url=keys_url) as service:
        yield service


@pytest.fixture
def desk(intake: Running) -> Desk:
    """Who talks to it."""
    return Desk(intake)
