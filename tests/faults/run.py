"""One scenario from the first change to the verdict: load before, during and after its fault."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import asyncpg

from tests.faults.checker import (
    COUNTED_AS_LOST,
    COUNTED_AS_OUT_OF_ORDER,
    Fault,
    Finding,
    check_facts,
    check_numbering,
    missing,
)
from tests.faults.client import Client
from tests.faults.ears import Ears
from tests.faults.expected import Expected, expectations, expected_of
from tests.faults.ledger import Ledger
from tests.faults.load import Load, Pace
from tests.faults.numbers import Numbers, check_numbers, numbers_in
from tests.faults.people import CITY, PARTNERS
from tests.faults.site import NAMES, Site

POLL_SECONDS = 0.1
SILENCE_SECONDS = 1.0
SUPERVISED_SECONDS = 1.0
BROUGHT_ABOUT_SECONDS = 60.0
# Where something is lost already, what was on its way when the load was broken off may still come.
LOST_SECONDS = 15.0


@dataclass(frozen=True)
class Sizes:
    """How long and how much. cases: at least so many are begun. quiet_seconds: how long everything may take to arrive.
    patience_seconds: how long a client asks for an answer.

    scale: how much longer or shorter than in `make faults` a fault is.
    """

    before_seconds: float
    after_seconds: float
    cases: int
    pace: Pace
    quiet_seconds: float
    patience_seconds: float
    scale: float
    seed: int = 2014

    def seconds(self, full: float) -> float:
        """The length of a fault that takes `full` seconds in `make faults`."""
        return full * self.scale


SHORT = Sizes(1.0, 1.0, 15, Pace(4, 30, 0.15), 60, 60, scale=0.2)
# What is lost for good need not be waited for long.
BROKEN = Sizes(1.0, 0.5, 15, Pace(4, 30, 0.15), 10, 60, scale=0.2)
FULL = Sizes(4.0, 4.0, 200, Pace(10, 100, 0.5), 180, 600, scale=1.0)
SOAK = Sizes(20.0, 20.0, 1000, Pace(10, 200, 1.0), 600, 1800, scale=3.0)


@dataclass(frozen=True)
class Result:
    """What one scenario came to."""

    name: str
    acknowledged: int
    received: int
    recovery_seconds: float
    findings: Sequence[Finding]
    cases: int
    trouble: Mapping[str, int]

    @property
    def lost(self) -> int:
        return sum(finding.fault in COUNTED_AS_LOST for finding in self.findings)

    @property
    def out_of_order(self) -> int:
        return sum(finding.fault in COUNTED_AS_OUT_OF_ORDER for finding in self.findings)


@dataclass
class Run:
    """A scenario while it runs."""

    site: Site
    sizes: Sizes
    ears: Ears
    ledger: Ledger
    client: Client
    load: Load
    parked: set[str] = field(default_factory=set)
    """Cases that the scenario parks on purpose."""
    has_lost: bool = False
    """Whether something did not arrive for as long as was waited: not much more waiting then."""

    async def in_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Do what blocks while the load goes on."""
        return await asyncio.to_thread(work, *arguments)

    async def kill(self, *names: str) -> None:
        """kill -9 of services."""
        await self.in_thread(self.site.kill, *names)

    async def start(self, *names: str) -> None:
        """Start services again."""
        await self.in_thread(self.site.start, *names)

    async def until(self, condition: Callable[[], Any], claim: str) -> None:
        """Wait for something that the scenario itself brings about. Raises TimeoutError when it does not come."""
        deadline = time.monotonic() + max(self.sizes.quiet_seconds, BROUGHT_ABOUT_SECONDS)
        while not await self.in_thread(condition):
            if time.monotonic() > deadline:
                raise TimeoutError(claim)
            await asyncio.sleep(POLL_SECONDS)

    async def sql(self, service: str, statements: str) -> None:
        """Statements as PostgreSQL's administrator in a service's database."""
        async with self._admin(service) as conn:
            await conn.execute(statements)

    async def rows(self, service: str, statement: str) -> list[Any]:
        """The rows of one statement, asked in the same way."""
        async with self._admin(service) as conn:
            found: list[Any] = await conn.fetch(statement)
            return found

    @asynccontextmanager
    async def _admin(self, service: str) -> AsyncIterator[asyncpg.Connection]:
        conn = await asyncpg.connect(self.site.admin_url(service), timeout=10)
        try:
            yield conn
        finally:
            await conn.close()

    def expected(self) -> list[Expected]:
        """What is to be heard of all that was acknowledged so far."""
        return expectations(self.ledger, PARTNERS)

    async def until_arrived(self) -> bool:
        """Wait until all that was acknowledged when this was called has arrived; returns whether it has.

        Gives up after `quiet_seconds`: what is missing then is found by the checker.
        """
        deadline, last = time.monotonic() + self.sizes.quiet_seconds, len(self.ledger.changes)
        waiting = self.expected()
        while waiting := missing(waiting, self.ears.seen):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_SECONDS)
            waiting = self._still_expected(waiting, last)
        return True

    def _still_expected(self, waiting: Sequence[Expected], last: int) -> list[Expected]:
        """The same as the ledger sees it now: what a withdrawal has overtaken need not come any more."""
        subjects = {self.ledger.changes[each.number - 1].about for each in waiting}
        now = (each for about in sorted(subjects) for each in expected_of(self.ledger.of(about), PARTNERS))
        return [each for each in now if each.number <= last]

    async def until_quiet(self) -> None:
        """Wait until nothing waits in an outbox and nothing more arrives; bounded."""
        deadline = time.monotonic() + min(self.sizes.quiet_seconds, LOST_SECONDS if self.has_lost else math.inf)
        silent_since, count = time.monotonic(), self.ears.count
        while time.monotonic() - silent_since < SILENCE_SECONDS and time.monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS)
            if self.ears.count != count or await self.outbox_depth():
                silent_since, count = time.monotonic(), self.ears.count

    async def outbox_depth(self) -> int:
        """How many rows wait for the bus, in all services."""
        rows = [await self.rows(name, "select count(*) from chassis.outbox") for name in NAMES]
        return sum(int(found[0][0]) for found in rows)

    async def numbers(self) -> Numbers:
        """Reporting's numbers now."""
        answer = await self.client.ask(None, CITY, "reporting", "GET", "/v1/compliance")
        return numbers_in(answer.body)

    async def until_parked(self, case_id: str, name: str) -> None:
        """Wait until a service has parked a case."""
        async with asyncio.timeout(self.sizes.quiet_seconds):
            while case_id not in await self._parked_at(name):  # noqa: ASYNC110 - it is in PostgreSQL
                await asyncio.sleep(POLL_SECONDS)

    async def _parked_at(self, name: str) -> set[str]:
        rows = await self.rows(name, "select key from chassis.key where parked_at is not null")
        return {row["key"].replace("-", "") for row in rows}

    async def check_numbers(self, before: Numbers) -> list[Finding]:
        """What reporting counted otherwise than the ledger, once it has had time to count."""
        deadline = time.monotonic() + self.sizes.quiet_seconds * (not self.has_lost)
        while found := check_numbers(before, await self.numbers(), self.ledger):
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(POLL_SECONDS)
        return found

    async def check_parked(self) -> list[Finding]:
        """Keys that are parked though nobody poisoned them."""
        parked = {name: await self._parked_at(name) for name in NAMES}
        return [Finding(Fault.PARKED, name, key) for name, keys in parked.items() for key in sorted(keys - self.parked)]


