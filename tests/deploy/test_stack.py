"""The local Kafka and PostgreSQL as a whole."""

import asyncpg
import pytest

from deploy.local.stack import Stack
from deploy.topology import DATABASES


async def test_every_service_reaches_its_own_database(stack: Stack) -> None:
    """Each role can make tables in the database that bears its name."""
    for name in DATABASES:
        conn = await asyncpg.connect(stack.databases[name])
        await conn.execute("CREATE TEMPORARY TABLE t (x int)")
        assert await conn.fetchval("SELECT current_user") == name
        await conn.close()


@pytest.mark.parametrize("other", [name for name in DATABASES if name != "lotse_referral"])
async def test_a_service_cannot_enter_another_services_database(stack: Stack, other: str) -> None:
    """Referral's role is refused at every database but its own."""
    password = stack.secrets.postgres_password("lotse_referral")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(stack.postgres.url(other, "lotse_referral", password))


async def test_a_wrong_password_is_refused_by_postgres(stack: Stack) -> None:
    """Nobody enters with a password that is not the role's."""
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(stack.postgres.url("lotse_intake", "lotse_intake", "wrong"))


def test_topics_of_a_test_exist_below_its_prefix(kafka_admin: object, topic_prefix: str) -> None:
    """The fixture made the shared topics and the partners' streams."""
    topics = kafka_admin.list_topics(timeout=10).topics  # type: ignore[attr-defined]
    assert f"{topic_prefix}.cases.v1" in topics
    assert f"{topic_prefix}.partner.awo-rheinland.v1" in topics
