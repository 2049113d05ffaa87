"""A training from need to attendance on the four services, and again after the referral service is set back."""

from typing import Any

import pytest

from tests.flows.world import AWO, CARITAS, CITY, JOBCENTER
from tests.referral.training_builders import NEEDS, TRAININGS, a_need, a_training
from tests.restore.town import Town

# Services are stopped here while their Kafka clients still start, which leaves connections for the collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

LIFE = ["training_need.stated", "training.offered", "training.registrations_changed", "training.attended"]
OWN = {
    CARITAS: [LIFE[0], LIFE[2]],
    AWO: [LIFE[1], LIFE[3]],
    CITY: [],
    JOBCENTER: [],
}
"""What each partner did itself."""


async def test_a_training_set_back_is_taken_back_and_goes_on(town: Town) -> None:
    """The three others hear of each change once, K10 is counted once, and versions go on where they were."""
    copy = await town.backup("referral")
    need = await town.do("referral", NEEDS, CARITAS, a_need(unit=CARITAS))
    training = await town.do("referral", TRAININGS, AWO, a_training(need["training_need_id"], unit=AWO))
    place = f"{TRAININGS}/{training['training_id']}"
    answer = await town.ask("PUT", "referral", f"{place}/registrations", CARITAS, {"people": 2})
    assert answer.status_code == 200, answer.text
    await town.parts["referral"].rows("update chassis.clock set ahead = interval '15 days'")
    answer = await attended(town, place, 2, answer.headers["etag"])
    await town.quiet()
    before = await told(town)
    assert before == {unit: [each for each in LIFE if each not in own] for unit, own in OWN.items()}
    ended = training["sessions"][-1]["ends_at"][:4]
    assert await done(town, ended) == 1
    await town.restore("referral", copy)
    await town.recovered("referral")
    shown = await town.ask("GET", "referral", place, JOBCENTER)
    assert (shown.headers["etag"], shown.json()["registrations"], shown.json()["attendance"]) == (
        answer.headers["etag"],
        [{"unit": CARITAS, "people": 2}],
        [{"partner": "caritas-koblenz", "people": 2}],
    )
    await town.parts["referral"].rows("update chassis.clock set ahead = interval '15 days'")
    assert (await attended(town, place, 3, shown.headers["etag"])).headers["etag"] == '"4"'
    await town.quiet()
    after = await told(town)
    assert {unit: kinds[len(before[unit]) :] for unit, kinds in after.items()} == {
        unit: [] if unit == AWO else ["training.attended"] for unit in OWN
    }
    assert await done(town, ended) == 1


async def attended(town: Town, place: str, people: int, etag: str) -> Any:
    """AWO says how many of Caritas were there."""
    body = {"attendance": [{"partner": "caritas-koblenz", "people": people}]}
    answer = await town.ask("PUT", "referral", f"{place}/attendance", AWO, body, **{"If-Match": etag})
    assert answer.status_code == 200, answer.text
    return answer


async def told(town: Town) -> dict[str, list[str]]:
    """What stands on each partner's stream, needs first: only what has one key has an order on the bus."""
    streams = {unit: (await town.stream(unit.partition("/")[0])).kinds() for unit in OWN}
    return {unit: sorted(kinds, key=lambda kind: kind.startswith("training.")) for unit, kinds in streams.items()}


async def done(town: Town, year: str) -> int:
    """How often clause K10 was done."""
    answer = await town.ask("GET", "reporting", f"/v1/compliance?year={year}", CITY)
    [times] = [row["done"] for row in answer.json()["clauses"] if row["id"] == "K10"]
    return int(times)
