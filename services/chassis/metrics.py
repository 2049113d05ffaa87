"""What a process counts, and what it looks up in its database when Prometheus asks.

Labels take few values that are known beforehand: never an id, a path, or a word that a caller chose.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiokafka.errors import KafkaError
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from services.chassis import db
from services.chassis.db import Connection, Database

# Else each counter and histogram brings along when it was made, which nobody asks.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library gives it no hints

REGISTRY = CollectorRegistry()
# Memory, processor time, open files, start: of the process itself.
ProcessCollector(registry=REGISTRY)

APPLIED = Counter("lotse_events_applied", "Events applied by the consumer", registry=REGISTRY)
DUPLICATES = Counter("lotse_events_duplicate", "Events seen before and skipped", registry=REGISTRY)
PARKED = Counter("lotse_events_parked", "Records kept as dead letters", ["code"], registry=REGISTRY)
BATCH_RETRIES = Counter("lotse_batch_retries", "Batches that were tried again", registry=REGISTRY)
ABANDONED = Counter("lotse_batches_abandoned", "Batches another process had gone past", registry=REGISTRY)
RELAYED = Counter("lotse_events_relayed", "Outbox rows acknowledged by Kafka", registry=REGISTRY)
RELAY_FAILURES = Counter("lotse_relay_failures", "Batches that Kafka did not take", ["reason"], registry=REGISTRY)
RESTARTS = Counter("lotse_task_restarts", "Supervised tasks started again", ["task"], registry=REGISTRY)
STOPPED = Gauge("lotse_task_stopped", "1: the task stopped for good and a human is needed", ["task"], registry=REGISTRY)
REQUESTS = Histogram(
    "lotse_http_request_seconds", "Time of HTTP answers", ["method", "route", "status"], registry=REGISTRY
)
LOGGED = Counter("lotse_log_events", "Warnings and errors in the log", ["level", "event"], registry=REGISTRY)
SPANS_LOST = Counter("lotse_spans_lost", "Spans that the collector of traces did not take", registry=REGISTRY)

KAFKA_UP = Gauge("lotse_kafka_up", "0: the broker did not answer the last look at the lag", registry=REGISTRY)
# A process that does not look has nothing to say; 0 would be an alarm.
KAFKA_UP.set(float("nan"))
LAG = Gauge("lotse_consumer_lag", "Events on the bus that the service has not read yet", ["topic"], registry=REGISTRY)
STALLED = Gauge(
    "lotse_consumer_stalled_seconds",
    "How long events have been waiting without any being read; 0 where none waits",
    ["topic"],
    registry=REGISTRY,
)

DATABASE_UP = Gauge("lotse_database_up", "0: the database did not answer this request", registry=REGISTRY)
OUTBOX_DEPTH = Gauge("lotse_outbox_depth", "Events waiting for Kafka", registry=REGISTRY)
OUTBOX_AGE = Gauge("lotse_outbox_age_seconds", "Age of the oldest event waiting for Kafka", registry=REGISTRY)
PARKED_KEYS = Gauge("lotse_parked_keys", "Keys that wait for a human or new code", registry=REGISTRY)
PARKED_AGE = Gauge("lotse_parked_age_seconds", "How long the longest parked key has been waiting", registry=REGISTRY)
DEAD_LETTERS = Gauge("lotse_dead_letters", "Records kept because they could not be applied", registry=REGISTRY)
KEYLESS = Gauge("lotse_dead_letters_without_key", "Dead letters without a usable key", registry=REGISTRY)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
STATE_SECONDS = 3.0
# Counting a million rows at every scrape would be work of its own: beyond this, PostgreSQL's estimate will do.
COUNTED_EXACTLY = 10_000

# Each part reads an index or stops at the limit, whatever the tables hold. `order by seq`: the index remembers which
# rows are gone, a walk over the table meets every one the relay deleted since the last vacuum.
_STATE = """
with waiting as (select count(*) as rows from (select 1 from chassis.outbox order by seq limit $1 + 1) as counted)
select case when waiting.rows <= $1 then waiting.rows
            else greatest(waiting.rows, pg_stat_get_live_tuples('chassis.outbox'::regclass)) end as outbox_depth,
       (select extract(epoch from clock_timestamp() - created_at) from chassis.outbox order by seq limit 1)
           as outbox_age,
       (select count(*) from chassis.key where parked_at is not null) as parked_keys,
       (select extract(epoch from chassis.lotse_now() - min(parked_at)) from chassis.key
        where parked_at is not null) as parked_age,
       (select count(*) from (select 1 from chassis.dead_letter limit $1 + 1) as counted) as dead_letters,
       (select coalesce(sum(keyless.rows), 0)
        from (select distinct topic from chassis.next_offset) as known
        cross join lateral (select count(*) as rows from chassis.dead_letter as letter
                            where letter.topic = known.topic and letter.key is null) as keyless) as keyless
from waiting
"""
_GAUGES = {
    OUTBOX_DEPTH: "outbox_depth",
    OUTBOX_AGE: "outbox_age",
    PARKED_KEYS: "parked_keys",
    PARKED_AGE: "parked_age",
    DEAD_LETTERS: "dead_letters",
    KEYLESS: "keyless",
}


async def render(database: Database, observe: Callable[[Connection], Awaitable[None]]) -> bytes:
    """The Prometheus text of this process, with the state of its database as of now.

    observe: sets what only this service knows. While the database does not answer, what only the database knows is NaN
    or as it was: the rest must be seen then more than ever.
    """
    try:
        async with asyncio.timeout(STATE_SECONDS), database.reading() as conn:
            state: Mapping[str, Any] | None = await conn.fetchrow(_STATE, COUNTED_EXACTLY)
            await observe(conn)
    except Exception as error:
        if not db.is_transient(error):
            raise
        state = None
    DATABASE_UP.set(state is not None)
    for gauge, column in _GAUGES.items():
        gauge.set(float("nan") if state is None else max(float(state[column] or 0), 0.0))
    return generate_latest(REGISTRY)


def observe_request(method: str, route: str | None, status: int, seconds: float) -> None:
    """Count one answer. `route`: the route's template; None where no route was found."""
    label = method if method in METHODS else "other"
    REQUESTS.labels(label, route or "none", str(status)).observe(seconds)


def relay_failed(error: BaseException) -> None:
    """Count a batch that Kafka did not take, by the kind of its error."""
    kinds = {TimeoutError: "timeout", KafkaError: "kafka"}
    reason = next((reason for kind, reason in kinds.items() if isinstance(error, kind)), "connection")
    RELAY_FAILURES.labels(reason).inc()
