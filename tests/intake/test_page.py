"""The person's own page: who gets in, what it shows, what it may do."""

import asyncio
import contextlib
import os
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2
import pytest

from deploy.local.databases import ensure_role
from deploy.local.stack import Stack
from schemas import ConsentWithdrawn
from schemas.codes import WithdrawalChannel
from services.chassis.config import StartError
from services.chassis.db import Database
from services.chassis.patience import wait_for
from services.intake.page.app import create_page
from services.intake.page.sessions import COOKIE, Signer
from services.intake.page.settings import load_page_settings, read_page_secret
from services.intake.page.store import FREE_TRIES, wait_after
from services.intake.paper.wording import LANGUAGES, wording
from tests.conftest import CreateDatabase
from tests.harness import ROOT
from tests.intake.builders import AWO, CARITAS_MBE, CITY, NAME, PHONE, Desk, a_consent
from tests.intake.test_receipts import PIN, hand_out
from tests.intake.test_rights import informed

ROLE, PASSWORD = "test_page", "page"
SECRET = bytes(32)
HOST = "https://page"


@pytest.fixture
async def database(desk: Desk, stack: Stack, create_database: CreateDatabase) -> AsyncIterator[Database]:
    """Intake's database, as the role of the page's process."""
    url = str(desk.intake.context.settings.database_url)
    name = url.rpartition("/")[2].partition("?")[0]
    admin = await asyncpg.connect(stack.postgres.admin_url)
    await ensure_role(admin, ROLE, PASSWORD)
    await admin.execute(f'GRANT CONNECT ON DATABASE "{name}" TO {ROLE}')
    await admin.close()
    async with desk.intake.context.database.transaction() as conn:
        await conn.execute("select page.let_in($1)", ROLE)
    opened = await Database.open(stack.postgres.url(name, ROLE, PASSWORD), "page", max_size=4)
    yield opened
    await opened.close()


@pytest.fixture
async def browser(desk: Desk, database: Database) -> AsyncIterator[httpx2.AsyncClient]:
    """Somebody at home."""
    app = create_page(database, SECRET, desk.intake.context.partners)
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=HOST) as client:
        yield client


def token_in(html: str) -> str:
    """What the first form carries."""
    found = re.search(r'name="token" value="([0-9a-f]+)"', html)
    assert found, html
    return found[1]


async def enter(browser: httpx2.AsyncClient, code: str, pin: str = PIN, language: str = "de") -> httpx2.Response:
    """Fill in the form and press the button."""
    token = token_in((await browser.get(f"/{language}/")).text)
    return await browser.post(f"/{language}/", data={"token": token, "code": code, "pin": pin})


async def a_visitor(desk: Desk, browser: httpx2.AsyncClient, *wanted: dict[str, Any]) -> tuple[str, list[str]]:
    """A person with consents and a receipt, who is in: the code, and the City's references of the consents."""
    case_ref = await desk.register()
    consent_refs = await desk.consent(case_ref, *wanted)
    code = (await hand_out(desk, case_ref)).json()["code"]
    answer = await enter(browser, code)
    assert answer.status_code == 303, answer.text
    return code, consent_refs


def links_to_withdraw(html: str) -> list[str]:
    """Where the buttons lead."""
    return re.findall(r'class="button" href="([^"]+/withdraw)"', html)


async def test_the_pages_role_reaches_neither_vault_nor_persons(desk: Desk, database: Database) -> None:
    """Nor what receipts hold, nor the log as a whole; nothing of it can be changed or deleted either."""
    await desk.register()
    forbidden = await desk.intake.rows(
        """
        select format('%I.%I', schemaname, tablename) as name from pg_tables
        where schemaname in ('intake', 'chassis', 'vault', 'migrations')
          and (schemaname, tablename) not in (('intake', 'consent'), ('intake', 'task'), ('chassis', 'key'),
                                              ('chassis', 'identity'), ('chassis', 'clock'))
        """
    )
    names = {each["name"] for each in forbidden}
    assert {"intake.sealed", "intake.person", "intake.receipt", "intake.disclosure", "chassis.idempotency"} <= names
    for name in names:
        async with database.reading() as conn:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.fetch(f"select * from {name}")  # noqa: S608  # from the catalogue
    for statement in ("delete from intake.consent", "update intake.consent_event set state = 'given'"):
        async with database.reading() as conn:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute(statement)


async def test_code_and_pin_open_what_is_in_force_and_name_nobody(desk: Desk, browser: httpx2.AsyncClient) -> None:
    """Who may do what, which data, until when; what the person said stands nowhere."""
    await a_visitor(desk, browser)
    html = (await browser.get("/de/consents")).text
    assert "AWO" in html
    assert wording("de").scope["transfer"] in html  # type: ignore[index]  # a code is its text
    assert not [said for said in (NAME, PHONE) if said in html]
    assert len(links_to_withdraw(html)) == 1


