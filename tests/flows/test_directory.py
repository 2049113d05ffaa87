"""What one partner changes in the directory reaches the three others, on their own streams, with what changed."""

from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.flows.asking import KINDS, Kind
from tests.flows.world import AWO, Heard, World

OTHERS = ("stadt-koblenz", "jobcenter-koblenz", "caritas-koblenz")


async def all_hear(others: list[Heard], event_type: str, **data: Any) -> list[dict[str, Any]]:
    """What each of them is told in an event of that type and with that data."""
    return [await each.until(event_type, **data) for each in others]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.path)
async def test_each_change_reaches_the_three_other_partners_with_its_field_changes(world: World, kind: Kind) -> None:
    """Published, changed, withdrawn: the same words for all three, and nothing comes back to who did it."""
    named = kind.id_field.removesuffix("_id")
    async with AsyncExitStack() as stack:
        others = [await stack.enter_async_context(world.listening(slug)) for slug in OTHERS]
        itself = await stack.enter_async_context(world.listening("awo-rheinland"))
        body = kind.body(unit=AWO)
        entry_id = (await world.do("referral", kind.path, AWO, body))[kind.id_field]
        place, this = f"{kind.path}/{entry_id}", {kind.id_field: entry_id}
        for told in await all_hear(others, f"{named}.published", **this):
            assert told.items() >= body.items()
        await world.ask("PUT", "referral", place, AWO, {**body, kind.field: "Neu"}, **{"If-Match": '"1"'})
        for told in await all_hear(others, f"{named}.changed", **this):
            assert told["changes"] == [{"field": kind.field, "previous": body[kind.field], "new": "Neu"}]
        later = {**body, "effective_on": "2099-01-01"}
        await world.ask("PUT", "referral", place, AWO, later, **{"If-Match": '"2"'})
        for told in await all_hear(others, f"{named}.announced", **this):
            assert (told["act"], told["effective_on"]) == ("change", "2099-01-01")
            assert told["changes"] == [{"field": kind.field, "previous": "Neu", "new": body[kind.field]}]
        await world.do("referral", f"{place}/retract", AWO)
        await all_hear(others, f"{named}.announcement_retracted", **this)
        await world.do("referral", f"{place}/withdraw", AWO)
        for told in await all_hear(others, f"{named}.withdrawn", **this):
            assert told[kind.field] == "Neu"
        await itself.read_to_its_end()
        assert itself.kinds(entry_id) == []


async def test_capacity_reaches_the_three_other_partners_by_itself(world: World) -> None:
    """A small event: what changed about the places, and nothing of the offer."""
    offer_id = await world.offer(AWO)
    async with AsyncExitStack() as stack:
        others = [await stack.enter_async_context(world.listening(slug)) for slug in OTHERS]
        body = {"capacity": "waitlist"}
        answer = await world.ask("PUT", "referral", f"/v1/offers/{offer_id}/capacity", AWO, body)
        assert answer.status_code == 200, answer.text
        for told in await all_hear(others, "offer.capacity_changed", offer_id=offer_id):
            assert told["changes"] == [{"field": "capacity", "previous": None, "new": "waitlist"}]
            assert "description" not in told
