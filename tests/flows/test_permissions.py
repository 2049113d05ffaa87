"""The permission table, asked over HTTP: every operation of every document, each role, from near and far."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from deploy.topology import SERVICES
from schemas.permissions import ACTIONS, EVERY_SERVICE, Action, Relation, Role
from services.chassis import admin
from services.chassis.context import Service
from services.chassis.patience import wait_for
from services.chassis.permissions import NAMED_IN_OPENAPI
from tests.conftest import CreateDatabase
from tests.flows.asking import NEAR_AND_FAR, WAYS, Ask, Way, two_units_each
from tests.harness import Running, issuer, running

NAMES = [service.name for service in SERVICES]


def service_of(name: str) -> Service:
    """A service as its process starts it."""
    found: Service = import_module(f"services.{name}.app").SERVICE
    return found


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is on its way here, so nothing is waited for."""

    async def look_once(condition: Any) -> bool:
        return await wait_for(condition, seconds=0)

    for place in ("services.referral.api.requests.wait_for", "services.intake.api.callers.wait_for"):
        monkeypatch.setattr(place, look_once)


@pytest.fixture
async def opened(
    request: pytest.FixtureRequest, create_database: CreateDatabase, tmp_path: Path
) -> AsyncIterator[Running]:
    """One of the four services, with partners that have two units each."""
    name: str = request.param
    more = {"keys_database_url": await create_database("keys")} if name == "intake" else {}
    partners = two_units_each(tmp_path / "partners")
    url = await create_database(name)
    async with running(service_of(name), tmp_path, url, partners_dir=partners, **more) as service:
        yield service


each_service = pytest.mark.parametrize("opened", NAMES, indirect=True)


async def operations(service: Running) -> dict[str, dict[str, Any]]:
    """What the service's own document says of each operation."""
    document = (await service.client.get("/openapi.json")).json()
    return {
        f"{method.upper()} {path}": said for path, each in document["paths"].items() for method, said in each.items()
    }


@each_service
async def test_every_operation_names_its_action(opened: Running) -> None:
    """One of the table's, of this service; and the problems that a refusal is."""
    for operation, said in (await operations(opened)).items():
        action = ACTIONS[said[NAMED_IN_OPENAPI]]
        assert action.service in (opened.service.name, EVERY_SERVICE), operation
        assert {"401", "403"} <= said["responses"].keys(), operation


def test_every_action_of_the_table_is_some_operations() -> None:
    """Nobody is promised what there is no way to do."""
    routers = [admin.router, *(router for name in NAMES for router in service_of(name).routers)]
    named = {route.openapi_extra[NAMED_IN_OPENAPI] for router in routers for route in router.routes}  # type: ignore[attr-defined]
    assert named == ACTIONS.keys()


@dataclass(frozen=True)
class Asker:
    """Somebody of a partner, with one role; `relation` None: with a token that names no unit."""

    partner: str
    unit: str
    role: Role
    relation: Relation | None

    def __str__(self) -> str:
        return f"{self.role} of {self.unit or self.partner or 'no partner'} ({self.relation or 'no unit'})"


def askers(way: Way) -> Iterator[Asker]:
    """Every role in each relation in which this can be asked, and an operator of no partner."""
    yield Asker("", "", Role.OPERATOR, Relation.OTHER_PARTNER)
    for role in Role:
        for relation, unit in NEAR_AND_FAR[way.home].items():
            if way.farthest.includes(relation):
                yield Asker(unit.partition("/")[0], unit, role, relation)
        yield Asker(way.home.partition("/")[0], "", role, None)


def expected(action: Action, way: Way, asker: Asker) -> set[tuple[int, str]]:
    """Which problems are right by the table; none: it has to succeed."""
    is_operator = asker.role is Role.OPERATOR
    reach = action.reach.get(asker.role)
    if reach is None or is_operator != (not asker.partner):
        return {(403, "role-missing")}
    if asker.relation is None:
        needs_unit = reach is Relation.OWN_UNIT or way.notes_unit
        return {(403, "unit-missing"), (404, "not-found")} if needs_unit else set()
    return set() if reach.includes(asker.relation) else {way.hidden}


async def answer_to(service: Running, operation: str, ask: Ask, asker: Asker) -> httpx2.Response:
    """What that caller gets."""
    request = ask(asker.unit or f"{asker.partner or 'stadt-koblenz'}/none")
    token = issuer(service.folder).issue_token(asker.partner, asker.unit, [asker.role])
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid4()), **request.headers}
    method = operation.partition(" ")[0]
    return await service.client.request(method, request.path, json=request.body, headers=headers)


def is_right(answer: httpx2.Response, wanted: set[tuple[int, str]]) -> bool:
    """Whether an answer is one of these problems, or the success of the route."""
    if not wanted:
        return answer.is_success
    code = answer.json().get("type", "").removeprefix("urn:lotse:problem:")
    return (answer.status_code, code) in wanted


async def wrong_answers(service: Running, operation: str, action: Action, way: Way) -> list[str]:
    """Ask as everybody; first those who are refused, because that changes nothing."""
    refused_first = sorted(askers(way), key=lambda asker: not expected(action, way, asker))
    ask, wrong = await way.prepare(service), []
    for asker in refused_first:
        wanted = expected(action, way, asker)
        if not wanted and not operation.startswith("GET"):
            ask = await way.prepare(service)
        answer = await answer_to(service, operation, ask, asker)
        if not is_right(answer, wanted):
            wrong.append(f"{operation} by {asker}: {answer.status_code} {answer.text[:200]}")
    return wrong


@each_service
async def test_each_role_can_do_what_the_table_says_and_nothing_else(opened: Running) -> None:
    """Another's thing is a 404, a missing role a 403; an operation that cannot be prepared here is not tested."""
    ways = WAYS[opened.service.name]
    documented = await operations(opened)
    assert documented.keys() == ways.keys()
    wrong = [
        each
        for operation, said in documented.items()
        for each in await wrong_answers(opened, operation, ACTIONS[said[NAMED_IN_OPENAPI]], ways[operation])
    ]
    assert wrong == []


@each_service
async def test_nobody_gets_in_without_a_token(opened: Running) -> None:
    """Every operation asks first who is there, whatever else is wrong with the request."""
    for operation in await operations(opened):
        method, _, path = operation.partition(" ")
        answer = await opened.client.request(method, path.replace("{", "").replace("}", ""), json={"x": 1})
        assert answer.status_code == 401, operation


@each_service
async def test_a_missing_role_is_refused_before_anything_else_and_names_who_may(opened: Running) -> None:
    """Without Idempotency-Key, with a body and a path that make no sense."""
    token = issuer(opened.folder).issue_token("stadt-koblenz", "stadt-koblenz/integration", ["janitor"])
    for operation, said in (await operations(opened)).items():
        method, _, path = operation.partition(" ")
        headers = {"Authorization": f"Bearer {token}"}
        answer = await opened.client.request(method, path, json={"x": 1}, headers=headers)
        assert answer.status_code == 403, operation
        assert answer.json()["type"] == "urn:lotse:problem:role-missing"
        assert all(role in answer.json()["detail"] for role in ACTIONS[said[NAMED_IN_OPENAPI]].reach), operation
