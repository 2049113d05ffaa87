"""Kafka and PostgreSQL of one stack, as one thing to start and stop."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from deploy.local.databases import create_databases
from deploy.local.errors import StackError
from deploy.local.kafka import Kafka, answers, start_kafka, stop_kafka
from deploy.local.kafka_jars import kafka_jars
from deploy.local.layout import Layout, layout_at
from deploy.local.postgres import Postgres, start_postgres, stop_postgres
from deploy.local.secrets import Secrets


def silent(_message: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Stack:
    """A running Kafka and PostgreSQL. `databases`: the URL of each service's database, by the database's name."""

    layout: Layout
    secrets: Secrets
    postgres: Postgres
    kafka: Kafka
    databases: dict[str, str]

    @classmethod
    def start(
        cls,
        state_dir: Path,
        durable: bool = True,
        environ: Mapping[str, str] | None = None,
        say: Callable[[str], None] = silent,
    ) -> "Stack":
        """Start what does not run yet and wait until both answer.

        durable: False gives up surviving a crash of the machine for speed. environ: where LOTSE_DATABASE_URL
        and LOTSE_KAFKA may name existing servers, which are then used instead of our own.
        Raises StackError; what was started before the failure keeps running until `stop_stack`.
        """
        given = environ or {}
        layout = layout_at(state_dir)
        layout.create()
        secrets = Secrets(layout.secrets)
        with ThreadPoolExecutor(2) as both:
            postgres = both.submit(postgres_of, layout, secrets, given, durable, say)
            kafka = both.submit(kafka_of, layout, secrets, given, say)
        server = postgres.result()
        databases = asyncio.run(create_databases(server, secrets))
        return cls(layout, secrets, server, kafka.result(), databases)

    def stop(self) -> None:
        """Stop what belongs to this stack; existing servers it was pointed at are left alone."""
        stop_stack(self.layout)


def stop_stack(layout: Layout) -> None:
    """Stop Kafka, then PostgreSQL, whatever of them still runs."""
    stop_kafka(layout)
    stop_postgres(layout)


def postgres_of(
    layout: Layout, secrets: Secrets, given: Mapping[str, str], durable: bool, say: Callable[[str], None]
) -> Postgres:
    """The server that `given` names, else this stack's own, started if it does not run."""
    if url := given.get("LOTSE_DATABASE_URL"):
        return existing_postgres(url)
    say("starting PostgreSQL")
    return start_postgres(layout, secrets, durable)


def kafka_of(layout: Layout, secrets: Secrets, given: Mapping[str, str], say: Callable[[str], None] = silent) -> Kafka:
    """The cluster that `given` names, else this stack's own, started if it does not run."""
    if bootstrap := given.get("LOTSE_KAFKA"):
        return existing_kafka(bootstrap, given)
    jars = kafka_jars(layout.cache, say)
    say("starting Kafka")
    return start_kafka(layout, secrets, jars)


def existing_postgres(url: str) -> Postgres:
    """The server of a URL whose user may create roles and databases."""
    parts = urlsplit(url)
    if not (parts.hostname and parts.username):
        raise StackError(
            "LOTSE_DATABASE_URL names no host or no user.",
            "Write it as postgresql://USER:PASSWORD@HOST:5432/postgres.",
        )
    database = parts.path.strip("/") or "postgres"
    return Postgres(parts.hostname, parts.port or 5432, parts.username, unquote(parts.password or ""), database)


def existing_kafka(bootstrap: str, given: Mapping[str, str]) -> Kafka:
    """The cluster at these addresses, with the super user of LOTSE_KAFKA_ADMIN_USER and _PASSWORD."""
    user, password = given.get("LOTSE_KAFKA_ADMIN_USER"), given.get("LOTSE_KAFKA_ADMIN_PASSWORD")
    if not (user and password):
        raise StackError(
            "LOTSE_KAFKA names a cluster, but nobody who may change it.",
            "Set LOTSE_KAFKA_ADMIN_USER and LOTSE_KAFKA_ADMIN_PASSWORD.",
        )
    kafka = Kafka(bootstrap, user, password)
    if not answers(kafka):
        raise StackError(f"The Kafka at {bootstrap} does not answer {user}.", "Check its address and the password.")
    return kafka
