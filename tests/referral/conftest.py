"""A referral service of its own for each test, on the real database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from services.chassis.patience import wait_for
from services.referral.app import SERVICE
from tests.conftest import CreateDatabase
from tests.harness import running
from tests.referral.builders import Lotse

Condition = Callable[[], Awaitable[bool]]


@pytest.fixture
async def lotse(create_database: CreateDatabase, tmp_path: Path) -> AsyncIterator[Lotse]:
    """The service, its API and its inbox."""
    async with running(SERVICE, tmp_path, await create_database("referral")) as service:
        yield Lotse(service)


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Is set when a request begins to wait for its consent."""
    began = asyncio.Event()

    async def noted(condition: Condition) -> bool:
        began.set()
        return await wait_for(condition)

    monkeypatch.setattr("services.referral.api.requests.wait_for", noted)
    return began


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is on its way, the test need not wait for it."""

    async def look_once(condition: Condition) -> bool:
        return await wait_for(condition, seconds=0)

    monkeypatch.setattr("services.referral.api.requests.wait_for", look_once)
