"""How long an event takes: from its commit to its effect in another service, and to the partner's stream.

Both begin at `ce_time`, which the producer reads under the lock shortly before its commit, and end by the clock of the
reading service's database: as right as the two databases' clocks agree.
"""

import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from services.chassis import db
from services.chassis.db import Connection
from services.chassis.metrics import REGISTRY

BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600)
STREAMS = "lotse.partner."


class Latency(Collector):
    """A histogram that takes a batch of values at once; the library's own locks for each, too slow for 44k/s."""

    def __init__(self, name: str, documentation: str, registry: CollectorRegistry) -> None:
        self._name = name
        self._documentation = documentation
        self._counts = [0] * (len(BUCKETS) + 1)
        self._sum = 0.0
        registry.register(self)

    def observe(self, seconds: Iterable[float]) -> None:
        """Count values; what the clocks make negative counts as 0."""
        counts = self._counts
        for each in seconds:
            counts[bisect_left(BUCKETS, each)] += 1
            if each > 0:
                self._sum += each

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """What has been counted so far, in Prometheus's cumulative form."""
        bounds = [*(str(float(bound)) for bound in BUCKETS), "+Inf"]
        total, cumulative = 0, list[tuple[str, float]]()
        for bound, count in zip(bounds, self._counts, strict=True):
            total += count
            cumulative.append((bound, total))
        yield HistogramMetricFamily(self._name, self._documentation, buckets=cumulative, sum_value=self._sum)


TO_APPLIED = Latency("lotse_commit_to_applied_seconds", "From an event's commit to its effect's commit", REGISTRY)
TO_STREAM = Latency("lotse_commit_to_stream_seconds", "From an event's commit to the partner's stream", REGISTRY)


class Stopwatch:
    """Goes on from a time that the database told, so that it need not be asked again after the commit."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._began = time.perf_counter()

    def since(self, moments: Iterable[datetime]) -> list[float]:
        """The seconds from each of these moments until now."""
        passed = time.perf_counter() - self._began
        return [(self._now - moment).total_seconds() + passed for moment in moments]


class SentRow(Protocol):
    """What is read of an outbox row that was sent."""

    @property
    def seq(self) -> int: ...
    @property
    def topic(self) -> str: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


async def observe_streams(conn: Connection, rows: Sequence[SentRow], acknowledged: Iterable[int]) -> None:
    """Count what Kafka has just taken for partners' streams."""
    sent = frozenset(acknowledged)
    told = [row for row in rows if row.topic.startswith(STREAMS) and row.seq in sent]
    if told:
        now = await db.now(conn)
        TO_STREAM.observe((now - _time_of(row)).total_seconds() for row in told)


def _time_of(row: SentRow) -> datetime:
    raw = next(value for name, value in row.headers if name == "ce_time")
    return datetime.fromisoformat(raw.decode())