async def test_the_cookie_ends_with_the_visit(desk: Desk, browser: httpx2.AsyncClient) -> None:
    """It has no age, no script reads it, no other site sends it; after 15 minutes it opens nothing."""
    code = (await hand_out(desk, await desk.register())).json()["code"]
    set_cookie = (await enter(browser, code)).headers["set-cookie"].lower()
    assert {"httponly", "secure", "samesite=strict", "path=/"} <= {part.strip() for part in set_cookie.split(";")}
    assert "max-age" not in set_cookie
    assert "expires" not in set_cookie
    assert (await browser.get("/de/consents")).status_code == 200
    await desk.intake.move_clock(timedelta(minutes=16))
    assert (await browser.get("/de/consents")).status_code == 401


async def test_withdrawing_takes_one_press_that_is_confirmed(desk: Desk, browser: httpx2.AsyncClient) -> None:
    """Looking changes nothing, pressing twice withdraws once; the bus hears that the person did it on the page."""
    await a_visitor(desk, browser)
    before = len(await desk.intake.published())
    [link] = links_to_withdraw((await browser.get("/de/consents")).text)
    confirm = await browser.get(link)
    assert wording("de").page["not_erased"] in confirm.text
    assert len(await desk.intake.published()) == before
    for _ in range(2):
        pressed = await browser.post(link, data={"token": token_in(confirm.text)})
        assert (pressed.status_code, pressed.headers["location"]) == (303, "/de/consents?done")
    [event] = (await desk.intake.published())[before:]
    assert isinstance(event, ConsentWithdrawn)
    assert event.channel is WithdrawalChannel.PERSON_PAGE
    html = (await browser.get("/de/consents?done")).text
    assert links_to_withdraw(html) == []
    assert wording("de").channel[WithdrawalChannel.PERSON_PAGE] in html


async def test_the_gate_is_shut_after_a_withdrawal_on_the_page(desk: Desk, browser: httpx2.AsyncClient) -> None:
    """The page shows what was fetched before."""
    case_ref, referral, _ = await desk.a_referred_person()
    await enter(browser, (await hand_out(desk, case_ref)).json()["code"])
    assert wording("de").page["not_told"] in (await browser.get("/de/consents")).text
    assert (await desk.fetch(referral)).status_code == 200
    html = (await browser.get("/de/consents")).text
    assert wording("de").page["not_told"] not in html
    [link] = links_to_withdraw(html)
    await browser.post(link, data={"token": token_in((await browser.get(link)).text)})
    assert (await desk.fetch(referral)).status_code == 403


async def test_another_persons_consent_cannot_be_reached(desk: Desk, browser: httpx2.AsyncClient) -> None:
    """Its address from another visit is none here, and neither is a made-up one."""
    await a_visitor(desk, browser)
    [link] = links_to_withdraw((await browser.get("/de/consents")).text)
    browser.cookies.clear()
    await a_visitor(desk, browser)
    [own] = links_to_withdraw((await browser.get("/de/consents")).text)
    token = token_in((await browser.get(own)).text)
    for path in (link, f"/de/consents/{uuid4().hex}/withdraw"):
        assert (await browser.get(path)).status_code == 404
        assert (await browser.post(path, data={"token": token})).status_code == 400
    assert len(await desk.intake.rows("select 1 from intake.consent where state = 'given'")) == 2


@pytest.mark.parametrize("sent", [{}, {"token": ""}, {"token": "0" * 64}, {"token": "ä"}])
async def test_a_form_that_is_not_ours_changes_nothing(
    desk: Desk, browser: httpx2.AsyncClient, sent: dict[str, str]
) -> None:
    """Signing in, withdrawing, leaving."""
    await a_visitor(desk, browser)
    [link] = links_to_withdraw((await browser.get("/de/consents")).text)
    for path in (link, "/de/leave", "/de/"):
        assert (await browser.post(path, data=sent)).status_code == 400
    assert await desk.intake.rows("select 1 from intake.consent where state = 'withdrawn'") == []
    assert (await browser.get("/de/consents")).status_code == 200


