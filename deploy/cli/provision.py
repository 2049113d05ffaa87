"""Secrets, databases and Kafka as the services need them: the one path of `up`, `migrate`, `apply` and the tests."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

import asyncpg

from deploy.cli.cluster import apply_plan, read_cluster
from deploy.cli.errors import CliError
from deploy.cli.plan import Plan, desired_cluster, plan
from deploy.local.kafka import Kafka
from deploy.local.secrets import Secrets
from deploy.local.services import sources_from
from deploy.local.stack import Stack
from deploy.local.supervisor import Say
from deploy.topology import KEYS_DATABASE, SERVICES, Service
from schemas.partner_file import PartnerFileError, Partners, load_partners
from services.chassis.config import StartError
from services.chassis.migrate import migrate

EFFECT_SECONDS = 20.0


def read_partners(folder: Path) -> Partners:
    """The partner files of a folder. Raises CliError naming the file and field that is wrong."""
    try:
        return load_partners(folder)
    except PartnerFileError as wrong:
        raise CliError(str(wrong), "Mend the file and try again.") from wrong


def kafka_passwords(secrets: Secrets, partners: Partners) -> dict[str, str]:
    """The password of every user Lotse gives to services and partners, made where it is missing."""
    services = {service.kafka_user: secrets.kafka_password(service.kafka_user) for service in SERVICES}
    return services | {file.kafka_user: secrets.kafka_password(file.secrets.kafka_password) for file in partners}


def make_keys(secrets: Secrets, partners: Partners) -> None:
    """Make the keys the services read, where they are missing."""
    secrets.service_keys(file.secrets.pairwise_key for file in partners)


def plan_kafka(kafka: Kafka, secrets: Secrets, partners: Partners, prefix: str = "lotse", replication: int = 1) -> Plan:
    """What `apply` would do to this cluster now."""
    desired = desired_cluster(partners.slugs, prefix, replication)
    return plan(desired, read_cluster(kafka, kafka_passwords(secrets, partners), desired, prefix))


def provision_kafka(
    kafka: Kafka, secrets: Secrets, partners: Partners, prefix: str = "lotse", replication: int = 1
) -> Plan:
    """Bring a cluster to what it should hold. Returns what was done. Raises CliError when it cannot be."""
    todo = plan_kafka(kafka, secrets, partners, prefix, replication)
    carry_out(kafka, secrets, partners, todo, prefix, replication)
    return todo


def carry_out(
    kafka: Kafka, secrets: Secrets, partners: Partners, todo: Plan, prefix: str = "lotse", replication: int = 1
) -> None:
    """Do what was planned and wait until it holds. A conflict stops it before anything is changed."""
    if todo.conflicts:
        raise CliError(f"{todo.conflicts[0]}.", "Create the topic anew, or correct deploy/topology.py.")
    apply_plan(kafka, kafka_passwords(secrets, partners), todo, replication)
    deadline = time.monotonic() + EFFECT_SECONDS
    # Kafka answers when the controller has a change; the brokers act on it a moment later.
    while not todo.is_empty and not plan_kafka(kafka, secrets, partners, prefix, replication).is_empty:
        if time.monotonic() > deadline:
            raise CliError(
                "Kafka took the changes but does not show them.", "Run `lotse apply` again and look at its plan."
            )
        time.sleep(0.1)


async def migrate_all(databases: Mapping[str, str]) -> dict[str, list[str]]:
    """Migrate every service's database. Returns the files applied now, by service."""
    applied = {}
    for service in SERVICES:
        try:
            applied[service.name] = await _migrate_service(databases, service)
        except (StartError, asyncpg.PostgresError, OSError) as failed:
            raise CliError(
                f"The database of {service.name} could not be migrated: {failed}",
                "Mend the cause and run `lotse migrate` again.",
            ) from failed
    return applied


async def _migrate_service(databases: Mapping[str, str], service: Service) -> list[str]:
    applied = await migrate(databases[f"lotse_{service.name}"], service.name)
    if KEYS_DATABASE in service.databases:
        applied += await migrate(databases[KEYS_DATABASE], service.name, folder="sql_keys", with_chassis=False)
    return applied


def prepare(stack: Stack, say: Say, environ: Mapping[str, str]) -> None:
    """Everything between the servers' start and the services': secrets, migrations, Kafka."""
    partners = read_partners(sources_from(environ).partners)
    make_keys(stack.secrets, partners)
    say("migrating the databases")
    asyncio.run(migrate_all(stack.databases))
    say("provisioning Kafka")
    provision_kafka(stack.kafka, stack.secrets, partners)
