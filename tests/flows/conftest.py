"""The whole stack, with somebody to act on it."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from deploy.local.stack import Stack
from tests.flows.world import World


@pytest.fixture
async def world(stack: Stack, services: dict[str, int]) -> AsyncIterator[World]:
    """The four services as processes on a real Kafka and PostgreSQL."""
    # Shorter than the services keep an idle connection: else one would now and then be closed while it is taken up.
    limits = httpx2.Limits(keepalive_expiry=1)
    async with httpx2.AsyncClient(timeout=20, limits=limits) as http:
        yield World(stack, services, http)