Strike = Callable[[Run], Awaitable[None]]
"""A fault: returns when it is over."""


async def play(site: Site, name: str, strike: Strike, sizes: Sizes) -> Result:
    """Run one scenario on a site and judge it."""
    async with _running(site, name, sizes) as run:
        before, since, heard = await run.numbers(), run.ears.last_numbers(), run.ears.count
        await run.load.start()
        await asyncio.sleep(sizes.before_seconds)
        await run.until_arrived()
        await strike(run)
        recovery = await _recover(run)
        await run.until_quiet()
        findings = await _judge(run, before, since)
        return Result(
            name=name,
            acknowledged=len(run.ledger.changes),
            received=run.ears.count - heard,
            recovery_seconds=recovery,
            findings=findings,
            cases=run.load.cases,
            trouble=dict(run.client.trouble),
        )


def broken_off(name: str, error: Exception) -> Result:
    """What is left of a scenario that did not come to its end: nothing was judged, and that is a finding."""
    return Result(name, 0, 0, 0.0, [Finding(Fault.STOPPED, "nobody", repr(error))], 0, {})


async def _recover(run: Run) -> float:
    """Wait for everything, then let the load come to its end; returns the seconds until all had arrived."""
    began = time.monotonic()
    has_arrived = await run.until_arrived()
    seconds = time.monotonic() - began
    if not has_arrived:
        # Cases that wait for what is lost would never come to an end.
        run.has_lost = True
        await run.load.cancel()
        return seconds
    await asyncio.sleep(run.sizes.after_seconds)
    await _enough_cases(run)
    await run.load.stop()
    await run.until_arrived()
    return seconds


