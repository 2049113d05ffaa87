"""Starting a service: settings, database, its tasks by role, its API; and ending it in order."""

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager

import structlog
import uvicorn

from schemas.partner_file import PartnerFileError, load_partners
from services.chassis import db
from services.chassis.access import FORGET_OLD_ACCESS
from services.chassis.auth import Verifier, load_issuers
from services.chassis.config import Settings, StartError, load_settings, read_secret
from services.chassis.consume import Consumer
from services.chassis.context import Context, Service
from services.chassis.db import Database
from services.chassis.idempotency import FORGET_OLD_KEYS
from services.chassis.identity import check_identity
from services.chassis.lag import LagWatch
from services.chassis.log import configure_logging, describe
from services.chassis.migrate import check_migrated
from services.chassis.pairwise import load_references
from services.chassis.recovery import Recovery, after
from services.chassis.relay import Relay
from services.chassis.schedule import run_jobs
from services.chassis.supervise import Backoff, Final, supervise
from services.chassis.tracing import configure_tracing, stop_tracing
from services.chassis.wake import Waker
from services.chassis.watchdog import ConsumerWatch, watched_loop
from services.chassis.web import create_app
from services.chassis.wire import BoundedHead

log = structlog.get_logger()

# Whoever asks a process to end kills it after ten seconds: open requests, tasks, connections share them.
GRACE_SECONDS = 3
TASKS_SECONDS = 2.0
# A batch makes tens of thousands of objects that live as long as it does, and Python's usual 700 has the collector go
# through them again and again for nothing: a quarter of what an event costs.
GARBAGE_THRESHOLDS = (50_000, 10, 10)


def run(service: Service) -> None:
    """Run one process of a service until it gets SIGTERM or SIGINT. A wrong setting ends it with one sentence."""
    try:
        settings = load_settings()
        configure_logging(service.name, settings.log_level)
        configure_tracing(service.name, settings)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(service, settings))
    except StartError as error:
        sys.stderr.write(f"{service.name}: {error}\n")
        sys.exit(1)
    finally:
        stop_tracing()


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    import uvloop

    return uvloop.new_event_loop  # type: ignore[return-value]


async def _serve(service: Service, settings: Settings) -> None:
    async with (
        watched_loop(settings.watchdog_seconds),
        open_context(service, settings) as context,
        running_tasks(service, context) as unfit,
    ):
        server = _Server(
            uvicorn.Config(
                create_app(service, context),
                host=settings.http_host,
                port=settings.http_port,
                http=BoundedHead,
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
        unfit.add_done_callback(lambda _: server.stop())
        log.info("service_started", port=settings.http_port, roles=sorted(settings.roles))
        await server.serve()
        if unfit.done() and not unfit.cancelled():
            unfit.result()
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
    gc.set_threshold(*GARBAGE_THRESHOLDS)
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
async def running_tasks(service: Service, context: Context) -> AsyncIterator["asyncio.Future[None]"]:
    """The supervised tasks of this process's roles, cancelled in the end.

    Yields a future that raises StartError when a task finds that this process must not go on.
    """
    settings = context.settings
    runs: dict[str, Callable[[], Awaitable[None]]] = {}
    if "api" in settings.roles and settings.outbox_limit:
        runs["admission"] = lambda: context.admission.watch_outbox(context.database, settings.outbox_limit)
    handlers = service.handlers(context)
    adoption = service.adoption(context)
    recovery = Recovery(service.name, settings, context.database, handlers.topics, adoption, context.admission)
    await recovery.begin()
    runs["recovery"] = recovery.run
    if "consumer" in settings.roles and handlers.topics:
        consumer = Consumer(service.name, settings, context.database, handlers)
        runs["consumer"] = after(recovery.before_reading, consumer.run)
        if settings.watchdog_seconds:
            runs["watchdog"] = ConsumerWatch(service.name, settings, consumer.progress).run
        runs["lag"] = LagWatch(service.name, settings, context.database, handlers.topics).run
    relay = Relay(service.name, settings, recovery.before_sending)
    if "relay" in settings.roles:
        runs["relay"] = relay.run
    waker = Waker(str(settings.database_url), service.name, relay.wake)
    runs["waker"] = waker.run
    context.database.on_commit = waker.wake
    if "jobs" in settings.roles:
        jobs = [*service.jobs(context), FORGET_OLD_KEYS, FORGET_OLD_ACCESS]
        runs["jobs"] = after(recovery.in_order, lambda: run_jobs(context.database, jobs))
    unfit: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    tasks = [asyncio.create_task(supervise(name, _or_unfit(each, unfit)), name=name) for name, each in runs.items()]
    try:
        yield unfit
    finally:
        await _cancel(tasks)
        unfit.cancel()


async def _cancel(tasks: Collection["asyncio.Task[None]"]) -> None:
    """Let the tasks end in order, which takes a dead broker or a held lock too long: then cut that short."""
    for _ in range(2):
        for task in tasks:
            task.cancel()
        _, late = await asyncio.wait(tasks, timeout=TASKS_SECONDS)
        if not late:
            return
        log.warning("tasks_cut_short", tasks=sorted(task.get_name() for task in late))


def _or_unfit(run: Callable[[], Awaitable[None]], unfit: "asyncio.Future[None]") -> Callable[[], Awaitable[None]]:
    """A task whose StartError ends the whole process instead of the task alone."""

    async def running() -> None:
        try:
            await run()
        except StartError as error:
            if not unfit.done():
                unfit.set_exception(error)
            raise Final(str(error)) from error

    return running
