"""What reporting refuses."""

from datetime import timedelta

import pytest

from tests.harness import Running, issuer
from tests.notifier.events import AWO, AWO_UNIT

PATH = "/v1/compliance"


async def test_nobody_reads_without_a_valid_token(reporting: Running) -> None:
    """Missing, garbled, expired and strangers' tokens get a problem that names the header."""
    tokens = issuer(reporting.folder)
    expired = tokens.issue_token(AWO, AWO_UNIT, ["system"], ttl=timedelta(hours=-1))
    stranger = tokens.issue_token("red-cross", "red-cross/mbe", ["system"])
    for headers in (
        {},
        {"Authorization": "Bearer x.y.z"},
        {"Authorization": f"Bearer {expired}"},
        {"Authorization": f"Bearer {stranger}"},
    ):
        answer = await reporting.client.get(PATH, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["errors"][0]["field"] == "Authorization"


async def test_operator_is_refused(reporting: Running) -> None:
    """The agreement is the partners' own."""
    token = issuer(reporting.folder).issue_token("", "", ["operator"])
    answer = await reporting.client.get(PATH, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:lotse:problem:role-missing")


@pytest.mark.parametrize("role", ["clerk", "counsellor", "coordinator", "commissioner", "system"])
async def test_every_role_of_a_partner_may_read(reporting: Running, role: str) -> None:
    """Compliance is open to all who carry the agreement."""
    answer = await reporting.client.get(PATH, headers=reporting.headers(AWO_UNIT, role))
    assert answer.status_code == 200


@pytest.mark.parametrize("year", ["x", "1999", "3000", "2024.5", "99999999999999999999"])
async def test_wrong_year_is_refused_naming_the_field(reporting: Running, year: str) -> None:
    """A year outside its range is a problem, not an error of the database."""
    answer = await reporting.client.get(f"{PATH}?year={year}", headers=reporting.headers(AWO_UNIT, "system"))
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == ["year"]
    assert await reporting.outbox_rows() == []


async def test_api_describes_itself_with_its_problems(reporting: Running) -> None:
    """OpenAPI 3.1, the field `from` under the name it has in the answer."""
    document = (await reporting.client.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert {"200", "401", "403", "422"} <= document["paths"][PATH]["get"]["responses"].keys()
    assert "from" in document["components"]["schemas"]["ClauseRow"]["properties"]
