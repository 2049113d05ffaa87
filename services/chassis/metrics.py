"""What a process counts, and what it looks up in its database when Prometheus asks."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from services.chassis.db import Database

REGISTRY = CollectorRegistry()

APPLIED = Counter("lotse_events_applied", "Events applied by the consumer", registry=REGISTRY)
DUPLICATES = Counter("lotse_events_duplicate", "Events seen before and skipped", registry=REGISTRY)
PARKED = Counter("lotse_events_parked", "Records kept as dead letters", ["code"], registry=REGISTRY)
BATCH_RETRIES = Counter("lotse_batch_retries", "Batches that were tried again", registry=REGISTRY)
ABANDONED = Counter("lotse_batches_abandoned", "Batches another process had gone past", registry=REGISTRY)
RELAYED = Counter("lotse_events_relayed", "Outbox rows acknowledged by Kafka", registry=REGISTRY)
RESTARTS = Counter("lotse_task_restarts", "Supervised tasks started again", ["task"], registry=REGISTRY)
STOPPED = Gauge("lotse_task_stopped", "1: the task stopped for good and a human is needed", ["task"], registry=REGISTRY)
REQUESTS = Histogram(
    "lotse_http_request_seconds", "Time of HTTP answers", ["method", "route", "status"], registry=REGISTRY
)

OUTBOX_DEPTH = Gauge("lotse_outbox_depth", "Events waiting for Kafka", registry=REGISTRY)
OUTBOX_AGE = Gauge("lotse_outbox_age_seconds", "Age of the oldest event waiting for Kafka", registry=REGISTRY)
PARKED_KEYS = Gauge("lotse_parked_keys", "Keys that wait for a human or new code", registry=REGISTRY)
DEAD_LETTERS = Gauge("lotse_dead_letters", "Records kept because they could not be applied", registry=REGISTRY)


async def render(database: Database) -> bytes:
    """The Prometheus text of this process, with the state of its database as of now."""
    async with database.reading() as conn:
        row = await conn.fetchrow(
            """
            select (select count(*) from chassis.outbox) as depth,
                   (select coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)
                    from chassis.outbox) as age,
                   (select count(*) from chassis.key where parked_at is not null) as parked,
                   (select count(*) from chassis.dead_letter) as letters
            """
        )
    OUTBOX_DEPTH.set(row["depth"])
    OUTBOX_AGE.set(float(row["age"]))
    PARKED_KEYS.set(row["parked"])
    DEAD_LETTERS.set(row["letters"])
    return generate_latest(REGISTRY)
