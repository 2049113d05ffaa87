"""Recalls: after an end, exactly those who knew say what became of it."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from schemas import Event, RecallAcknowledged, RecallOpened
from schemas.codes import RecallAction, Scope
from services.chassis import db
from tests.harness import Running, received
from tests.notifier.events import AWO, AWO_UNIT, CARITAS_UNIT, CITY, CITY_UNIT, Story


async def asked(notifier: Running) -> list[tuple[str, str]]:
    """The recalls that were told to the others: partner and short type, in order."""
    opened = [each for each in await notifier.published() if isinstance(each, RecallOpened)]
    return [(each.partner, each.closing_type.removeprefix("lotse.").removesuffix(".v1")) for each in opened]


async def listed(notifier: Running, unit: str, query: str = "") -> list[dict[str, Any]]:
    """What a unit's partner has to answer."""
    answer = await notifier.client.get(f"/v1/recalls{query}", headers=notifier.headers(unit, "counsellor"))
    assert answer.status_code == 200, answer.text
    recalls: list[dict[str, Any]] = answer.json()["recalls"]
    return recalls


async def acknowledge(notifier: Running, unit: str, event_id: object, action: str = "deleted") -> Any:
    """Answer a recall."""
    return await notifier.client.post(
        f"/v1/recalls/{event_id}/acknowledge", json={"action": action}, headers=notifier.headers(unit, "system")
    )


async def a_recall(notifier: Running) -> str:
    """AWO was told of a referral and then of the withdrawal; the ce_id of that on its stream."""
    story = Story()
    await notifier.feed(story.consent(), story.requested(), story.withdrawn())
    return str((await listed(notifier, AWO_UNIT))[-1]["event_id"])


@pytest.mark.parametrize("end", ["withdrawn", "expired", "revoked", "invalidated"])
async def test_the_recipient_that_was_told_is_asked_and_nobody_else(notifier: Running, end: str) -> None:
    """The City passed the person on and keeps its own record; Caritas knew nothing."""
    story = Story()
    await notifier.feed(story.consent(), story.requested(), getattr(story, end)())
    assert await asked(notifier) == [(AWO, f"consent.{end}")]
    [recall] = await listed(notifier, AWO_UNIT)
    assert recall["consent_ref"] == notifier.reference(AWO, story.transfer)
    assert recall["case_ref"] == notifier.reference(AWO, story.case_id)
    assert (await listed(notifier, CITY_UNIT), await listed(notifier, CARITAS_UNIT)) == ([], [])


async def test_a_recipient_that_was_told_nothing_is_not_asked(notifier: Running) -> None:
    """A consent that ended before anything rested on it."""
    story = Story()
    await notifier.feed(story.consent(), story.withdrawn())
    assert await asked(notifier) == []


async def test_who_fetched_is_asked_though_it_recorded_the_end_itself(notifier: Running) -> None:
    """AWO's counter took the withdrawal: its stream says nothing new, but AWO still has the data."""
    story = Story()
    await notifier.feed(story.consent(), story.requested(), story.disclosed(), story.withdrawn(acted_by=AWO))
    assert await asked(notifier) == [(AWO, "consent.withdrawn")]


async def test_another_consent_of_the_person_asks_nobody(notifier: Running) -> None:
    """A transfer to AWO that nothing rested on ends, while a referral to AWO rests on another."""
    story = Story()
    other = story.consent(consent_id=uuid4())
    await notifier.feed(story.consent(), story.requested(), other, story.withdrawn(other))
    assert await asked(notifier) == []


async def test_the_end_of_feedback_asks_nobody(notifier: Running) -> None:
    """What the City was told of its own referral is the City's record; it is told that no more follows."""
    story = Story()
    back = story.feedback(Scope.FEEDBACK_STATUS)
    await notifier.feed(story.consent(), story.requested(), back, story.accepted(), story.withdrawn(back))
    assert await asked(notifier) == []


async def test_an_erasure_asks_everybody_who_knew_but_who_erased(notifier: Running) -> None:
    """By a job: both; on request: all but the City, which did it."""
    by_job, by_city = Story(), Story()
    await notifier.feed(by_job.consent(), by_job.requested(), by_job.erased())
    assert sorted(await asked(notifier)) == [(AWO, "person.erased"), (CITY, "person.erased")]
    await notifier.feed(by_city.consent(), by_city.requested(), by_city.erased().model_copy(update={"acted_by": CITY}))
    assert (await asked(notifier))[2:] == [(AWO, "person.erased")]


async def test_the_recall_has_the_id_that_the_stream_showed(notifier: Running) -> None:
    """A partner answers by the ce_id of the event, without looking anything up."""
    story = Story()
    await notifier.feed(story.consent(), story.requested(), story.withdrawn())
    last = [row for row in await notifier.outbox_rows() if row["topic"] == f"lotse.partner.{AWO}.v1"][-1]
    answer = await acknowledge(notifier, AWO_UNIT, last["headers"]["ce_id"], "restricted")
    assert (answer.status_code, answer.json()["action"]) == (200, "restricted")
    assert await listed(notifier, AWO_UNIT) == []
    [kept] = await listed(notifier, AWO_UNIT, "?state=all")
    assert kept["action"] == "restricted"
    assert kept["acknowledged_at"] is not None
    [told] = [each for each in await notifier.published() if isinstance(each, RecallAcknowledged)]
    assert (told.partner, told.action) == (AWO, RecallAction.RESTRICTED)