async def test_a_form_from_another_site_is_refused(desk: Desk, browser: httpx2.AsyncClient) -> None:
    """Even with the right token."""
    await a_visitor(desk, browser)
    [link] = links_to_withdraw((await browser.get("/de/consents")).text)
    token = token_in((await browser.get(link)).text)
    answer = await browser.post(link, data={"token": token}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 400


@pytest.mark.parametrize("body", [b"x" * 5000, b"\xff\xfe", b"a=1&" * 20])
async def test_a_form_that_is_no_form_is_refused(browser: httpx2.AsyncClient, body: bytes) -> None:
    """Too long, not text, too many fields."""
    assert (await browser.post("/de/", content=body)).status_code == 400


async def test_a_wrong_pin_a_wrong_code_and_none_are_answered_alike(desk: Desk, browser: httpx2.AsyncClient) -> None:
    """Nothing tells whether there is such a code."""
    case_ref = await desk.register()
    first, second = [(await hand_out(desk, case_ref)).json()["code"] for _ in range(2)]
    answers = [
        await enter(browser, code, pin) for code, pin in ((second, "999999"), (first, PIN), ("", ""), ("Ä", "Ä"))
    ]
    assert {answer.status_code for answer in answers} == {403}
    assert len({answer.text for answer in answers}) == 1


async def test_after_five_wrong_pins_the_right_one_waits(desk: Desk, browser: httpx2.AsyncClient) -> None:
    """A quarter of an hour; then it opens, and the count begins anew."""
    code = (await hand_out(desk, await desk.register())).json()["code"]
    for _ in range(FREE_TRIES):
        assert (await enter(browser, code, "999999")).status_code == 403
    assert (await enter(browser, code)).status_code == 403
    await desk.intake.move_clock(timedelta(minutes=14))
    assert (await enter(browser, code)).status_code == 403
    await desk.intake.move_clock(timedelta(minutes=16))
    assert (await enter(browser, code)).status_code == 303
    assert len(await desk.intake.rows("select 1 from page.attempt")) == 1


async def test_whoever_guesses_codes_waits_by_address(desk: Desk, browser: httpx2.AsyncClient) -> None:
    """After thirty tries even a right code does not open from there; two days later the count is gone."""
    code = (await hand_out(desk, await desk.register())).json()["code"]
    for _ in range(30):
        await enter(browser, "", "")
    assert (await enter(browser, code)).status_code == 403
    await desk.intake.move_clock(timedelta(hours=49))
    assert (await enter(browser, code)).status_code == 303


def test_waits_grow_from_a_quarter_of_an_hour_to_a_day() -> None:
    """After every five, twice as long."""
    waits = [wait_after(wrong, 5).total_seconds() / 60 for wrong in (0, 4, 5, 6, 10, 15, 500)]
    assert waits == [0, 0, 15, 0, 30, 60, 1440]


async def test_a_blocked_receipt_ends_a_visit(desk: Desk, browser: httpx2.AsyncClient) -> None:
    """At the next step, and its code opens nothing any more."""
    case_ref = await desk.register()
    body = (await hand_out(desk, case_ref)).json()
    await enter(browser, body["code"])
    await desk.post(CITY, f"/v1/receipts/{body['receipt_ref']}/block")
    assert (await browser.get("/de/consents")).status_code == 401
    assert (await enter(browser, body["code"])).status_code == 403


async def test_leaving_takes_the_cookie_away(desk: Desk, browser: httpx2.AsyncClient) -> None:
    """Then the page asks for code and PIN."""
    await a_visitor(desk, browser)
    token = token_in((await browser.get("/de/consents")).text.partition("/leave")[2])
    assert (await browser.post("/de/leave", data={"token": token})).status_code == 303
    assert COOKIE not in browser.cookies
    assert (await browser.get("/de/consents")).status_code == 401


async def test_every_answer_keeps_out_of_caches_frames_and_scripts(desk: Desk, browser: httpx2.AsyncClient) -> None:
    """Errors too."""
    await a_visitor(desk, browser)
    for path in ("/", "/de/", "/de/consents", "/xx/", "/nothing", "/style.css", "/health/ready"):
        headers = (await browser.get(path)).headers
        assert headers["cache-control"] == "no-store"
        assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'self';")
        assert headers["referrer-policy"] == "no-referrer"
    assert "<script" not in (await browser.get("/de/consents")).text


@pytest.mark.parametrize("language", LANGUAGES)
async def test_each_language_says_which_and_from_which_side_it_is_read(
    desk: Desk, browser: httpx2.AsyncClient, language: str
) -> None:
    """What has ended, what holds and the button, all in it."""
    _, [consent, _] = await a_visitor(desk, browser, a_consent(to_unit=CARITAS_MBE), a_consent(to_unit=AWO))
    await desk.withdraw(consent)
    words = wording(language)
    html = (await browser.get(f"/{language}/consents")).text
    assert f'<html lang="{words.tag}" dir="{words.direction}">' in html
    assert words.page["in_force"] in html
    assert words.channel[WithdrawalChannel.COUNTER] in html
    [link] = links_to_withdraw(html)
    assert words.page["sure"] in (await browser.get(link)).text


async def test_the_browsers_language_is_met(browser: httpx2.AsyncClient) -> None:
    """German where there is no other."""
    for asked, language in (("ar-SY,en;q=0.5", "ar"), ("tlh, en", "en"), ("", "de"), ("uk", "de")):
        assert (await browser.get("/", headers={"Accept-Language": asked})).headers["location"] == f"/{language}/"


async def test_logs_hold_neither_code_nor_pin(
    desk: Desk, browser: httpx2.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether it opened or not."""
    code, _ = await a_visitor(desk, browser)
    await enter(browser, code, "999999")
    logged = capsys.readouterr().out
    assert "page_opened" in logged
    assert not [said for said in (code, PIN, "999999", NAME) if said in logged]


async def test_a_page_without_its_database_says_later(desk: Desk, database: Database) -> None:
    """In the language of the address, with nothing technical."""
    app = create_page(database, SECRET, desk.intake.context.partners)
    await database.close()
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=HOST) as client:
        answer = await client.get("/ar/consents")
    assert answer.status_code == 503
    assert wording("ar").page["later"] in answer.text


@pytest.mark.parametrize("session", ["", "x", "ä", "A" * 75 + "=", "AAAA"])
def test_a_made_up_cookie_opens_nothing(session: str) -> None:
    """Whatever it holds."""
    assert Signer(SECRET).receipt_of(session, datetime.now(UTC)) is None


def test_a_cookie_of_another_secret_opens_nothing() -> None:
    """Ours does, until its end."""
    now, receipt_id = datetime.now(UTC), uuid4()
    session = Signer(SECRET).session(receipt_id, now)
    assert Signer(SECRET).receipt_of(session, now) == receipt_id
    assert Signer(bytes(31) + b"1").receipt_of(session, now) is None


async def test_the_process_serves_the_page_and_ends_when_asked(
    desk: Desk, database: Database, stack: Stack, tmp_path: Path
) -> None:
    """With its own settings alone: nothing of intake's is in its environment."""
    url = str(desk.intake.context.settings.database_url)
    name = url.rpartition("/")[2].partition("?")[0]
    (tmp_path / "page-secret").write_text("00" * 32)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "LOTSE_PAGE_DATABASE_URL": stack.postgres.url(name, ROLE, PASSWORD),
        "LOTSE_PAGE_PARTNERS_DIR": str(ROOT / "deploy" / "partners"),
        "LOTSE_PAGE_SECRET_FILE": str(tmp_path / "page-secret"),
        "LOTSE_PAGE_HTTP_PORT": str(port),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.intake.page.app", cwd=ROOT, env=os.environ | settings
    )
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:

            async def is_ready() -> bool:
                with contextlib.suppress(httpx2.ConnectError):
                    return (await client.get("/health/ready")).status_code == 200
                return False

            assert await wait_for(is_ready, seconds=30)
            assert wording("de").page["login_how"] in (await client.get("/de/")).text
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 10) in (0, -15)


