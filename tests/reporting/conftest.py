"""Reporting on a database of its own, and a short way to ask it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from services.reporting.app import SERVICE
from tests.conftest import CreateDatabase
from tests.harness import Running, running

Compliance = Callable[..., Awaitable[dict[str, dict[str, Any]]]]

AWO_UNIT = "awo-rheinland/mbe"


@pytest.fixture
async def reporting(tmp_path: Path, create_database: CreateDatabase) -> AsyncIterator[Running]:
    """A reporting service without its tasks: tests drive its inbox."""
    async with running(SERVICE, tmp_path, await create_database("reporting")) as service:
        yield service


@pytest.fixture
def compliance(reporting: Running) -> Compliance:
    """Asks for a year (the present one unless given); returns the rows by clause."""

    async def ask(year: int | None = None) -> dict[str, dict[str, Any]]:
        query = "" if year is None else f"?year={year}"
        headers = reporting.headers(AWO_UNIT, "coordinator")
        answer = await reporting.client.get(f"/v1/compliance{query}", headers=headers)
        assert answer.status_code == 200, answer.text
        return {row["id"]: row for row in answer.json()["clauses"]}

    return ask
