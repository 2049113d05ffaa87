"""What is entered today for a day to come: told now, done and told again at midnight in Koblenz."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from schemas import Event, OfferAnnounced, OfferAnnouncementRetracted
from schemas.calendar import local_day, local_midnight
from schemas.directory import AnnouncedAct
from tests.flows.asking import KINDS, Kind
from tests.referral.builders import AWO, CITY, Lotse, a_case, a_consent, an_offer, is_problem

EACH_KIND = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.path)


def day(ahead: int) -> str:
    """That many days from today in Koblenz."""
    return _day(ahead).isoformat()


def _day(ahead: int) -> date:
    return local_day(datetime.now(UTC)) + timedelta(days=ahead)


async def on(lotse: Lotse, ahead: int, *, seconds: int = 0) -> int:
    """Set the clock to so many seconds after that day's midnight in Koblenz, run the job; how much took effect."""
    then = local_midnight(_day(ahead)) + timedelta(seconds=seconds)
    await lotse.running.move_clock(then - datetime.now(UTC))
    return await lotse.running.run_job("take-effect")


async def told(lotse: Lotse) -> list[str]:
    """What was told, as the last words of the types."""
    return [event.event_type.split(".")[2] for event in await lotse.running.published()]


async def last(lotse: Lotse) -> Event:
    """What was told last."""
    return (await lotse.running.published())[-1]


async def published(lotse: Lotse, kind: Kind, **changes: Any) -> str:
    """An entry of AWO; returns where it is."""
    answer = await lotse.post(kind.path, {**kind.body(), **changes})
    assert answer.status_code == 201, answer.text
    return f"{kind.path}/{answer.json()[kind.id_field]}"


async def change(lotse: Lotse, place: str, body: dict[str, Any], version: int = 1) -> Any:
    """Replace an entry's state."""
    return await lotse.send("PUT", place, body, If_Match=f'"{version}"')


@EACH_KIND
async def test_a_change_is_told_when_it_is_entered_and_when_it_takes_effect(lotse: Lotse, kind: Kind) -> None:
    """Not a second before that day begins in Koblenz; until then the state is as it was, with what is to come."""
    place = await published(lotse, kind)
    before = kind.body()[kind.field]
    answer = await change(lotse, place, {**kind.body(**{kind.field: "Neu"}), "effective_on": day(30)})
    assert (answer.status_code, answer.json()[kind.field]) == (200, before)
    difference = {"field": kind.field, "previous": before, "new": "Neu"}
    assert answer.json()["announcement"] == {"act": "change", "effective_on": day(30), "changes": [difference]}
    announced: Any = await last(lotse)
    assert (getattr(announced, kind.field), announced.act, announced.effective_on) == (before, "change", _day(30))
    assert [each.model_dump() for each in announced.changes] == [difference]
    assert await on(lotse, 30, seconds=-60) == 0
    assert await told(lotse) == ["published", "announced"]
    assert await on(lotse, 30) == 1
    assert await on(lotse, 31) == 0
    assert await told(lotse) == ["published", "announced", "changed"]
    changed: Any = await last(lotse)
    assert (getattr(changed, kind.field), changed.acted_by) == ("Neu", None)
    assert [each.model_dump() for each in changed.changes] == [difference]
    shown = await lotse.get(place)
    assert (shown.json()[kind.field], shown.json()["announcement"], shown.headers["etag"]) == ("Neu", None, '"3"')


@EACH_KIND
async def test_a_withdrawal_to_come_leaves_the_entry_in_use_until_then(lotse: Lotse, kind: Kind) -> None:
    """And changes at once are possible meanwhile."""
    place = await published(lotse, kind)
    answer = await lotse.post(f"{place}/withdraw", {"effective_on": day(1)})
    assert answer.json()["withdrawn_at"] is None
    assert (await change(lotse, place, kind.body(**{kind.field: "Neu"}), 2)).status_code == 200
    assert len((await lotse.get(kind.path)).json()["items"]) == 1
    assert await on(lotse, 1) == 1
    assert await told(lotse) == ["published", "announced", "changed", "withdrawn"]
    assert getattr(await last(lotse), kind.field) == "Neu"
    assert (await lotse.get(kind.path)).json()["items"] == []


