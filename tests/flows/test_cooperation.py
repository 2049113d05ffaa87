"""A case is agreed between AWO and Jobcenter, seen from outside."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.conftest import eventually
from tests.flows.world import AWO, CARITAS, CITY, JOBCENTER, PERSON, World, signed


async def test_a_case_is_agreed_between_awo_and_jobcenter(world: World) -> None:
    """Each signs with the person for its own direction; the withdrawal of one ends it, and nobody else heard a word."""
    before = await agreed_and_ended(world)
    async with (
        world.listening("awo-rheinland") as awo,
        world.listening("jobcenter-koblenz") as jobcenter,
        world.listening("caritas-koblenz") as caritas,
        world.listening("stadt-koblenz") as city,
    ):
        case_ref = (await world.do("intake", "/v1/persons", AWO, PERSON))["case_ref"]
        there = signed(AWO, JOBCENTER, "cooperation")
        [consent] = (await world.do("intake", f"/v1/persons/{case_ref}/consents", AWO, there))["consents"]
        proposal = {"case_ref": case_ref, "units": [JOBCENTER], "responsible": "Beratung MBE"}
        cooperation = (await world.do("referral", "/v1/cooperations", AWO, proposal))["cooperation_id"]
        proposed = await jobcenter.until("cooperation.proposed", cooperation_id=cooperation)
        assert proposed["unit"] == AWO
        assert proposed["case_ref"] != case_ref

        path, back = f"/v1/cooperations/{cooperation}", signed(JOBCENTER, AWO, "cooperation")
        await world.do("intake", f"{path}/consents", JOBCENTER, back)
        await world.do("referral", f"{path}/agree", JOBCENTER, {"responsible": "Fallmanagement"})
        await awo.until("cooperation.agreed", cooperation_id=cooperation, unit=JOBCENTER)

        due_on = (datetime.now(UTC) + timedelta(days=14)).date().isoformat()
        step = {"kind": "benefit-application", "unit": JOBCENTER, "due_on": due_on}
        [planned] = (await world.do("referral", f"{path}/steps", AWO, step))["steps"]
        await jobcenter.until("cooperation.step_planned", step_id=planned["step_id"], due_on=due_on)
        await world.do("referral", f"{path}/steps/{planned['step_id']}/done", JOBCENTER)
        await awo.until("cooperation.step_done", step_id=planned["step_id"])

        await world.do("intake", f"/v1/consents/{consent['consent_ref']}/withdraw", AWO)
        for stream in (awo, jobcenter):
            await stream.until("cooperation.ended", cooperation_id=cooperation)
        refused = await world.ask("POST", "referral", f"{path}/steps", AWO, step)
        assert refused.status_code == 409

        key = proposed["case_ref"]
        assert jobcenter.kinds(key) == [
            "cooperation.proposed",
            "cooperation.step_planned",
            "consent.withdrawn",
            "cooperation.ended",
        ]
        await world.settled()
        for stream in (caritas, city):
            await stream.read_to_its_end()
            assert not [each for each in stream.kinds() if each.startswith(("cooperation", "consent"))]
    for unit in (CARITAS, CITY):
        assert (await world.ask("GET", "referral", path, unit)).status_code == 404

    async def is_counted() -> bool:
        return await agreed_and_ended(world) == before + 2

    await eventually(is_counted)


async def agreed_and_ended(world: World) -> int:
    """What clause K9 amounts to this year."""
    answer: Any = await world.ask("GET", "reporting", "/v1/compliance", CITY)
    [clause] = [each for each in answer.json()["clauses"] if each["id"] == "K9"]
    return int(clause["done"])
