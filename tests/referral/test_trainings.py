"""Trainings and the needs they answer: told with full state and changes, changed by their own partner only."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from schemas import (
    FieldChange,
    PartnerSlug,
    TrainingCancelled,
    TrainingChanged,
    TrainingNeedChanged,
    TrainingNeedClosed,
    TrainingNeedStated,
    TrainingOffered,
)
from schemas.codes import TrainingTopic
from tests.referral.builders import AWO, CARITAS_JMD, CARITAS_MBE, CITY, JOBCENTER, Lotse, a_case, is_problem
from tests.referral.training_builders import (
    NEEDS,
    TRAININGS,
    a_need,
    a_session,
    a_training,
    attended,
    changed,
    day_in,
    in_days,
    offered,
    over,
    registered,
    stated,
)


async def test_a_need_is_stated_changed_and_closed(lotse: Lotse) -> None:
    """Three events with full state; the change names its field."""
    place = f"{NEEDS}/{await stated(lotse)}"
    answer = await lotse.send("PUT", place, a_need(people=5), unit=CARITAS_JMD, If_Match='"1"')
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    assert (await lotse.post(f"{place}/close", unit=CARITAS_MBE)).json()["withdrawn_at"] is not None
    first, second, third = await lotse.running.published()
    assert isinstance(first, TrainingNeedStated)
    assert (first.acted_by, first.training_topic) == (PartnerSlug("caritas-koblenz"), TrainingTopic.RESIDENCE_LAW)
    assert isinstance(second, TrainingNeedChanged)
    assert second.changes == (FieldChange(field="people", previous=3, new=5),)
    assert isinstance(third, TrainingNeedClosed)
    assert third.people == 5
    assert [row["key"] for row in await lotse.running.outbox_rows()] == [str(first.training_need_id)] * 3
    assert is_problem(await lotse.post(f"{place}/close", unit=CARITAS_MBE), 409, "withdrawn")


async def test_a_training_is_offered_with_its_full_state(lotse: Lotse) -> None:
    """On the directory's topic, under its own key."""
    need = await stated(lotse)
    place = await offered(lotse, need)
    event = (await lotse.running.published())[-1]
    assert isinstance(event, TrainingOffered)
    assert (event.acted_by, event.unit, [str(each) for each in event.needs]) == ("awo-rheinland", AWO, [need])
    assert place == f"{TRAININGS}/{event.training_id}"
    row = (await lotse.running.outbox_rows())[-1]
    assert (row["topic"], row["key"]) == ("lotse.directory.v1", str(event.training_id))
    shown = await lotse.get(place, unit=JOBCENTER)
    assert (shown.json()["seats_left"], shown.json()["registrations"], shown.headers["etag"]) == (10, [], '"1"')


async def test_a_change_names_each_field_with_both_values(lotse: Lotse) -> None:
    """Only those that differ; the same time said in another zone is no difference."""
    sessions = [{"starts_at": "2199-03-01T09:00:00Z", "ends_at": "2199-03-01T12:00:00Z"}]
    place = await offered(lotse, sessions=sessions, registration_until="2199-02-20")
    here = [{"starts_at": "2199-03-01T10:00:00+01:00", "ends_at": "2199-03-01T13:00+01:00"}]
    same = await changed(lotse, place, sessions=here)
    assert (same.status_code, same.headers["etag"]) == (200, '"1"')
    later = [{**sessions[0], "ends_at": "2199-03-01T13:00:00Z"}]
    assert (await changed(lotse, place, sessions=later, seats=8)).headers["etag"] == '"2"'
    event = (await lotse.running.published())[-1]
    assert isinstance(event, TrainingChanged)
    assert event.changes == (
        FieldChange(field="sessions", previous=sessions, new=later),
        FieldChange(field="seats", previous=10, new=8),
    )


async def test_a_change_needs_the_version_it_was_made_on(lotse: Lotse) -> None:
    """428 without, 412 with an old one, also after somebody has registered; of two at once one wins."""
    place = await offered(lotse)
    assert is_problem(await lotse.send("PUT", place, a_training(a_case().hex)), 428, "if-match-missing", "If-Match")
    assert (await registered(lotse, place, 2)).headers["etag"] == '"2"'
    assert is_problem(await changed(lotse, place, version=1, title="Neu"), 412, "stale", "If-Match")
    rivals = [changed(lotse, place, version=2, title=f"Neu {number}") for number in range(3)]
    assert sorted(answer.status_code for answer in await asyncio.gather(*rivals)) == [200, 412, 412]
    assert is_problem(await lotse.post(f"{place}/cancel", If_Match='"2"'), 412, "stale", "If-Match")