async def test_the_deadline_is_the_agreements(notifier: Running) -> None:
    """Koblenz's file says seven days."""
    await a_recall(notifier)
    [row] = await notifier.rows("select due_at - opened_at as days from notifier.recall")
    assert row["days"].days == 7


async def test_the_first_answer_stays(notifier: Running) -> None:
    """The same again is welcome and told once; a different one is refused and names the way out."""
    event_id = await a_recall(notifier)
    for _ in range(2):
        assert (await acknowledge(notifier, AWO_UNIT, event_id)).status_code == 200
    other = await acknowledge(notifier, AWO_UNIT, event_id, "nothing-held")
    assert (other.status_code, other.json()["type"]) == (409, "urn:lotse:problem:recall-acknowledged")
    assert len([each for each in await notifier.published() if isinstance(each, RecallAcknowledged)]) == 1


async def test_anothers_recall_and_an_unknown_one_are_not_there(notifier: Running) -> None:
    """404 for both, and nothing is kept or told."""
    event_id = UUID(await a_recall(notifier))
    internal = notifier.context.references.resolve(AWO, event_id.hex)
    own_name = UUID(hex=notifier.reference(CITY, internal))
    for unit, each in ((CITY_UNIT, own_name), (AWO_UNIT, uuid4())):
        answer = await acknowledge(notifier, unit, each)
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:lotse:problem:not-found")
    assert not [each for each in await notifier.published() if isinstance(each, RecallAcknowledged)]


@pytest.mark.parametrize("action", ["unknown", "shredded", None])
async def test_an_answer_that_is_none_is_refused_naming_the_field(notifier: Running, action: str | None) -> None:
    """What was done is one of four."""
    event_id = await a_recall(notifier)
    answer = await notifier.client.post(
        f"/v1/recalls/{event_id}/acknowledge", json={"action": action}, headers=notifier.headers(AWO_UNIT, "system")
    )
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "action")


async def test_recalls_are_read_page_by_page(notifier: Running) -> None:
    """Each once, the oldest first."""
    wanted = [await a_recall(notifier) for _ in range(5)]
    found: list[str] = []
    after: str | None = ""
    while after is not None:
        query = f"/v1/recalls?limit=2{f'&after={after}' if after else ''}"
        page = (await notifier.client.get(query, headers=notifier.headers(AWO_UNIT, "system"))).json()
        found += [each["event_id"] for each in page["recalls"]]
        after = page["next_after"]
    assert found == wanted


async def test_what_the_bus_knows_is_taken_back_and_not_asked_again(notifier: Running) -> None:
    """A restored ledger adopts recalls and answers, and judging the event again opens none."""
    story = Story()
    await notifier.feed(story.consent(), story.requested(), story.withdrawn())
    assert (await acknowledge(notifier, AWO_UNIT, (await listed(notifier, AWO_UNIT))[0]["event_id"])).status_code == 200
    said = [each for each in await notifier.published("lotse.deliveries") if not _is_informed(each)]
    before = await notifier.rows("select event_id, due_at, action from notifier.recall")
    async with notifier.context.database.transaction() as conn:
        await conn.execute("delete from notifier.recall")
    await adopt(notifier, said)
    assert await notifier.rows("select event_id, due_at, action from notifier.recall") == before


async def test_open_and_overdue_recalls_are_measured(notifier: Running) -> None:
    """Two open; one answered; after the deadline the rest is overdue."""
    for _ in range(2):
        event_id = await a_recall(notifier)
    await acknowledge(notifier, AWO_UNIT, event_id)
    assert await measured(notifier) == {"open": 1.0, "overdue": 0.0}
    async with notifier.context.database.transaction() as conn:
        await conn.execute("update notifier.recall set due_at = chassis.lotse_now() - interval '1 second'")
    assert await measured(notifier) == {"open": 0.0, "overdue": 1.0}


async def measured(notifier: Running) -> dict[str, float]:
    """`lotse_recalls` by state."""
    text = (await notifier.client.get("/metrics")).text
    lines = [line for line in text.splitlines() if line.startswith("lotse_recalls{")]
    return {line.partition('state="')[2].partition('"')[0]: float(line.rpartition(" ")[2]) for line in lines}


def _is_informed(event: Event) -> bool:
    return event.event_type == "lotse.partner.informed.v1"


async def adopt(notifier: Running, events: list[Event]) -> None:
    """Hand the notifier its own events as the recovery does."""
    adoption = notifier.service.adoption(notifier.context)
    async with notifier.context.database.transaction() as conn:
        for event in events:
            assert await adoption.events[type(event)](conn, received(event), await db.now(conn))
