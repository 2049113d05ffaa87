"""One person's way through the agreement, seen from outside."""

import asyncio
from datetime import UTC, datetime

from tests.faults.people import acceptance
from tests.flows.world import AWO, CARITAS, CITY, JOBCENTER, World


async def test_a_referral_from_the_consent_to_the_withdrawal(world: World) -> None:
    """AWO hears all, the City only what the person allowed, and after the withdrawal nobody gets anything more."""
    async with world.listening("awo-rheinland") as awo, world.listening("stadt-koblenz") as city:
        offer = await world.offer(AWO)
        case_ref = await world.register()
        consent = await world.consent(case_ref, AWO)
        referral = await world.refer(case_ref, offer)
        requested = await awo.until("referral.requested", referral_id=referral)

        person = await world.ask("GET", "intake", f"/v1/referrals/{referral}/person", AWO)
        assert person.json()["identity"] == {"name": "Amal Haddad"}
        await world.do("referral", f"/v1/referrals/{referral}/accept", AWO, acceptance())
        await city.until("referral.received", referral_id=referral)

        today = datetime.now(UTC).date().isoformat()
        await world.do("referral", f"/v1/referrals/{referral}/start", AWO, {"first_contact_on": today})
        await world.feedback(referral)
        told = await city.until("referral.status_shared", referral_id=referral)
        assert told["status"] == "in-progress"

        await world.do("intake", f"/v1/consents/{consent}/withdraw", CITY)
        refused = await world.ask("GET", "intake", f"/v1/referrals/{referral}/person", AWO)
        assert refused.status_code == 403
        await awo.until("referral.ended", referral_id=referral, mode="detached")
        await city.until("referral.ended", referral_id=referral)

        key = requested["case_ref"]
        assert awo.kinds(key) == ["referral.requested", "consent.withdrawn", "referral.ended"]
        assert city.kinds(case_ref) == [
            "referral.received",
            "referral.status_shared",
            "consent.withdrawn",
            "referral.ended",
        ]


async def test_a_changed_offer_reaches_all_other_partners_with_what_changed(world: World) -> None:
    """Full state and the change, to everyone but the one that made it."""
    async with (
        world.listening("stadt-koblenz") as city,
        world.listening("jobcenter-koblenz") as jobcenter,
        world.listening("awo-rheinland") as awo,
        world.listening("caritas-koblenz") as caritas,
    ):
        offer = await world.offer(CARITAS, schedule="Mo 9-12")
        seen = await world.ask("GET", "referral", f"/v1/offers/{offer}", CARITAS)
        state = {"unit": CARITAS, "name": "Beratung", "service_type": "MBE", "description": "Beratung"}
        state["schedule"] = "Mo 9-12, Do 14-17"
        etag = seen.headers["etag"]
        changed = await world.ask("PUT", "referral", f"/v1/offers/{offer}", CARITAS, state, **{"If-Match": etag})
        assert changed.is_success, changed.text
        for partner in (city, jobcenter, awo):
            told = await partner.until("offer.changed", offer_id=offer)
            assert told["changes"] == [{"field": "schedule", "previous": "Mo 9-12", "new": "Mo 9-12, Do 14-17"}]
            assert told["schedule"] == "Mo 9-12, Do 14-17"
        # The stream is in order: an event of somebody else that comes after shows that Caritas was told nothing.
        other = await world.offer(AWO)
        await caritas.until("offer.published", offer_id=other)
        assert caritas.kinds(offer) == []


async def test_the_jobcenter_sees_nothing_of_another_partners_referral(world: World) -> None:
    """404 everywhere, as for something that does not exist."""
    case_ref = await world.register()
    await world.consent(case_ref, AWO)
    referral = await world.refer(case_ref, await world.offer(AWO))
    for service, path in (("referral", f"/v1/referrals/{referral}"), ("intake", f"/v1/persons/{case_ref}")):
        response = await world.ask("GET", service, path, JOBCENTER)
        assert response.status_code == 404, response.text
    gate = await world.ask("GET", "intake", f"/v1/referrals/{referral}/person", CARITAS)
    assert gate.status_code == 404


async def test_no_fetch_that_starts_after_a_withdrawal_was_answered_succeeds(world: World) -> None:
    """Promise 1, against running fetches: the withdrawal's 200 is the border."""
    offer = await world.offer(AWO)
    for _ in range(5):
        case_ref = await world.register()
        consent = await world.consent(case_ref, AWO)
        referral = await world.refer(case_ref, offer)
        path = f"/v1/referrals/{referral}/person"
        assert (await world.ask("GET", "intake", path, AWO)).status_code == 200
        running = [asyncio.create_task(world.ask("GET", "intake", path, AWO)) for _ in range(4)]
        await world.do("intake", f"/v1/consents/{consent}/withdraw", CITY)
        late = await asyncio.gather(*(world.ask("GET", "intake", path, AWO) for _ in range(4)))
        assert {answer.status_code for answer in late} == {403}
        assert {answer.status_code for answer in await asyncio.gather(*running)} <= {200, 403}
