"""Provisioning a real Kafka: what the services and the partners can do afterwards."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import GroupAuthorizationFailedError, KafkaConnectionError, TopicAuthorizationFailedError
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from deploy.cli.cluster import accepts_password
from deploy.cli.plan import Plan
from deploy.cli.provision import kafka_passwords, plan_kafka, provision_kafka
from deploy.local.kafka import Kafka
from deploy.local.layout import CHECKOUT
from deploy.local.secrets import Secrets
from deploy.local.stack import Stack
from schemas.partner_file import Partners, load_partners

STREAM = "lotse.partner.{}.v1"


@pytest.fixture(scope="module")
def partners() -> Partners:
    """The four partners of the agreement."""
    return load_partners(CHECKOUT / "deploy" / "partners")


@pytest.fixture(scope="module")
def provisioned(stack: Stack, partners: Partners) -> Plan:
    """A cluster provisioned at least once."""
    return provision_kafka(stack.kafka, stack.secrets, partners)


@pytest.fixture(scope="module")
def passwords(stack: Stack, partners: Partners) -> dict[str, str]:
    """The password of every user."""
    return kafka_passwords(stack.secrets, partners)


@asynccontextmanager
async def consumer(kafka: Kafka, user: str, password: str, group: str | None = None) -> AsyncIterator[AIOKafkaConsumer]:
    client = AIOKafkaConsumer(
        **kafka.asyncio_client(user, password), group_id=group, auto_offset_reset="earliest", enable_auto_commit=False
    )
    try:
        await client.start()
        yield client
    finally:
        await client.stop()


def test_a_second_run_has_nothing_to_do(stack: Stack, partners: Partners, provisioned: Plan) -> None:
    """What was applied is found again, to the last rule and setting."""
    assert plan_kafka(stack.kafka, stack.secrets, partners).is_empty


def test_a_rule_made_by_hand_is_taken_back(
    stack: Stack, partners: Partners, provisioned: Plan, kafka_admin: AdminClient
) -> None:
    """Drift shows in the plan and is gone after applying it."""
    extra = AclBinding(
        ResourceType.TOPIC,
        STREAM.format("stadt-koblenz"),
        ResourcePatternType.LITERAL,
        "User:partner-awo-rheinland",
        "*",
        AclOperation.READ,
        AclPermissionType.ALLOW,
    )
    for made in kafka_admin.create_acls([extra]).values():
        made.result(10)
    done = provision_kafka(stack.kafka, stack.secrets, partners)
    assert [str(acl) for acl in done.remove_acls] == [
        "User:partner-awo-rheinland may read topic lotse.partner.stadt-koblenz.v1"
    ]
    assert plan_kafka(stack.kafka, stack.secrets, partners).is_empty


def test_a_lost_secret_is_noticed_and_set_again(
    stack: Stack, partners: Partners, provisioned: Plan, tmp_path: Path
) -> None:
    """With other secrets than Kafka knows, all users are set again; with the right ones again, too."""
    others = Secrets(tmp_path)
    assert len(plan_kafka(stack.kafka, others, partners).set_users) == 8
    assert not plan_kafka(stack.kafka, stack.secrets, partners).set_users


async def test_a_partner_reads_its_own_stream(stack: Stack, provisioned: Plan, passwords: dict[str, str]) -> None:
    """What the notifier writes to a stream, its partner reads with a group of its own."""
    topic = STREAM.format("awo-rheinland")
    notifier = AIOKafkaProducer(
        **stack.kafka.asyncio_client("lotse-notifier", passwords["lotse-notifier"]),
        enable_idempotence=True,
        acks="all",
    )
    await notifier.start()
    sent = await notifier.send_and_wait(topic, b"{}", key=b"k")
    await notifier.stop()
    user = "partner-awo-rheinland"
    async with consumer(stack.kafka, user, passwords[user], group=f"{user}-test") as client, asyncio.timeout(20):
        client.subscribe([topic])
        while (record := await client.getone()).offset < sent.offset:
            pass  # what other tests left in the stream
    assert record.key == b"k"


@pytest.mark.parametrize("topic", [STREAM.format("stadt-koblenz"), "lotse.cases.v1", "lotse.directory.v1"])
async def test_a_partner_reads_nothing_else(
    stack: Stack, provisioned: Plan, passwords: dict[str, str], topic: str
) -> None:
    """Another's stream and the services' topics are closed to it."""
    user = "partner-awo-rheinland"
    client = AIOKafkaConsumer(topic, **stack.kafka.asyncio_client(user, passwords[user]))
    with pytest.raises(TopicAuthorizationFailedError):
        await client.start()
    await client.stop()


async def test_a_partner_cannot_use_anothers_group(stack: Stack, provisioned: Plan, passwords: dict[str, str]) -> None:
    """It could otherwise move the other's place in its stream."""
    user = "partner-awo-rheinland"
    async with consumer(stack.kafka, user, passwords[user], group="partner-stadt-koblenz") as client:
        client.subscribe([STREAM.format("awo-rheinland")])
        with pytest.raises(GroupAuthorizationFailedError):
            await asyncio.wait_for(client.getone(), 20)


async def test_a_partner_cannot_write_to_its_stream(stack: Stack, provisioned: Plan, passwords: dict[str, str]) -> None:
    """Only the notifier writes, so a stream's numbers are its own."""
    user = "partner-awo-rheinland"
    client = AIOKafkaProducer(**stack.kafka.asyncio_client(user, passwords[user]))
    await client.start()
    with pytest.raises(TopicAuthorizationFailedError):
        await client.send_and_wait(STREAM.format("awo-rheinland"), b"{}")
    await client.stop()


async def test_a_wrong_password_is_refused_by_kafka(stack: Stack, provisioned: Plan) -> None:
    """SCRAM lets nobody in who only knows the user's name."""
    with pytest.raises(KafkaConnectionError):
        async with consumer(stack.kafka, "partner-awo-rheinland", "wrong"):
            pass
    assert not accepts_password(stack.kafka, "partner-awo-rheinland", "wrong")


async def test_a_client_without_a_password_is_refused(stack: Stack, provisioned: Plan) -> None:
    """Neither the clients' nor the controller's port takes an anonymous caller."""
    client = AIOKafkaConsumer(bootstrap_servers=stack.kafka.bootstrap, request_timeout_ms=3000)
    with pytest.raises(KafkaConnectionError):
        await client.start()
    await client.stop()
