"""The real servers every test shares, and a database and topics of its own for each test."""

import asyncio
import inspect
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from confluent_kafka import OFFSET_END, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from deploy.cli.provision import prepare
from deploy.local.databases import ensure_database, ensure_role
from deploy.local.kafka import Kafka
from deploy.local.layout import layout_at
from deploy.local.services import (
    Sources,
    service_ports,
    start_service,
    stop_services,
    wait_until_ready,
)
from deploy.local.stack import Stack, silent, stop_stack
from deploy.topology import SERVICES, TOPICS, partner_topic
from services.chassis.migrate import migrate

# Stacks of two workers must not choose the same ports in the moment between looking and listening.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
os.environ["LOTSE_PORTS"] = f"{20000 + 6000 * (_WORKER % 2)}-{26000 + 6000 * (_WORKER % 2)}"

# Files that take long begin first, so that no worker is left with one of them at the end.
LONGEST_FIRST = ("faults", "restore", "bench", "flows", "deploy")

CreateDatabase = Callable[[str], Awaitable[str]]

PARTNERS = ("stadt-koblenz", "jobcenter-koblenz", "caritas-koblenz", "awo-rheinland")
# Enough partitions to see that order holds per key only, few enough to be made in a moment.
PARTITIONS = 3


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The order in which workers take files (with --no-loadscope-reorder)."""

    def rank(item: pytest.Item) -> int:
        folder = item.path.parent.name
        return LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else len(LONGEST_FIRST)

    items.sort(key=rank)


async def eventually(
    condition: Callable[[], Any],
    timeout: float = 20,  # noqa: ASYNC109 - it ends a polling loop, there is nothing to cancel
) -> Any:
    """Wait until the condition (plain or async) is truthy and return its value; fail after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout} s: {inspect.getsource(condition).strip()} (last value {value!r})")
        await asyncio.sleep(0.02)


@pytest.fixture(scope="session", autouse=True)
def stop_in_order() -> Iterator[None]:
    """A run that is asked to end (SIGTERM) tears its servers down like one interrupted with Ctrl-C."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def stack(stop_in_order: None) -> Iterator[Stack]:
    """Kafka and PostgreSQL for the whole run, in a folder that is removed at its end."""
    with TemporaryDirectory(prefix="lotse-test-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # as root, PostgreSQL's own account must get in
        try:
            yield Stack.start(Path(folder), durable=False)
        finally:
            stop_stack(layout_at(Path(folder)))


@pytest.fixture(scope="session")
def kafka(stack: Stack) -> Kafka:
    """The cluster, with its super user."""
    return stack.kafka


@pytest.fixture(scope="session")
def kafka_admin(stack: Stack) -> AdminClient:
    """The super user's admin client."""
    return AdminClient(stack.kafka.client())


@pytest.fixture(scope="session")
def migrated_templates() -> dict[str, str]:
    """The template databases made in this run, by service."""
    return {}


@pytest.fixture
async def create_database(stack: Stack, migrated_templates: dict[str, str]) -> AsyncIterator[CreateDatabase]:
    """Makes fresh databases, migrated, owned by the service's own role: `url = await create_database("intake")`.

    "keys" gives the database of intake's data keys, "chassis" one with the chassis's tables alone.
    """
    admin = await asyncpg.connect(stack.postgres.admin_url)
    made: list[str] = []

    async def create(service: str) -> str:
        if service not in migrated_templates:
            migrated_templates[service] = await _make_template(stack, admin, service)
        name = f"test_{service}_{uuid4().hex[:12]}"
        await ensure_database(admin, name, owner=f"lotse_{service}", template=migrated_templates[service])
        made.append(name)
        return _url(stack, service, name)

    yield create
    for name in made:
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await admin.close()


async def _make_template(stack: Stack, admin: asyncpg.Connection, service: str) -> str:
    name = f"template_{service}"
    await ensure_role(admin, f"lotse_{service}", stack.secrets.postgres_password(f"lotse_{service}"))
    await ensure_database(admin, name, owner=f"lotse_{service}")
    if service == "keys":
        await migrate(_url(stack, service, name), "intake", folder="sql_keys", with_chassis=False)
    else:
        await migrate(_url(stack, service, name), service)
    return name


def _url(stack: Stack, service: str, database: str) -> str:
    role = f"lotse_{service}"
    return stack.postgres.url(database, role, stack.secrets.postgres_password(role))


@pytest.fixture(scope="session")
def services(stack: Stack) -> Iterator[dict[str, int]]:
    """The four services as processes on this run's servers, provisioned like a real stack: the port of each."""
    prepare(stack, silent, environ={})
    _empty_streams(stack)
    ports = service_ports(stack.layout)
    try:
        for service in SERVICES:
            start_service(stack, service, ports[service.name], Sources())
        for service in SERVICES:
            wait_until_ready(stack.layout, service, ports[service.name])
        yield ports
    finally:
        stop_services(stack.layout)


def _empty_streams(stack: Stack) -> None:
    """Remove what tests have written to the partners' streams: a notifier that finds there what it does not know
    takes its database for one that was set back, and does not start.
    """
    admin = AdminClient(stack.kafka.client())
    ends = [TopicPartition(partner_topic(slug).full_name(), 0, OFFSET_END) for slug in PARTNERS]
    for emptied in admin.delete_records(ends).values():
        emptied.result(30)


@pytest.fixture
def topic_prefix(kafka_admin: AdminClient) -> Iterator[str]:
    """A prefix of its own for this test's topics; all shared topics and the four partners' streams exist below it."""
    prefix = f"test{uuid4().hex[:10]}"
    shared = [NewTopic(topic.full_name(prefix), PARTITIONS, 1) for topic in TOPICS]
    streams = [NewTopic(partner_topic(slug).full_name(prefix), 1, 1) for slug in PARTNERS]
    for made in kafka_admin.create_topics([*shared, *streams]).values():
        made.result()
    yield prefix
    kafka_admin.delete_topics([topic.topic for topic in [*shared, *streams]])


@pytest.fixture(scope="session")
def standards() -> Path:
    """The folder of official documents, or a skip where it is absent."""
    folder = Path(os.environ.get("LOTSE_STANDARDS", Path(__file__).parents[2] / "shared" / "standards"))
    if not folder.is_dir():
        pytest.skip("the official documents are absent; LOTSE_STANDARDS names their folder")
    return folder
