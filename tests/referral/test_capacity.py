"""Whether an offer has places: told by itself, shown with the offer, and put last by routing where it has none."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import CapacityState, FieldChange, OfferCapacityChanged
from schemas.directory import Capacity
from services.referral.model.routing import best_places
from tests.referral.builders import AWO, CARITAS_JMD, CARITAS_MBE, CITY, JOBCENTER, Lotse, a_case, a_consent, is_problem

FAR, FARTHER = date(2099, 1, 1), date(2099, 6, 1)


async def say(lotse: Lotse, offer_id: str, unit: str = AWO, **body: Any) -> Any:
    """A unit says whether an offer has places."""
    headers = body.pop("headers", {})
    return await lotse.send("PUT", f"/v1/offers/{offer_id}/capacity", body, unit=unit, **headers)


def places(capacity: Capacity | None, expected_from: date | None = None) -> CapacityState:
    """What AWO says."""
    return CapacityState(unit=AWO, capacity=capacity, expected_from=expected_from)


async def test_capacity_is_told_with_what_changed_and_shown_with_the_offer(lotse: Lotse) -> None:
    """Each time it changes, and only then; null takes back what was said."""
    offer_id = await lotse.offer()
    assert (await lotse.get(f"/v1/offers/{offer_id}")).json()["capacity"] is None
    answer = await say(lotse, offer_id, capacity="waitlist", expected_from=FAR.isoformat())
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    assert (await say(lotse, offer_id, capacity="waitlist", expected_from=FAR.isoformat())).headers["etag"] == '"2"'
    [shown] = (await lotse.get("/v1/offers", unit=JOBCENTER)).json()["items"]
    assert (shown["capacity"], shown["capacity_expected_from"]) == ("waitlist", FAR.isoformat())
    assert (await say(lotse, offer_id, capacity=None)).json()["capacity"] is None
    _, first, last = await lotse.running.published()
    assert isinstance(first, OfferCapacityChanged)
    assert isinstance(last, OfferCapacityChanged)
    assert (first.unit, first.capacity, first.acted_by) == (AWO, Capacity.WAITLIST, "awo-rheinland")
    assert first.changes == (
        FieldChange(field="capacity", previous=None, new="waitlist"),
        FieldChange(field="expected_from", previous=None, new=FAR.isoformat()),
    )
    assert (last.capacity, [change.new for change in last.changes]) == (None, [None, None])


async def test_a_change_of_the_offer_leaves_its_capacity(lotse: Lotse) -> None:
    """The two are said apart."""
    offer_id = await lotse.offer()
    await say(lotse, offer_id, capacity="no-capacity")
    [offer] = (await lotse.get("/v1/offers")).json()["items"]
    body = {name: offer[name] for name in ("unit", "name", "service_type", "description")}
    changed = await lotse.send("PUT", f"/v1/offers/{offer_id}", {**body, "name": "Neu"}, If_Match='"2"')
    assert (changed.status_code, changed.json()["capacity"]) == (200, "no-capacity")


async def test_whoever_has_seen_an_older_version_may_say_so(lotse: Lotse) -> None:
    """If-Match is taken and not needed; a withdrawn offer has no places."""
    offer_id = await lotse.offer()
    stale = await say(lotse, offer_id, capacity="waitlist", headers={"If_Match": '"7"'})
    assert is_problem(stale, 412, "stale", "If-Match")
    await lotse.post(f"/v1/offers/{offer_id}/withdraw", {})
    assert is_problem(await say(lotse, offer_id, capacity="waitlist"), 409, "withdrawn")
    assert is_problem(await say(lotse, offer_id, unit=CARITAS_MBE, capacity="waitlist"), 404, "not-found")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "capacity"),
        ({"capacity": "full"}, "capacity"),
        ({"capacity": "waitlist", "expected_from": "soon"}, "expected_from"),
        ({"capacity": "waitlist", "expected_from": "2026-01-01"}, "expected_from"),
        ({"capacity": "capacity", "expected_from": FAR.isoformat()}, "expected_from"),
        ({"capacity": None, "expected_from": FAR.isoformat()}, "expected_from"),
        ({"capacity": "waitlist", "waiting": ["Anna"]}, "waiting"),
    ],
)
async def test_a_wrong_capacity_is_refused_by_field(lotse: Lotse, body: dict[str, Any], field: str) -> None:
    """And nothing is told."""
    offer_id = await lotse.offer()
    assert is_problem(await say(lotse, offer_id, **body), 422, "not-valid", field)
    assert len(await lotse.running.published()) == 1


async def routed(lotse: Lotse, **said: Any) -> list[dict[str, Any]]:
    """The units proposed for an adult, in order."""
    question = {"age": 40, "status": "eu-eea", **said}
    answer = await lotse.post("/v1/routing", question, unit=CITY, role="clerk")
    assert answer.status_code == 200, answer.text
    units: list[dict[str, Any]] = answer.json()["proposals"][0]["units"]
    return units


@pytest.mark.parametrize("wished", [{}, {"wished_unit": AWO}, {"language": "tr"}])
async def test_routing_puts_places_without_capacity_last_and_says_why(lotse: Lotse, wished: dict[str, str]) -> None:
    """Whatever else speaks for them; they stay in the answer, with the day from which there are places again."""
    offer_id = await lotse.offer(languages=["de", "tr"])
    await lotse.offer(CARITAS_MBE)
    await say(lotse, offer_id, capacity="no-capacity", expected_from=FAR.isoformat())
    free, full = await routed(lotse, **wished)
    assert (free["unit"], free["capacity"], free["reasons"]) == (CARITAS_MBE, None, [])
    assert (full["unit"], full["capacity"], full["expected_from"]) == (AWO, "no-capacity", FAR.isoformat())
    assert [(each["rule"], each["code"]) for each in full["reasons"]] == [("R16", "no-capacity")]


async def test_a_unit_with_one_offer_that_has_places_is_not_full(lotse: Lotse) -> None:
    """A waiting list is behind places, and before nothing at all; another kind of service does not count."""
    full = await lotse.offer()
    await say(lotse, full, capacity="no-capacity")
    caritas = await lotse.offer(CARITAS_MBE)
    await say(lotse, caritas, unit=CARITAS_MBE, capacity="waitlist")
    youth = await lotse.offer(CARITAS_JMD, service_type="JMD")
    await say(lotse, youth, unit=CARITAS_JMD, capacity="no-capacity")
    assert [each["unit"] for each in await routed(lotse)] == [CARITAS_MBE, AWO]
    await say(lotse, await lotse.offer(), capacity="additional-assessment-required")
    assert [each["unit"] for each in await routed(lotse)] == [AWO, CARITAS_MBE]


async def test_who_wants_to_wait_can_be_referred(lotse: Lotse) -> None:
    """A full offer is no closed one: the person decides."""
    case_id, offer_id = a_case(), await lotse.offer()
    await lotse.running.feed(a_consent(case_id))
    await say(lotse, offer_id, capacity="no-capacity")
    assert (await lotse.request(case_id, offer_id)).status_code == 201


@given(
    st.permutations([places(Capacity.NO_CAPACITY), places(Capacity.WAITLIST, FARTHER), places(Capacity.WAITLIST, FAR)])
)
def test_of_several_full_offers_the_best_prospect_counts(said: list[CapacityState]) -> None:
    """In whatever order; one of which nothing is said may have places, and a unit without offers has said nothing."""
    assert best_places(said) == places(Capacity.WAITLIST, FAR)
    assert best_places([*said, None]) is None
    assert best_places([*said, places(Capacity.CAPACITY)]) == places(Capacity.CAPACITY)
    assert best_places([]) is None
