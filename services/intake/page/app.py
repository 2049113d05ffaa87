"""The page's process: `python -m services.intake.page.app`. Plain HTML, no script, GET changes nothing."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from datetime import datetime
from importlib import resources
from typing import NamedTuple
from urllib.parse import parse_qs

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schemas import Topic
from schemas.codes import ConsentState, WithdrawalChannel
from schemas.partner_file import PartnerFileError, Partners, load_partners
from services.chassis import db
from services.chassis.config import StartError
from services.chassis.db import Database
from services.chassis.keys import Key, lock_keys
from services.chassis.log import configure_logging, describe
from services.intake.commands.consents import withdraw_consent
from services.intake.model.consents import Consent
from services.intake.page import store, views
from services.intake.page.entering import Door
from services.intake.page.sessions import COOKIE, Signer
from services.intake.page.settings import load_page_settings, read_page_secret
from services.intake.page.store import OpenReceipt
from services.intake.paper.wording import GERMAN, LANGUAGES, Wording, wording
from services.intake.store import consents

log = structlog.get_logger()

LONGEST_FORM = 4096
ANYBODY = ""


class Page(NamedTuple):
    """What the process has open."""

    database: Database
    signer: Signer
    partners: Partners
    door: Door


class Visit(NamedTuple):
    """Somebody who is in."""

    receipt: OpenReceipt
    session: str
    now: datetime


class SignedOut(Exception):
    """The visit is over, or never began."""


def create_page(database: Database, secret: bytes, partners: Partners) -> Starlette:
    """The application on an open database."""
    signer = Signer(secret)
    routes = [
        Route("/", _home),
        Route("/style.css", _style),
        Route("/health/ready", _ready),
        Route("/{language}/", _login),
        Route("/{language}/", _enter, methods=["POST"]),
        Route("/{language}/consents", _overview),
        Route("/{language}/consents/{handle}/withdraw", _confirm),
        Route("/{language}/consents/{handle}/withdraw", _withdraw, methods=["POST"]),
        Route("/{language}/leave", _leave, methods=["POST"]),
    ]
    app = Starlette(
        routes=routes,
        exception_handlers={SignedOut: _signed_out, HTTPException: _no_page},
    )
    app.add_middleware(Edge)
    app.state.page = Page(database, signer, partners, Door(database, signer))
    return app


class Edge:
    """Every answer keeps out of caches, frames and other sites' hands, and nothing above sees an exception."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI call."""
        began = False

        async def safe(message: Message) -> None:
            nonlocal began
            began = True
            if message["type"] == "http.response.start":
                added = [(name.lower().encode(), value.encode()) for name, value in views.SAFE.items()]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        try:
            await self._app(scope, receive, safe)
        except ClientDisconnect:
            return
        except Exception as error:
            if began:
                raise
            await _failed(scope["path"], error)(scope, receive, safe)


def _page(request: Request) -> Page:
    page: Page = request.app.state.page
    return page


def _words(request: Request) -> Wording:
    language = request.path_params.get("language", GERMAN)
    if language not in LANGUAGES:
        raise HTTPException(404)
    return wording(language)


async def _visit(request: Request) -> Visit:
    """Who is in. Raises SignedOut; asked again at every step, since a receipt may be blocked meanwhile."""
    page, session = _page(request), request.cookies.get(COOKIE, "")
    async with page.database.reading() as conn:
        now = await db.now(conn)
        receipt_id = page.signer.receipt_of(session, now)
        receipt = await store.receipt_by_id(conn, receipt_id) if receipt_id else None
    if receipt is None:
        raise SignedOut
    return Visit(receipt, session, now)


async def _form(request: Request) -> dict[str, str]:
    """What a form of ours sent: few short fields. Raises HTTPException 400 for anything else."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_FORM:
            raise HTTPException(400)
    try:
        fields = parse_qs(body.decode(), max_num_fields=10)
    except ValueError:
        raise HTTPException(400) from None
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise HTTPException(400)
    return {name: values[0] for name, values in fields.items()}


async def _home(request: Request) -> Response:
    """To the first language of the browser's that there is."""
    asked = (
        part.partition(";")[0].strip().lower()[:2] for part in request.headers.get("accept-language", "").split(",")
    )
    return RedirectResponse(f"/{next((each for each in asked if each in LANGUAGES), GERMAN)}/", 303)


async def _style(_request: Request) -> Response:
    css = (resources.files("services.intake.page") / "templates" / "style.css").read_text(encoding="utf-8")
    return PlainTextResponse(css, media_type="text/css")


async def _ready(request: Request) -> Response:
    async with _page(request).database.reading() as conn:
        await conn.fetchval("select 1")
    return PlainTextResponse("ready")


async def _login(request: Request) -> Response:
    return _login_page(request, "")


def _login_page(request: Request, message: str, status: int = 200) -> Response:
    token = _page(request).signer.form_token(ANYBODY, "enter")
    return views.render("login.html", _words(request), status, token=token, message=message, place="")


