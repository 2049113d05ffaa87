"""Intake, the page and Chromium; without Chromium these tests are skipped."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from playwright.async_api import Browser, async_playwright

from schemas import EventId, PartnerInformed, new_id
from schemas.delivery import Told
from schemas.ids import PartnerSlug
from services.chassis.db import Database
from services.intake.page.app import create_page
from tests.intake.builders import AWO, CARITAS_MBE, Desk, a_consent
from tests.intake.conftest import desk, intake, keys_url
from tests.intake.test_page import SECRET, database
from tests.intake.test_receipts import hand_out

__all__ = ["database", "desk", "intake", "keys_url"]

CHROMIUM = os.environ.get("LOTSE_CHROMIUM") or shutil.which("chromium")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync")  # fmt: skip


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """A browser of our own, without a profile."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium on this machine (Debian's package chromium, or LOTSE_CHROMIUM)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        await browser.close()


@pytest.fixture
async def address(desk: Desk, database: Database) -> AsyncIterator[str]:
    """Where the page is served."""
    app: Any = create_page(database, SECRET, desk.intake.context.partners)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.01)
    yield f"http://localhost:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await serving


@pytest.fixture
async def code(desk: Desk) -> str:
    """The code of a person with two consents in force, one withdrawn, something fetched, and somebody told."""
    wanted = a_consent(), a_consent(to_unit=CARITAS_MBE), a_consent(to_unit=AWO, scope="cooperation")
    case_ref, referral, refs = await desk.a_referred_person(*wanted)
    assert (await desk.fetch(referral)).status_code == 200
    await desk.withdraw(refs[1])
    requested = Told(
        event_id=EventId(new_id()), type="lotse.referral.requested.v1", number=1, case_id=desk.case_id(case_ref)
    )
    informed = PartnerInformed(partner=PartnerSlug("awo-rheinland"), events=(requested,))
    await desk.intake.feed(informed, source="/koblenz/notifier/1")
    return str((await hand_out(desk, case_ref)).json()["code"])