@EACH_KIND
async def test_a_publication_to_come_is_not_in_use_before(lotse: Lotse, kind: Kind) -> None:
    """It is told with the state to come, shown by its address, and listed only when all is asked for."""
    place = await published(lotse, kind, effective_on=day(7))
    announced: Any = await last(lotse)
    assert (announced.act, announced.changes, getattr(announced, kind.field)) == (
        "publish",
        (),
        kind.body()[kind.field],
    )
    assert (await lotse.get(kind.path)).json()["items"] == []
    assert len((await lotse.get(kind.path, include_inactive=True)).json()["items"]) == 1
    shown = (await lotse.get(place, unit=CITY)).json()
    assert datetime.fromisoformat(shown["published_at"]) == local_midnight(_day(7))
    assert await on(lotse, 7) == 1
    assert await told(lotse) == ["announced", "published"]
    assert len((await lotse.get(kind.path)).json()["items"]) == 1


async def test_nobody_is_referred_to_an_offer_that_is_still_to_come(lotse: Lotse) -> None:
    """Neither by routing nor by request; from its day on by both."""
    case_id = a_case()
    await lotse.running.feed(a_consent(case_id))
    place = await published(lotse, KINDS[0], effective_on=day(1))
    offer_id = place.rpartition("/")[2]
    question = {"age": 40, "status": "eu-eea"}

    async def offered() -> list[str]:
        answer = await lotse.post("/v1/routing", question, unit=CITY, role="clerk")
        return [offer for unit in answer.json()["proposals"][0]["units"] for offer in unit["offers"]]

    assert is_problem(await lotse.request(case_id, offer_id), 409, "offer-not-active", "offer_id")
    assert await offered() == []
    await on(lotse, 1)
    assert await offered() == [offer_id]
    assert (await lotse.request(case_id, offer_id)).status_code == 201


async def test_a_new_announcement_takes_the_place_of_the_one_before(lotse: Lotse) -> None:
    """Each is told; only the last takes effect, on its own day; the same again is not told twice."""
    place = await published(lotse, KINDS[0])
    await change(lotse, place, an_offer(name="Erst", effective_on=day(10)))
    await change(lotse, place, an_offer(name="Dann", effective_on=day(20)), 2)
    again = await change(lotse, place, an_offer(name="Dann", effective_on=day(20)), 3)
    assert (again.status_code, again.headers["etag"]) == (200, '"3"')
    assert await on(lotse, 10) == 0
    assert await on(lotse, 20) == 1
    assert await told(lotse) == ["published", "announced", "announced", "changed"]
    assert (await lotse.get(place)).json()["name"] == "Dann"
    await lotse.post(f"{place}/withdraw", {"effective_on": day(30)})
    await change(lotse, place, an_offer(name="Doch", effective_on=day(40)), 5)
    assert await on(lotse, 30) == 0
    assert await on(lotse, 40) == 1
    assert (await lotse.get(place)).json()["withdrawn_at"] is None


async def test_what_is_still_to_be_published_can_be_put_right_before(lotse: Lotse) -> None:
    """It remains a publication, with the new state and day."""
    place = await published(lotse, KINDS[0], effective_on=day(10))
    await change(lotse, place, an_offer(name="Neu", effective_on=day(5)))
    announced = await last(lotse)
    assert isinstance(announced, OfferAnnounced)
    assert (announced.act, announced.name, announced.effective_on) == (AnnouncedAct.PUBLISH, "Neu", _day(5))
    assert await on(lotse, 5) == 1
    assert await told(lotse) == ["announced", "announced", "published"]
    assert (await lotse.get("/v1/offers")).json()["items"][0]["name"] == "Neu"


@EACH_KIND
async def test_what_is_retracted_is_told_and_does_not_happen(lotse: Lotse, kind: Kind) -> None:
    """Neither a change nor a publication; without an announcement there is nothing to take back."""
    place = await published(lotse, kind)
    await change(lotse, place, {**kind.body(**{kind.field: "Neu"}), "effective_on": day(10)})
    answer = await lotse.post(f"{place}/retract", {})
    assert (answer.json()["announcement"], answer.json()["withdrawn_at"]) == (None, None)
    retracted: Any = await last(lotse)
    assert (retracted.act, retracted.effective_on, retracted.changes[0].new) == ("change", _day(10), "Neu")
    assert is_problem(await lotse.post(f"{place}/retract", {}), 409, "nothing-announced")
    never = await published(lotse, kind, effective_on=day(10))
    assert (await lotse.post(f"{never}/retract", {})).json()["withdrawn_at"] is not None
    assert await on(lotse, 10) == 0
    assert await told(lotse) == ["published", *["announced", "announcement_retracted"] * 2]
    assert is_problem(await lotse.post(f"{never}/withdraw", {}), 409, "withdrawn")


