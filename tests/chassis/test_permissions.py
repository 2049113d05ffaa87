"""The one place that enforces the permission table."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi import APIRouter

from schemas.permissions import ACTIONS, Relation, Role
from services.chassis.auth import Principal
from services.chassis.permissions import allowed, check_all_named, may
from services.chassis.web import create_app
from tests.chassis.things import SERVICE, TABLE
from tests.harness import Running, running

MBE, JMD, CITY = "caritas-koblenz/mbe", "caritas-koblenz/jmd", "stadt-koblenz/integration"


def somebody(*roles: str, unit: str = MBE, partner: str = "caritas-koblenz") -> Principal:
    """A caller."""
    return Principal("somebody", partner, unit, frozenset(roles))


@pytest.mark.parametrize(
    ("action_id", "unit", "is_allowed"),
    [
        ("read-person", MBE, True),
        ("read-person", JMD, False),
        ("read-person", CITY, False),
        ("publish-offers", JMD, True),
        ("publish-offers", CITY, False),
        ("read-offers", CITY, True),
        ("look-at-parked-keys", MBE, False),
    ],
)
def test_a_role_reaches_as_far_as_the_table_says(action_id: str, unit: str, is_allowed: bool) -> None:
    """And no farther."""
    assert may(somebody("clerk"), action_id, unit) is is_allowed


def test_the_nearest_of_several_units_counts() -> None:
    """A consent is a matter of both units that it names."""
    assert may(somebody("clerk"), "read-consent", CITY, MBE)
    assert not may(somebody("clerk"), "read-consent", CITY, JMD)
    assert may(somebody("clerk"), "withdraw-consent", CITY, JMD)
    assert not may(somebody("clerk"), "read-consent")


def test_a_partner_whose_name_begins_like_anothers_is_another() -> None:
    """The whole slug counts."""
    assert not may(somebody("clerk"), "publish-offers", "caritas-koblenz-land/mbe")


def test_a_token_without_a_unit_is_near_to_no_unit() -> None:
    """It belongs to its partner, and that is all."""
    assert not may(somebody("clerk", unit=""), "read-person", MBE, "")
    assert may(somebody("clerk", unit=""), "publish-offers", MBE)


def test_an_operator_belongs_to_no_partner() -> None:
    """A partner's token that says operator beside another role has the other role only, and other words are nothing."""
    assert may(somebody("operator", unit="", partner=""), "mend-parked-keys", MBE)
    both = somebody("operator", "clerk", "admin")
    assert not may(both, "mend-parked-keys", MBE)
    assert may(both, "read-person", MBE)
    assert not may(somebody("admin", "operator"), "read-offers", MBE)
    assert not may(somebody("clerk", unit="", partner=""), "read-offers", MBE)


def test_the_widest_of_several_roles_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """However the token orders them."""
    reach = {Role.CLERK: Relation.OWN_UNIT, Role.COORDINATOR: Relation.SAME_PARTNER}
    monkeypatch.setitem(ACTIONS["read-person"].__dict__, "reach", reach)
    assert may(somebody("coordinator", "clerk"), "read-person", JMD)
    assert not may(somebody("clerk"), "read-person", JMD)


def test_an_action_that_is_not_in_the_table_is_none() -> None:
    """Neither at a door nor at a resource."""
    with pytest.raises(KeyError):
        allowed("read-everything")
    with pytest.raises(KeyError):
        may(somebody("clerk"), "read-everything", MBE)


async def test_a_service_with_a_route_that_names_no_action_does_not_start(things: Running) -> None:
    """Nobody would be asked for a role there."""
    router = APIRouter()

    @router.get("/v1/open")
    async def left_open() -> None:
        """Anybody's."""

    with pytest.raises(TypeError, match="/v1/open names no action"):
        check_all_named([*SERVICE.routers, router])
    service = type(SERVICE)(SERVICE.name, SERVICE.title, [router], SERVICE.handlers)
    with pytest.raises(TypeError, match="/v1/open"):
        create_app(service, things.context)


@pytest.fixture
async def things(tmp_path: Path, database_url: str) -> AsyncIterator[Running]:
    """The service with one resource."""
    async with running(SERVICE, tmp_path, database_url) as one:
        async with one.context.database.transaction() as conn:
            await conn.execute(TABLE)
        yield one
