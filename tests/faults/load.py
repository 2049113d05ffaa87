"""The load: cases and offers of the partners, written through the real APIs, each step decided by a seed."""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

from tests.faults.cases import CaseWorker, Refused
from tests.faults.checker import Fault, Finding
from tests.faults.client import Client, NoAnswer
from tests.faults.ears import Ears
from tests.faults.ledger import Ledger
from tests.faults.people import CITY, OFFERING, offer_state

OFFER_PAUSE_SECONDS = 0.4
INFORMATION_PAUSE_SECONDS = 0.7
MOST_CHANGES_OF_AN_OFFER = 6


Work: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


@dataclass
class Pace:
    """How much: new cases a second, cases open at once, the longest pause between two steps of a case."""

    cases_per_second: float
    open_cases: int
    think_seconds: float


@dataclass
class Load:
    """Everybody who writes, until told to stop."""

    client: Client
    ledger: Ledger
    ears: Ears
    resolve: Callable[[str, str], str]
    pace: Pace
    seed: str
    findings: list[Finding] = field(default_factory=list)
    cases: int = 0
    _running: set[asyncio.Task[None]] = field(default_factory=set)
    _writers: list[asyncio.Task[None]] = field(default_factory=list)
    _stopping: bool = False
    offers: dict[str, str] = field(default_factory=dict)

    async def start(self) -> None:
        """Publish the offers people are referred to, and begin."""
        rng = random.Random(f"{self.seed}:offers")  # noqa: S311 - repeatable, not secret
        for unit in OFFERING:
            self.offers[unit] = await self._publish(rng, unit)
        clerks: list[Work] = [partial(self._keep_offers, unit) for unit in OFFERING]
        clerks += [partial(self._inform, CITY), self._open_cases]
        self._writers = [asyncio.create_task(self._guarded(each)) for each in clerks]

    async def stop(self) -> None:
        """Open no more cases, finish those that are open, and let everybody come to an end."""
        self._stopping = True
        await asyncio.gather(*self._writers)
        await asyncio.gather(*self._running)

    async def cancel(self) -> None:
        """Leave everything as it is."""
        for task in (*self._writers, *self._running):
            task.cancel()
        await asyncio.gather(*self._writers, *self._running, return_exceptions=True)

    async def _guarded(self, work: Work) -> None:
        """A refusal nobody expects and an answer that never comes are findings, and so is a test that is broken."""
        try:
            await work()
        except (Refused, NoAnswer) as error:
            self.findings.append(Finding(Fault.ANSWER, "client", str(error)))
        except Exception as error:  # nobody waits for a case that has ended: it must not be missed
            self.findings.append(Finding(Fault.STOPPED, "client", repr(error)))

    async def _open_cases(self) -> None:
        began = time.monotonic()
        while not self._stopping:
            due = int((time.monotonic() - began) * self.pace.cases_per_second)
            if self.cases < due and len(self._running) < self.pace.open_cases:
                self._open_case()
            else:
                began = max(began, time.monotonic() - (self.cases + 1) / self.pace.cases_per_second)
                await asyncio.sleep(0.02)

    def _open_case(self) -> None:
        self.cases += 1
        worker = CaseWorker(
            self.client,
            self.ledger,
            self.ears,
            self.resolve,
            self.offers,
            random.Random(f"{self.seed}:{self.cases}"),  # noqa: S311 - repeatable, not secret
            random.Random(f"{self.seed}:{self.cases}:keys"),  # noqa: S311 - the same
            self.pace.think_seconds,
        )
        task = asyncio.create_task(self._guarded(worker.run), name=f"case-{self.cases}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _keep_offers(self, unit: str) -> None:
        """Publish an offer, change it a few times, withdraw it, and begin again."""
        rng = random.Random(f"{self.seed}:{unit}")  # noqa: S311 - repeatable, not secret
        while not self._stopping:
            await self._one_offer(rng, unit)

    async def _one_offer(self, rng: random.Random, unit: str) -> None:
        offer_id = await self._publish(rng, unit)
        said, path = "rev 0", f"/v1/offers/{offer_id}"
        etag = (await self.client.ask(None, unit, "referral", "GET", path)).etag
        for revision in range(1, rng.randint(1, MOST_CHANGES_OF_AN_OFFER) + 1):
            await asyncio.sleep(rng.uniform(0, 2 * OFFER_PAUSE_SECONDS))
            new = f"rev {revision}"
            answer = await self.client.ask(rng, unit, "referral", "PUT", path, offer_state(unit, new), etag)
            if not answer.is_done:
                raise Refused(f"PUT {path}: {answer.status} {answer.body}")
            changes = [{"field": "description", "previous": said, "new": new}]
            self.ledger.note("offer.changed", offer_id, unit, description=new, changes=changes)
            said, etag = new, answer.etag
            if self._stopping:
                return
        answer = await self.client.ask(rng, unit, "referral", "POST", f"{path}/withdraw")
        if not answer.is_done:
            raise Refused(f"POST {path}/withdraw: {answer.status} {answer.body}")
        self.ledger.note("offer.withdrawn", offer_id, unit, description=said)

    async def _publish(self, rng: random.Random, unit: str) -> str:
        answer = await self.client.ask(rng, unit, "referral", "POST", "/v1/offers", offer_state(unit, "rev 0"))
        if not answer.is_done:
            raise Refused(f"POST /v1/offers: {answer.status} {answer.body}")
        offer_id = str(answer.body["offer_id"])
        self.ledger.note("offer.published", offer_id, unit, description="rev 0")
        return offer_id

    async def _inform(self, unit: str) -> None:
        """Count people told of the offers."""
        rng = random.Random(f"{self.seed}:{unit}:information")  # noqa: S311 - repeatable, not secret
        while not self._stopping:
            said = {"language": "ar", "count": rng.randint(1, 5)}
            answer = await self.client.ask(rng, unit, "intake", "POST", "/v1/information", said)
            if not answer.is_done:
                raise Refused(f"POST /v1/information: {answer.status} {answer.body}")
            self.ledger.note("information.counted", unit, unit, count=said["count"])
            await asyncio.sleep(rng.uniform(0, 2 * INFORMATION_PAUSE_SECONDS))
