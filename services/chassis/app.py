"""Starting a service: settings, database, its tasks by role, its API; and ending it in order."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import structlog
import uvicorn

from schemas.partner_file import PartnerFileError, load_partners
from services.chassis import db
from services.chassis.auth import Verifier, load_issuers
from services.chassis.config import Settings, StartError, load_settings, read_secret
from services.chassis.consume import Consumer
from services.chassis.context import Context, Service
from services.chassis.db import Database
from services.chassis.idempotency import FORGET_OLD_KEYS
from services.chassis.identity import check_identity
from services.chassis.log import configure_logging, describe
from services.chassis.migrate import check_migrated
from services.chassis.pairwise import load_references
from services.chassis.relay import Relay
from services.chassis.schedule import run_jobs
from services.chassis.supervise import Backoff, supervise
from services.chassis.wake import Waker
from services.chassis.web import create_app

log = structlog.get_logger()

GRACE_SECONDS = 5


def run(service: Service) -> None:
    """Run one process of a service until it gets SIGTERM or SIGINT. A wrong setting ends it with one sentence."""
    try:
        settings = load_settings()
        configure_logging(service.name, settings.log_level)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(service, settings))
    except StartError as error:
        sys.stderr.write(f"{service.name}: {error}\n")
        sys.exit(1)


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    import uvloop

    return uvloop.new_event_loop  # type: ignore[return-value]


async def _serve(service: Service, settings: Settings) -> None:
    async with open_context(service, settings) as context, running_tasks(service, context):
        server = _Server(
            uvicorn.Config(
                create_app(service, context),
                host=settings.http_host,
                port=settings.http_port,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        loop = asyncio.get_running_loop()
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, server.stop)
        log.info("service_started", port=settings.http_port, roles=sorted(settings.roles))
        await server.serve()
    log.info("service_stopped")


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling, which raises the signal again before our tasks have ended."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are ours."""
        yield

    def stop(self) -> None:
        """Take no new connections and end when the open requests are answered."""
        self.should_exit = True


@asynccontextmanager
async def open_context(service: Service, settings: Settings) -> AsyncIterator[Context]:
    """Everything a service needs, checked and open. Raises StartError naming what is wrong."""
    try:
        partners = load_partners(settings.partners_dir)
    except PartnerFileError as error:
        raise StartError(str(error)) from None
    references = load_references(settings, {partner.slug: partner.secrets.pairwise_key for partner in partners})
    verifier = Verifier(load_issuers(settings.issuers_file), frozenset(partners.slugs))
    secret = read_secret(settings, "idempotency")
    database = await _open_database(service.name, settings)
    try:
        async with database.transaction() as conn:
            await check_migrated(conn, service.name)
            source = await check_identity(conn, service.name, settings.agreement)
        log.info("database_checked", source=source)
        context = Context(service.name, settings, database, partners, references, verifier, secret)
        async with contextlib.AsyncExitStack() as stack:
            if service.resources is not None:
                context.resources = await stack.enter_async_context(service.resources(context))
            yield context
    finally:
        await database.close()


async def _open_database(name: str, settings: Settings) -> Database:
    """Wait for a database that is not there yet; its outage at our start is no reason to give up."""
    backoff = Backoff()
    while True:
        try:
            return await Database.open(str(settings.database_url), f"lotse-{name}")
        except Exception as error:
            if not db.is_transient(error):
                raise StartError(f"The database of {name} refuses the connection ({type(error).__name__}).") from None
            log.warning("database_not_reachable_yet", error=describe(error))
            await asyncio.sleep(backoff.next())


@asynccontextmanager
async def running_tasks(service: Service, context: Context) -> AsyncIterator[None]:
    """The supervised tasks of this process's roles, cancelled in the end."""
    settings = context.settings
    waker = Waker(str(settings.database_url), service.name)
    context.database.on_commit = waker.wake
    runs = {"waker": waker.run}
    handlers = service.handlers(context)
    if "consumer" in settings.roles and handlers.topics:
        runs["consumer"] = Consumer(service.name, settings, context.database, handlers).run
    if "relay" in settings.roles:
        runs["relay"] = Relay(service.name, settings).run
    if "jobs" in settings.roles:
        jobs = [*service.jobs(context), FORGET_OLD_KEYS]
        runs["jobs"] = lambda: run_jobs(context.database, jobs)
    tasks = [asyncio.create_task(supervise(name, each), name=name) for name, each in runs.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