async def _enter(request: Request) -> Response:
    words, page, form = _words(request), _page(request), await _form(request)
    if not page.signer.is_form_token(form.get("token", ""), ANYBODY, "enter"):
        return _login_page(request, words.page["stale"], 400)
    address = request.client.host if request.client else ""
    receipt = await page.door.open(form.get("code", ""), form.get("pin", ""), address)
    if receipt is None:
        log.info("page_not_opened")
        return _login_page(request, words.page["wrong"], 403)
    async with page.database.reading() as conn:
        now = await db.now(conn)
    answer = RedirectResponse(f"/{words.language}/consents", 303)
    # Without an age: it goes with the browser, and its signature ends after 15 minutes anyway.
    session = page.signer.session(receipt.receipt_id, now)
    answer.set_cookie(COOKIE, session, secure=True, httponly=True, samesite="strict", path="/")
    log.info("page_opened", receipt_id=str(receipt.receipt_id))
    return answer


async def _overview(request: Request) -> Response:
    words, page, visit = _words(request), _page(request), await _visit(request)
    async with page.database.reading() as conn:
        found = await consents.consents_of_case(conn, visit.receipt.case_id)
        fetches = await store.fetches(conn, visit.receipt.receipt_id)
        told = await store.told(conn, visit.receipt.receipt_id)
    answered = [each for each in found if each.state is not ConsentState.REQUESTED]
    valid = [each for each in answered if each.is_valid_at(visit.now)]
    over = [each for each in answered if not each.is_valid_at(visit.now)]
    return views.render(
        "overview.html",
        words,
        place="consents",
        valid=[views.about(each, visit.receipt, page.signer, words, page.partners) for each in valid],
        ended=[views.ended(each, words, page.partners, visit.now) for each in over],
        fetches=[views.fetched(each, words, page.partners) for each in fetches],
        told=[views.told(each, words, page.partners) for each in told],
        token=page.signer.form_token(visit.session, "leave"),
        done="done" in request.query_params,
    )


async def _consent(request: Request, visit: Visit) -> Consent:
    """The consent in an address. Raises HTTPException 404 when it is not this person's."""
    page, handle = _page(request), request.path_params["handle"]
    async with page.database.reading() as conn:
        found = await consents.consents_of_case(conn, visit.receipt.case_id)
    for each in found:
        if page.signer.handle(visit.receipt.receipt_id, each.consent_id) == handle:
            return each
    raise HTTPException(404)


async def _confirm(request: Request) -> Response:
    words, page, visit = _words(request), _page(request), await _visit(request)
    consent = await _consent(request, visit)
    if not consent.is_valid_at(visit.now):
        return RedirectResponse(f"/{words.language}/consents", 303)
    about = views.about(consent, visit.receipt, page.signer, words, page.partners)
    token = page.signer.form_token(visit.session, about["handle"])
    place = f"consents/{about['handle']}/withdraw"
    return views.render("confirm.html", words, place=place, consent=about, token=token)


async def _withdraw(request: Request) -> Response:
    """The person takes a consent back. Pressed twice, it is withdrawn once."""
    words, page, visit, form = _words(request), _page(request), await _visit(request), await _form(request)
    if not page.signer.is_form_token(form.get("token", ""), visit.session, request.path_params["handle"]):
        raise HTTPException(400)
    consent = await _consent(request, visit)
    async with page.database.transaction() as conn:
        await lock_keys(conn, [Key(Topic.CASES, str(consent.case_id))])
        now = await db.now(conn)
        refusal = await withdraw_consent(conn, consent.consent_id, None, WithdrawalChannel.PERSON_PAGE, now)
    if refusal is not None:
        raise HTTPException(404)
    log.info("consent_withdrawn_on_page", receipt_id=str(visit.receipt.receipt_id))
    return RedirectResponse(f"/{words.language}/consents?done", 303)


async def _leave(request: Request) -> Response:
    words, visit, form = _words(request), await _visit(request), await _form(request)
    if not _page(request).signer.is_form_token(form.get("token", ""), visit.session, "leave"):
        raise HTTPException(400)
    answer = RedirectResponse(f"/{words.language}/", 303)
    answer.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")
    return answer


async def _signed_out(request: Request, _error: Exception) -> Response:
    return _login_page(request, _words(request).page["over"], 401)


async def _no_page(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    words = _words_of(request.url.path)
    message = words.page["stale" if status == 400 else "missing"]
    return views.render("message.html", words, status, place="", message=message)


def _failed(path: str, error: Exception) -> Response:
    if db.is_transient(error):
        log.warning("page_not_served_now", error=describe(error))
    else:
        log.error("page_failed", error=describe(error))
    words = _words_of(path)
    return views.render("message.html", words, 503, place="", message=words.page["later"])


def _words_of(path: str) -> Wording:
    language = path.split("/")[1]
    return wording(language if language in LANGUAGES else GERMAN)


@contextlib.asynccontextmanager
async def _open() -> AsyncIterator[tuple[Starlette, str, int]]:
    settings = load_page_settings()
    secret = read_page_secret(settings.secret_file)
    try:
        partners = load_partners(settings.partners_dir)
    except PartnerFileError as error:
        raise StartError(str(error)) from None
    database = await Database.open(str(settings.database_url), "lotse-page", max_size=4)
    try:
        yield create_page(database, secret, partners), settings.http_host, settings.http_port
    finally:
        await database.close()


async def _serve() -> None:
    async with _open() as (app, host, port):
        config = uvicorn.Config(
            app, host=host, port=port, log_config=None, access_log=False, lifespan="off", server_header=False
        )
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    configure_logging("page", "info")
    try:
        asyncio.run(_serve())
    except StartError as error:
        sys.stderr.write(f"page: {error}\n")
        sys.exit(1)
