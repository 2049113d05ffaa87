"""The person's page for whoever cannot see well, cannot use a mouse, reads from the right, or has no script."""

import os
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page

from services.intake.paper.wording import LANGUAGES, wording
from tests.intake.builders import Desk
from tests.intake.test_receipts import PIN

WCAG_22_AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Where to leave screenshots for people to look at.
SCREENSHOTS = os.environ.get("LOTSE_SCREENSHOTS")


async def faults(page: Page) -> list[str]:
    """What axe finds wrong: rule and place."""
    results: Any = await Axe().run(page, options={"runOnly": {"type": "tag", "values": WCAG_22_AA}})
    found = [f"{each['id']}: {node['html']}" for each in results.response["violations"] for node in each["nodes"]]
    assert len(results.response["passes"]) > 10, "axe looked at nothing"
    return found


async def keep(page: Page, name: str) -> None:
    """Leave a screenshot, if one is asked for."""
    if SCREENSHOTS:
        await page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png", full_page=True)


async def sign_in(page: Page, address: str, code: str, language: str) -> None:
    """With keyboard and form, as a person does."""
    await page.goto(f"{address}/{language}/")
    await page.fill("#code", code.lower())
    await page.fill("#pin", PIN)
    await page.press("#pin", "Enter")
    await page.wait_for_url("**/consents")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", LANGUAGES)
async def test_axe_finds_nothing_on_any_page(
    chromium: Browser, address: str, code: str, language: str, scheme: Literal["light", "dark"]
) -> None:
    """WCAG 2.2 AA from signing in to the confirmation, in light and in dark."""
    # axe itself is a script, which the page's policy forbids; that the page has none is the next test's.
    context = await chromium.new_context(color_scheme=scheme, bypass_csp=True)
    page = await context.new_page()
    await page.goto(f"{address}/{language}/")
    assert await faults(page) == []
    await keep(page, f"login-{language}-{scheme}")
    await page.fill("#code", "x")
    await page.fill("#pin", "1")
    await page.click("button")
    assert await page.inner_text("[role=alert]") == wording(language).page["wrong"]
    assert await faults(page) == []
    await sign_in(page, address, code, language)
    assert await faults(page) == []
    await keep(page, f"overview-{language}-{scheme}")
    await page.click("a[href$=withdraw]")
    assert await faults(page) == []
    await keep(page, f"confirm-{language}-{scheme}")
    await page.click("button")
    await page.wait_for_url("**/consents?done")
    assert await faults(page) == []
    await context.close()


async def test_axe_would_find_something(chromium: Browser) -> None:
    """A check that finds nothing anywhere would prove nothing."""
    page = await chromium.new_page()
    await page.set_content("<html><body>" + "<p style='color:#ccc'>pale</p><img src=x>" * 3 + "</body></html>")
    results: Any = await Axe().run(page, options={"runOnly": {"type": "tag", "values": WCAG_22_AA}})
    assert {"color-contrast", "image-alt"} <= {each["id"] for each in results.response["violations"]}


async def test_all_of_it_works_without_script_and_without_a_mouse(
    chromium: Browser, address: str, code: str, desk: Desk
) -> None:
    """Scripts switched off; Tab and Enter alone lead from signing in to a consent withdrawn."""
    context = await chromium.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{address}/de/")
    # Past the link to the content and four languages.
    for _ in range(6):
        await page.keyboard.press("Tab")
    await page.keyboard.type(code)
    await page.keyboard.press("Tab")
    await page.keyboard.type(PIN)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/consents")
    for _ in range(6):
        await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/withdraw")
    for _ in range(6):
        await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/consents?done")
    rows = await desk.intake.rows("select end_channel from intake.consent where end_channel = 'person-page'")
    assert len(rows) == 1
    await context.close()


@pytest.mark.parametrize("language", LANGUAGES)
async def test_at_400_percent_nothing_is_read_by_scrolling_sideways(
    chromium: Browser, address: str, code: str, language: str
) -> None:
    """1280 pixels at 400 % are 320 (WCAG 1.4.10); what is pressed is large enough (2.5.8)."""
    page = await chromium.new_page(viewport={"width": 320, "height": 256})
    await page.goto(f"{address}/{language}/")
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320
    await sign_in(page, address, code, language)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320
    for each in await page.query_selector_all("button, .button, nav a"):
        box = await each.bounding_box()
        assert box is not None
        assert box["height"] >= 44
        assert box["width"] >= 24
    await keep(page, f"narrow-{language}")
    await page.close()
