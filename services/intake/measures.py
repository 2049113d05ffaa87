"""What only intake looks up when Prometheus asks."""

import asyncpg
from prometheus_client import Gauge

from services.chassis import db
from services.chassis.context import Context
from services.chassis.db import Connection
from services.chassis.metrics import REGISTRY
from services.intake.resources import resources_of

STATES = ("current", "former", "unknown", "unnamed")

VAULT_KEYS = Gauge(
    "lotse_vault_keys", "Data keys by what this process knows of the key that wraps them", ["state"], registry=REGISTRY
)


async def observe(context: Context, _conn: Connection) -> None:
    """How many data keys are wrapped by what; unknown while their database does not answer."""
    vault = resources_of(context).vault
    counts: dict[str, float] = dict.fromkeys(STATES, 0.0)
    try:
        for wrapped_by, number in (await vault.count()).items():
            counts[vault.state_of(wrapped_by)] += number
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        if not db.is_transient(error):
            raise
        counts = dict.fromkeys(STATES, float("nan"))
    for state, keys in counts.items():
        VAULT_KEYS.labels(state).set(keys)