async def test_a_withdrawal_at_once_ends_what_was_announced(lotse: Lotse) -> None:
    """Nothing happens to what is gone."""
    place = await published(lotse, KINDS[0])
    await change(lotse, place, an_offer(name="Neu", effective_on=day(10)))
    assert (await lotse.post(f"{place}/withdraw", {})).json()["announcement"] is None
    assert await on(lotse, 10) == 0
    assert await told(lotse) == ["published", "announced", "withdrawn"]


async def test_nothing_else_changes_at_once_while_a_change_is_announced(lotse: Lotse) -> None:
    """409 that names the way out, and nothing is told; whether there are places is another matter."""
    place = await published(lotse, KINDS[0])
    await change(lotse, place, an_offer(name="Neu", effective_on=day(10)))
    assert is_problem(await change(lotse, place, an_offer(name="Jetzt"), 2), 409, "change-announced", "effective_on")
    assert (await lotse.send("PUT", f"{place}/capacity", {"capacity": "waitlist"})).status_code == 200
    never = await published(lotse, KINDS[0], effective_on=day(10))
    assert is_problem(await lotse.post(f"{never}/withdraw", {}), 409, "change-announced", "effective_on")
    later = await lotse.post(f"{never}/withdraw", {"effective_on": day(20)})
    assert is_problem(later, 409, "change-announced", "effective_on")
    assert await told(lotse) == ["published", "announced", "capacity_changed", "announced"]


@EACH_KIND
async def test_a_day_that_is_not_to_come_is_refused(lotse: Lotse, kind: Kind) -> None:
    """Today and before, what is no day, and a change of nothing or of the unit; nothing is told."""
    place = await published(lotse, kind)
    changed = kind.body(**{kind.field: "Neu"})
    for said in (day(0), day(-1)):
        new = await lotse.post(kind.path, {**kind.body(), "effective_on": said})
        assert is_problem(new, 422, "not-in-future", "effective_on")
        assert is_problem(await change(lotse, place, {**changed, "effective_on": said}), 422, "not-in-future")
        gone = await lotse.post(f"{place}/withdraw", {"effective_on": said})
        assert is_problem(gone, 422, "not-in-future", "effective_on")
    for wrong in ("soon", 1772323200, "2026-02-30"):
        answer = await lotse.post(kind.path, {**kind.body(), "effective_on": wrong})
        assert is_problem(answer, 422, "not-valid", "effective_on")
    assert is_problem(await change(lotse, place, {**kind.body(), "effective_on": day(5)}), 422, "nothing-changes")
    assert await told(lotse) == ["published"]


async def test_two_on_one_day_take_effect_though_one_fails(lotse: Lotse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is a transaction of its own, and the one that failed is done later."""
    places = [await published(lotse, KINDS[0]) for _ in range(2)]
    for place in places:
        await change(lotse, place, an_offer(name="Neu", effective_on=day(1)))
    async with lotse.running.context.database.transaction() as conn:
        await conn.execute(
            "update referral.entry set pending_state = '{}' where entry_id = $1::uuid", places[0].rpartition("/")[2]
        )
    assert await on(lotse, 1) == 1
    assert [(await lotse.get(place)).status_code for place in places[1:]] == [200]
    assert (await told(lotse)).count("changed") == 1


async def test_a_retraction_names_what_it_takes_back(lotse: Lotse) -> None:
    """So that a reader who kept it knows which."""
    place = await published(lotse, KINDS[0])
    await lotse.post(f"{place}/withdraw", {"effective_on": day(3)})
    await lotse.post(f"{place}/retract", {})
    retracted = await last(lotse)
    assert isinstance(retracted, OfferAnnouncementRetracted)
    assert (retracted.act, retracted.effective_on, retracted.acted_by) == (
        AnnouncedAct.WITHDRAW, _day(3), AWO.partition("/")[0],
    )  # fmt: skip