async def test_a_cancelled_training_is_told_and_stays_as_it_is(lotse: Lotse) -> None:
    """It can be read; nothing else can be done with it."""
    place = await offered(lotse)
    assert (await lotse.post(f"{place}/cancel")).json()["withdrawn_at"] is not None
    event = (await lotse.running.published())[-1]
    assert isinstance(event, TrainingCancelled)
    assert event.title == "Aufenthaltsrecht aktuell"
    for answer in (
        await lotse.post(f"{place}/cancel"),
        await changed(lotse, place, title="Neu"),
        await registered(lotse, place, 1),
        await attended(lotse, place, awo_rheinland=1),
    ):
        assert is_problem(answer, 409, "withdrawn")
    assert (await lotse.get(place, unit=JOBCENTER)).status_code == 200


async def test_the_same_offer_twice_is_one_training(lotse: Lotse) -> None:
    """The repeated answer shows it as it is now."""
    body = a_training(await stated(lotse))
    first = await lotse.post(TRAININGS, body, Idempotency_Key="k")
    place = first.headers["location"]
    await registered(lotse, place, 4)
    again = await lotse.post(TRAININGS, body, Idempotency_Key="k")
    assert (again.status_code, again.headers["location"], again.headers["etag"]) == (201, place, '"2"')
    assert again.json()["seats_left"] == 6


async def test_another_partners_training_cannot_be_touched(lotse: Lotse) -> None:
    """404 in the same words as for one that does not exist."""
    place = await offered(lotse)
    body, nowhere = a_training(a_case().hex, unit=JOBCENTER), f"{TRAININGS}/{a_case()}"
    answers = [
        answer
        for where in (place, nowhere)
        for answer in (
            await lotse.send("PUT", where, body, unit=JOBCENTER, If_Match='"1"'),
            await lotse.post(f"{where}/cancel", unit=JOBCENTER),
            await lotse.send("PUT", f"{where}/attendance", {"attendance": []}, unit=JOBCENTER, If_Match='"1"'),
        )
    ] + [await registered(lotse, nowhere, 1), await lotse.get(nowhere)]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    for unit in (CITY, "awo-rheinland/unknown"):
        answer = await lotse.post(TRAININGS, a_training(a_case().hex, unit=unit))
        assert is_problem(answer, 403, "not-your-unit", "unit")


async def test_a_training_answers_open_needs(lotse: Lotse) -> None:
    """Of any partner; none that is unknown, no training for one; one closed meanwhile may stay, but not be added."""
    need, gone = await stated(lotse), await stated(lotse, unit=CITY)
    training = (await lotse.post(TRAININGS, a_training(need))).headers["location"]
    for wrong in (str(a_case()), training.rpartition("/")[2]):
        answer = await lotse.post(TRAININGS, a_training(need, wrong))
        assert is_problem(answer, 422, "no-such-need", "needs")
    place = await offered(lotse, need, gone)
    await lotse.post(f"{NEEDS}/{gone}/close", unit=CITY)
    assert is_problem(await lotse.post(TRAININGS, a_training(gone)), 422, "no-such-need", "needs")
    assert (await changed(lotse, place, title="Neu")).status_code == 200
    assert is_problem(await changed(lotse, training, needs=[need, gone]), 422, "no-such-need", "needs")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"needs": []}, "needs"),
    ({"needs": ["x"]}, "needs.0"),
    ({"sessions": []}, "sessions"),
    ({"sessions": [{"starts_at": 1900000000, "ends_at": in_days(14)}]}, "sessions.0.starts_at"),
    ({"sessions": [{"starts_at": "2099-01-01T10:00:00", "ends_at": in_days(14)}]}, "sessions.0.starts_at"),
    ({"sessions": [{"starts_at": "0001-01-01T00:00:00+14:00", "ends_at": in_days(14)}]}, "sessions.0.starts_at"),
    ({"sessions": [{"starts_at": in_days(14), "ends_at": "9999-12-31T23:59:59-12:00"}]}, "sessions.0.ends_at"),
    ({"sessions": [{**a_session(), "room": "1"}]}, "sessions.0.room"),
    ({"sessions": [a_session(14, -1)]}, "sessions"),
    ({"sessions": [a_session(14, 0)]}, "sessions"),
    ({"sessions": [a_session(14), a_session(13)]}, "sessions"),
    ({"sessions": [a_session(14, 5), a_session(14.1)]}, "sessions"),
    ({"registration_until": day_in(15)}, "registration_until"),
    ({"registration_until": 20000}, "registration_until"),
    ({"registration_until": in_days(7)}, "registration_until"),
    ({"place": None}, "place"),
    ({"url": "javascript:alert(1)"}, "url"),
    ({"title": "a\x00"}, "title"),
    ({"training_topic": "astrology"}, "training_topic"),
    ({"seats": 0}, "seats"),
    ({"seats": "7"}, "seats"),
    ({"seats": True}, "seats"),
    ({"seats": 1001}, "seats"),
    ({"trainer": "Anna Beispiel"}, "trainer"),
]


