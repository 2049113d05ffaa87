"""What an offer says for programs: needs, hours, place, ages."""

from typing import Any

import pytest

from tests.referral.builders import Lotse, an_offer, is_problem

HOURS = {"freq": "WEEKLY", "byday": "MO,TH", "opens_at": "09:00", "closes_at": "12:00"}
PLACE = {"address_1": "Löhrstraße 1", "postal_code": "56068", "city": "Koblenz", "accessibility": ["step-free"]}


async def test_an_offer_says_when_and_where_for_programs_too(lotse: Lotse) -> None:
    """As HSDS names it; the others are told of it with the rest."""
    more = {"needs": ["housing", "work"], "schedules": [HOURS], "location": PLACE, "minimum_age": 27}
    answer = await lotse.post("/v1/offers", an_offer(**more))
    assert answer.status_code == 201, answer.text
    [told] = await lotse.running.published("lotse.directory")
    shown = told.model_dump(mode="json")
    assert shown["location"] == PLACE | {"name": None, "transportation": None}
    assert shown["schedules"][0] == HOURS | dict.fromkeys(("valid_from", "valid_to", "description")) | {"interval": 1}
    assert (shown["needs"], shown["minimum_age"]) == (["housing", "work"], 27)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"schedules": [HOURS | {"closes_at": "09:00"}]}, "schedules.0.closes_at"),
    ({"schedules": [HOURS, HOURS | {"byday": "1MO"}]}, "schedules.1.byday"),
    ({"schedules": [HOURS | {"freq": "MONTHLY"}]}, "schedules.0.byday"),
    ({"schedules": [HOURS | {"interval": 2}]}, "schedules.0.valid_from"),
    ({"schedules": [HOURS | {"valid_from": "2026-05-04", "valid_to": "2026-05-03"}]}, "schedules.0.valid_to"),
    ({"schedules": [HOURS | {"opens_at": "9"}]}, "schedules.0.opens_at"),
    ({"schedules": [HOURS | {"byday": "MO, TH"}]}, "schedules.0.byday"),
    ({"location": PLACE | {"postal_code": "5606"}}, "location.postal_code"),
    ({"needs": ["gold"]}, "needs.0"),
    ({"minimum_age": 27, "maximum_age": 26}, "maximum_age"),
    ({"minimum_age": -1}, "minimum_age"),
]


@pytest.mark.parametrize(("wrong", "field"), WRONG, ids=[field for _, field in WRONG])
async def test_what_cannot_be_is_refused_with_its_field(lotse: Lotse, wrong: dict[str, Any], field: str) -> None:
    """And nothing is published."""
    assert is_problem(await lotse.post("/v1/offers", an_offer(**wrong)), 422, "not-valid", field)
    assert await lotse.running.published("lotse.directory") == []