def test_a_process_without_its_settings_says_which_in_one_sentence() -> None:
    """And ends."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("LOTSE_PAGE_")}
    ended = subprocess.run(
        [sys.executable, "-m", "services.intake.page.app"],
        cwd=ROOT,
        env=bare,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    assert ended.stderr == "page: Setting LOTSE_PAGE_DATABASE_URL is missing or wrong; see docs/operations.md.\n"


def test_wrong_settings_are_named_and_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first that is missing or wrong; a secret that is none."""
    monkeypatch.setenv("LOTSE_PAGE_DATABASE_URL", "nonsense-that-is-secret")
    with pytest.raises(StartError, match="LOTSE_PAGE_DATABASE_URL") as refused:
        load_page_settings()
    assert "nonsense" not in str(refused.value)
    for text in ("", "zz", "ab"):
        (tmp_path / "secret").write_text(text)
        with pytest.raises(StartError, match="Secret file"):
            read_page_secret(tmp_path / "secret")
    with pytest.raises(StartError, match="missing"):
        read_page_secret(tmp_path / "none")
    (tmp_path / "secret").write_text("00" * 32)
    assert read_page_secret(tmp_path / "secret") == SECRET


async def test_the_page_says_who_was_told_what(desk: Desk, browser: httpx2.AsyncClient) -> None:
    """By the organisation's name and in the language of the page; nobody at first."""
    case_ref = await desk.register()
    await desk.consent(case_ref)
    await enter(browser, (await hand_out(desk, case_ref)).json()["code"])
    assert "Lotse hat noch niemandem etwas mitgeteilt." in (await browser.get("/de/consents")).text
    await informed(desk, desk.case_id(case_ref))
    for language, said in (("de", "dass Sie weitergeleitet werden"), ("ar", "أنه تتم إحالتك")):
        page = (await browser.get(f"/{language}/consents")).text
        assert said in page
        assert "Arbeiterwohlfahrt" in page