async def test_a_wrong_training_is_refused_by_field_and_nothing_is_kept(lotse: Lotse) -> None:
    """No text of the caller comes back."""
    need = await stated(lotse)
    for changes, field in WRONG:
        answer = await lotse.post(TRAININGS, a_training(need, **changes))
        assert is_problem(answer, 422, "not-valid", field)
        assert "Anna" not in answer.text
    assert is_problem(await lotse.post(TRAININGS, a_training(need, need)), 422, "not-valid", "needs")
    for changes, field in [({"functions": []}, "functions"), ({"people": 0}, "people"), ({"names": ["A"]}, "names")]:
        assert is_problem(await lotse.post(NEEDS, a_need(**changes), unit=CARITAS_MBE), 422, "not-valid", field)
    assert len(await lotse.running.rows("select * from referral.entry")) == 1
    assert len(await lotse.running.outbox_rows()) == 1


@pytest.mark.parametrize("changes", [{"sessions": [a_session(-1, 48)]}, {"sessions": [a_session(-3)]}])
async def test_a_training_is_offered_before_it_begins(lotse: Lotse, changes: dict[str, Any]) -> None:
    """Nobody could register any more."""
    body = a_training(await stated(lotse), registration_until=day_in(-4), **changes)
    assert is_problem(await lotse.post(TRAININGS, body), 422, "training-in-past", "registration_until")


async def test_a_training_moves_to_times_that_lie_ahead(lotse: Lotse) -> None:
    """Also one whose time has passed without anybody being counted."""
    place = await offered(lotse)
    past = {"sessions": [a_session(-2)], "registration_until": day_in(-3)}
    assert is_problem(await changed(lotse, place, **past), 422, "training-in-past", "sessions")
    await over(lotse)
    assert (await changed(lotse, place, title="Verschoben", sessions=[a_session(30)])).status_code == 200
    assert (await lotse.post(f"{place}/cancel")).status_code == 200


async def test_what_took_place_cannot_be_moved_or_called_off(lotse: Lotse) -> None:
    """Until the attendance is taken back; its description and seats can be put right."""
    place = await offered(lotse)
    await over(lotse)
    assert (await attended(lotse, place, caritas_koblenz=10)).status_code == 200
    assert is_problem(await changed(lotse, place, sessions=[a_session(30)]), 409, "took-place", "sessions")
    assert is_problem(await lotse.post(f"{place}/cancel"), 409, "took-place")
    assert (await changed(lotse, place, seats=12)).status_code == 200
    assert (await attended(lotse, place)).status_code == 200
    assert (await lotse.post(f"{place}/cancel")).status_code == 200


async def test_the_lists_go_page_by_page_and_filter(lotse: Lotse) -> None:
    """By unit, need, whether it lies ahead, and topic of the need."""
    need, other = await stated(lotse), await stated(lotse, unit=CITY, training_topic="housing")
    mine = await offered(lotse, need)
    running = await offered(lotse, need, other, sessions=[a_session(8), a_session(20)], registration_until=day_in(7))
    theirs = await offered(lotse, other, unit=CARITAS_JMD, sessions=[a_session(30)])
    gone = await offered(lotse, need)
    await lotse.post(f"{gone}/cancel")

    async def places(**query: Any) -> list[str]:
        headers = lotse.running.headers(JOBCENTER, "clerk")
        answer = await lotse.running.client.get(TRAININGS, params=query, headers=headers)
        return [f"{TRAININGS}/{item['training_id']}" for item in answer.json()["items"]]

    assert await places() == [mine, running, theirs]
    assert await places(include_inactive=True) == [mine, running, theirs, gone]
    assert await places(need=need) == [mine, running]
    assert await places(need=other, unit=CARITAS_JMD) == [theirs]
    await lotse.running.move_clock(timedelta(days=15))
    assert await places(upcoming=True) == [running, theirs]
    first = (await lotse.get(TRAININGS, limit=2)).json()
    rest = (await lotse.get(TRAININGS, limit=2, after=first["next"])).json()
    assert [len(first["items"]), len(rest["items"]), rest["next"]] == [2, 1, None]
    assert len((await lotse.get(NEEDS, training_topic="housing")).json()["items"]) == 1
    assert len((await lotse.get(NEEDS)).json()["items"]) == 2
    for path, query in [
        (TRAININGS, {"need": "x"}),
        (TRAININGS, {"upcoming": "maybe"}),
        (NEEDS, {"training_topic": "x"}),
    ]:
        assert is_problem(await lotse.get(path, **query), 422, "not-valid", next(iter(query)))


async def test_a_row_of_newer_code_is_still_read(lotse: Lotse) -> None:
    """Old and new code run side by side: an unknown field is passed over, also of a session, and a code is `other`."""
    place = await offered(lotse)
    async with lotse.running.context.database.transaction() as conn:
        await conn.execute(
            """
            update referral.entry set state = jsonb_set(state || '{"training_topic": "astronomy", "colour": "blue"}',
                                                        '{sessions,0,room}', '"1"')
            where kind = 'training'
            """
        )
    shown = (await lotse.get(place)).json()
    assert (shown["training_topic"], "room" in shown["sessions"][0]) == ("other", False)
