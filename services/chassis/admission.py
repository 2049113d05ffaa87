"""Whether changes are taken now: not while the service recovers, not past a full outbox.

Reads are always answered, and so is what `perform` is told to be urgent: a withdrawal must never wait for Kafka.
"""

import asyncio
from typing import Literal, TypeAlias, get_args

import structlog
from prometheus_client import Gauge

from services.chassis.db import Database
from services.chassis.metrics import REGISTRY
from services.chassis.problems import Refusal

log = structlog.get_logger()

Reason: TypeAlias = Literal["recovering", "outbox-full"]

LOOK_SECONDS = 1.0
# Opening again at the limit itself would open and close with every pass of the relay.
OPEN_AGAIN_BELOW = 0.8

RECOVERING = Refusal(
    503,
    "recovering",
    "This service is catching up after a restore. Nothing was stored; try again later, with the same Idempotency-Key.",
    retry_after_seconds=10,
)
OUTBOX_FULL = Refusal(
    503,
    "outbox-full",
    "Too many events wait for the bus. Nothing was stored; try again later, with the same Idempotency-Key.",
    retry_after_seconds=5,
)
# In the order in which they are told.
REFUSALS: dict[Reason, Refusal] = {"recovering": RECOVERING, "outbox-full": OUTBOX_FULL}

CLOSED = Gauge("lotse_admission_closed", "1: changes are refused for this reason", ["reason"], registry=REGISTRY)


class Admission:
    """Held by one process; closed for as long as any reason holds."""

    def __init__(self) -> None:
        self._closed: set[Reason] = set()
        for reason in get_args(Reason):
            CLOSED.labels(reason).set(0)

    def close(self, reason: Reason) -> None:
        """Take no changes until `open` is called for the same reason."""
        if reason not in self._closed:
            self._closed.add(reason)
            CLOSED.labels(reason).set(1)
            log.warning("admission_closed", reason=reason)

    def open(self, reason: Reason) -> None:
        """This reason is over; another may still hold."""
        if reason in self._closed:
            self._closed.remove(reason)
            CLOSED.labels(reason).set(0)
            log.info("admission_opened", reason=reason)

    def is_closed(self, reason: Reason) -> bool:
        """Whether this reason holds now."""
        return reason in self._closed

    def refusal(self, *reasons: Reason) -> Refusal | None:
        """Why changes are refused now; None when they are taken. `reasons`: look at these only."""
        closed = self._closed.intersection(reasons) if reasons else self._closed
        return next((refusal for reason, refusal in REFUSALS.items() if reason in closed), None)

    async def watch_outbox(self, database: Database, limit: int) -> None:
        """Close when more than `limit` events wait for the bus, open again below 80 % of it; until cancelled."""
        while True:
            depth = await depth_up_to(database, limit + 1)
            if depth > limit:
                self.close("outbox-full")
            elif depth < limit * OPEN_AGAIN_BELOW:
                self.open("outbox-full")
            await asyncio.sleep(LOOK_SECONDS)


async def depth_up_to(database: Database, most: int) -> int:
    """How many events wait for the bus, counting no further than `most`: it is asked every second.

    In the order of the index, which remembers the rows that are gone; the table itself is full of them.
    """
    async with database.reading() as conn:
        depth: int = await conn.fetchval(
            "select count(*) from (select 1 from chassis.outbox order by seq limit $1) as counted", most
        )
    return depth
