"""Every service keeps to its own OpenAPI document, whatever comes: no 5xx, and every answer as documented.

Requests are made from the document by schemathesis, good and bad ones, with tokens of each role, and with the ids of
things that are there so that some of them go deep.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
import schemathesis
from hypothesis import given
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from schemas.permissions import ACTIONS
from services.chassis.context import Service
from services.chassis.patience import wait_for
from services.chassis.permissions import NAMED_IN_OPENAPI
from services.intake.app import SERVICE as INTAKE
from services.notifier.app import SERVICE as NOTIFIER
from services.referral.app import SERVICE as REFERRAL
from services.reporting.app import SERVICE as REPORTING
from tests.badinput.effort import FUZZ, share
from tests.badinput.serving import beside, caller, serving
from tests.flows.asking import KINDS, Kind
from tests.harness import Running
from tests.intake import builders as people
from tests.intake.builders import Desk
from tests.referral import training_builders as trainings
from tests.referral.builders import AWO, CITY, JOBCENTER, Lotse, a_case
from tests.referral.working_together import Table

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
CALLERS = [
    (CITY, "clerk"),
    (AWO, "counsellor"),
    (AWO, "system"),
    (CITY, "coordinator"),
    (CITY, "commissioner"),
    ("", "operator"),
]

Known = Mapping[str, Sequence[str | list[str]]]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is on its way here, so nothing is waited for."""

    async def look_once(condition: Any) -> bool:
        return await wait_for(condition, seconds=0)

    for place in ("services.referral.api.requests.wait_for", "services.intake.api.callers.wait_for"):
        monkeypatch.setattr(place, look_once)


@dataclass
class Attack:
    """What is sent to one service, and from whom."""

    folder: Path
    base_url: str
    document: dict[str, Any]
    known: Known
    answers: Counter[int] = field(default_factory=Counter)

    def run(self) -> None:
        """Each operation in turn."""
        schema = schemathesis.openapi.from_dict(self.document)
        with requests.Session() as session:
            for operation in schema.get_all_operations():
                self._each(operation.ok(), session)

    def _each(self, operation: Any, session: requests.Session) -> None:
        cases = st.one_of(
            operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
            operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
        )

        # Half of them at least have the role, because nothing else is looked at before.
        said = self.document["paths"][operation.path][operation.method]
        may = [who for who in CALLERS if who[1] in ACTIONS[said[NAMED_IN_OPENAPI]].reach]

        @share(FUZZ, 0.08)
        @given(case=cases, who=st.sampled_from(may) | st.sampled_from(CALLERS), real=st.booleans(), data=st.data())
        def attacked(case: Any, who: tuple[str, str], real: bool, data: st.DataObject) -> None:
            if real:
                self._with_known_ids(case, data)
            headers = caller(self.folder, *who)
            if "Idempotency-Key" in (case.headers or {}):
                headers["Idempotency-Key"] = str(uuid4())
            response = case.call(base_url=self.base_url, session=session, headers=headers)
            self.answers[response.status_code] += 1
            case.validate_response(response, checks=CHECKS)

        attacked()

    def _with_known_ids(self, case: Any, data: st.DataObject) -> None:
        for part in (case.path_parameters, case.body):
            if isinstance(part, dict):
                for name in part.keys() & self.known.keys():
                    part[name] = data.draw(st.sampled_from(self.known[name]))


async def attack(service: Service, opened: Running, port: int, known: Known) -> None:
    """Send everything that the document suggests, with a thread's client."""
    document = (await opened.client.get("/openapi.json")).json()
    attacking = Attack(opened.folder, f"http://127.0.0.1:{port}", document, known)
    await beside(attacking.run)
    # An attack that is only ever refused at the door would prove nothing.
    assert attacking.answers[200] + attacking.answers[201] > 5, attacking.answers
    assert attacking.answers[403] > 5, attacking.answers
    assert attacking.answers[422] > 5, attacking.answers


async def test_intake_answers_as_documented(tmp_path: Path, create_database: Callable[..., Any]) -> None:
    """With a registered person and consents in force."""
    url, keys = await create_database("intake"), await create_database("keys")
    async with serving(INTAKE, tmp_path, url, keys_database_url=keys) as (opened, port):
        desk = Desk(opened)
        case_ref = await desk.register()
        consents = await desk.consent(case_ref, people.a_consent())
        await attack(INTAKE, opened, port, {"case_ref": [case_ref], "consent_ref": consents})


async def test_referral_answers_as_documented(tmp_path: Path, create_database: Callable[..., Any]) -> None:
    """With each kind of entry, a training and its need, a cooperation, a household, and referrals in several states."""
    async with serving(REFERRAL, tmp_path, await create_database("referral")) as (opened, port):
        lotse = Lotse(opened)
        ids = [await lotse.referral(a_case(), *acts) for acts in ((), ("accept",), ("accept", "start"))]
        place = {"address_1": "Löhrstraße 1", "postal_code": "56068", "city": "Koblenz"}
        await lotse.offer(needs=["work"], location=place)
        need = await trainings.stated(lotse)
        training = (await trainings.offered(lotse, need)).rpartition("/")[2]
        table = Table(lotse)
        await table.allow((AWO, JOBCENTER), (JOBCENTER, AWO))
        assert (await table.propose()).status_code == 201
        case_ref = lotse.case_ref(table.case_id, AWO)
        household = (await lotse.post("/v1/households", {"case_refs": [case_ref]})).json()["household_ref"]
        known: Known = {
            "case_ref": [case_ref],
            "case_refs": [[case_ref]],
            "household_ref": [household],
            "referral_id": ids,
            "cooperation_id": [table.cooperation_id],
            "training_need_id": [need],
            "training_id": [training],
            "unit": [AWO, CITY],
            **{kind.id_field: [await entry(lotse, kind)] for kind in KINDS},
            **{name: [await first(lotse, path)] for name, path in HSDS.items()},
        }
        await attack(REFERRAL, opened, port, known)


HSDS = {
    "service_id": "services",
    "organization_id": "organizations",
    "place_id": "service_at_locations",
    "taxonomy_id": "taxonomies",
    "term_id": "taxonomy_terms",
}


async def entry(lotse: Lotse, kind: Kind) -> str:
    """An entry of the directory; returns its id."""
    answer = await lotse.post(kind.path, kind.body())
    assert answer.status_code == 201, answer.text
    return str(answer.json()[kind.id_field])


async def first(lotse: Lotse, path: str) -> str:
    """The first of what HSDS lists there."""
    return str((await lotse.get(f"/hsds/{path}")).json()["contents"][0]["id"])


@pytest.mark.parametrize("service", [NOTIFIER, REPORTING], ids=lambda service: service.name)
async def test_a_reading_service_answers_as_documented(
    tmp_path: Path, create_database: Callable[..., Any], service: Service
) -> None:
    """The streams, what was told, and the agreement's clauses."""
    async with serving(service, tmp_path, await create_database(service.name)) as (opened, port):
        await attack(service, opened, port, {})
