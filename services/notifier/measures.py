"""What only the notifier looks up when Prometheus asks."""

from prometheus_client import Gauge

from services.chassis.context import Context
from services.chassis.db import Connection
from services.chassis.metrics import REGISTRY
from services.notifier import store

RECALLS = Gauge("lotse_recalls", "Recalls that a partner has not answered", ["state"], registry=REGISTRY)


async def observe(_context: Context, conn: Connection) -> None:
    """How many recalls are open within their time, and how many beyond it."""
    within, beyond = await store.count_open_recalls(conn)
    RECALLS.labels("open").set(within)
    RECALLS.labels("overdue").set(beyond)