async def _judge(run: Run, before: Numbers, since: Mapping[str, int]) -> list[Finding]:
    findings = [*run.load.findings, *check_numbering(run.ears.streams)]
    findings += check_facts(run.expected(), run.ears.since(since))
    findings += await run.check_numbers(before)
    findings += await run.check_parked()
    if failures := run.client.trouble["500"]:
        findings.append(Finding(Fault.ANSWER, "client", f"{failures} times 500"))
    return findings


async def _enough_cases(run: Run) -> None:
    """A fault that is soon over is followed by load until the number of cases is reached."""
    while run.load.cases < run.sizes.cases:  # noqa: ASYNC110 - looked at a few times a second
        await asyncio.sleep(POLL_SECONDS)


@asynccontextmanager
async def _running(site: Site, name: str, sizes: Sizes) -> AsyncIterator[Run]:
    resolve = site.resolver()
    ears, ledger = Ears(site.credentials(), resolve), Ledger(site.stack.layout.log / "ledger.jsonl")
    tokens: dict[str, str] = {}

    def token(unit: str) -> str:
        if unit not in tokens:
            tokens[unit] = site.token(unit)
        return tokens[unit]

    urls = {name: site.url(name) for name in NAMES}
    connector = aiohttp.TCPConnector(limit=2 * sizes.pace.open_cases)
    async with aiohttp.ClientSession(connector=connector) as http, ears.listening():
        client = Client(http, urls, token, sizes.patience_seconds)
        # Two scenarios on one site must not use the same Idempotency-Keys.
        load = Load(client, ledger, ears, resolve, sizes.pace, f"{sizes.seed} {name}")
        run = Run(site, sizes, ears, ledger, client, load)
        await _caught_up(run)
        supervisor = asyncio.create_task(_supervise(run))
        try:
            yield run
        finally:
            supervisor.cancel()
            await asyncio.gather(supervisor, return_exceptions=True)
            await load.cancel()
            ledger.close()


async def _supervise(run: Run) -> None:
    """What `lotse up` does, or any supervisor of processes: a service that ends by itself is started again."""
    while True:
        await asyncio.sleep(SUPERVISED_SECONDS)
        for name in await run.in_thread(run.site.keep_up):
            run.client.trouble[f"{name} ended by itself"] += 1


async def _caught_up(run: Run) -> None:
    """Read the streams of a site that was used before to their ends. Raises TimeoutError when that takes too long."""
    rows = await run.rows("notifier", "select partner, next_number - 1 as last from notifier.stream")
    wanted = {row["partner"]: row["last"] for row in rows}
    await run.until(lambda: wanted.items() <= run.ears.last_numbers().items(), f"all has been read up to {wanted}")
    await run.until_quiet()
