"""The people of a training: registered by unit, counted by partner, never more than there are seats, never named."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas import TrainingAttended, TrainingCancelled, TrainingRegistrationsChanged
from schemas.calendar import LOCAL_TIME
from services.chassis import db
from services.referral.model.trainings import takes_registrations
from tests.harness import issuer, received
from tests.referral.builders import AWO, CARITAS_JMD, CARITAS_MBE, CITY, JOBCENTER, Lotse, is_problem
from tests.referral.training_builders import NEEDS, a_session, attended, changed, day_in, offered, over, registered
from tests.schemas.samples import a


async def test_units_register_people_and_take_them_back(lotse: Lotse) -> None:
    """Everybody is told who has registered how many, with the acting partner that of the unit."""
    place = await offered(lotse)
    assert (await registered(lotse, place, 2)).json()["seats_left"] == 8
    assert (await registered(lotse, place, 1, unit=CARITAS_JMD)).json()["seats_left"] == 7
    assert (await registered(lotse, place, 4)).json()["seats_left"] == 5
    answer = await registered(lotse, place, 0)
    assert (answer.json()["registrations"], answer.headers["etag"]) == ([{"unit": CARITAS_JMD, "people": 1}], '"5"')
    events = [each for each in await lotse.running.published() if isinstance(each, TrainingRegistrationsChanged)]
    assert [[(each.unit, each.people) for each in event.registrations] for event in events] == [
        [(CARITAS_MBE, 2)],
        [(CARITAS_JMD, 1), (CARITAS_MBE, 2)],
        [(CARITAS_JMD, 1), (CARITAS_MBE, 4)],
        [(CARITAS_JMD, 1)],
    ]
    assert {(event.acted_by, event.unit, event.seats) for event in events} == {("caritas-koblenz", AWO, 10)}


async def test_the_same_number_again_tells_nothing(lotse: Lotse) -> None:
    """Also nobody where nobody was registered."""
    place = await offered(lotse)
    assert (await registered(lotse, place, 0)).headers["etag"] == '"1"'
    await registered(lotse, place, 2)
    assert (await registered(lotse, place, 2)).headers["etag"] == '"2"'
    assert len([e for e in await lotse.running.published() if isinstance(e, TrainingRegistrationsChanged)]) == 1


async def test_there_are_no_more_people_than_seats(lotse: Lotse) -> None:
    """The refusal says how many are left for the unit, its own included; nor can seats be taken from under people."""
    place = await offered(lotse)
    await registered(lotse, place, 6)
    refused = await registered(lotse, place, 5, unit=CITY)
    assert is_problem(refused, 409, "no-seats", "people")
    assert "seats for 4 people" in refused.json()["detail"]
    assert (await registered(lotse, place, 4, unit=CITY)).json()["seats_left"] == 0
    assert is_problem(await registered(lotse, place, 7), 409, "no-seats", "people")
    assert (await registered(lotse, place, 5)).status_code == 200
    assert is_problem(await changed(lotse, place, seats=8), 409, "no-seats", "seats")
    assert (await changed(lotse, place, seats=9)).json()["seats_left"] == 0


async def test_of_many_who_want_the_last_seats_at_once_only_as_many_get_them(lotse: Lotse) -> None:
    """Four units want two each of five seats, and so does the one that offers them: two of the five get theirs."""
    place = await offered(lotse, seats=5)
    units = (CITY, JOBCENTER, CARITAS_MBE, CARITAS_JMD)
    answers = await asyncio.gather(
        *(registered(lotse, place, 2, unit=unit) for unit in units),
        lotse.send("PUT", f"{place}/registrations", {"people": 2}, unit=AWO),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 200, 409, 409, 409]
    shown = (await lotse.get(place)).json()
    assert (shown["seats_left"], sum(each["people"] for each in shown["registrations"])) == (1, 4)
    last = (await lotse.running.published())[-1]
    assert isinstance(last, TrainingRegistrationsChanged)
    assert sum(each.people for each in last.registrations) == 4


async def test_a_registration_may_say_on_which_version_it_was_made(lotse: Lotse) -> None:
    """Stale it is refused; without, it is taken, for a unit changes only its own number."""
    place = await offered(lotse)
    assert (await registered(lotse, place, 1, If_Match='"1"')).status_code == 200
    assert is_problem(await registered(lotse, place, 2, If_Match='"1"'), 412, "stale", "If-Match")
    assert (await registered(lotse, place, 2)).status_code == 200


@pytest.mark.parametrize(
    ("now", "is_open"),
    [
        (datetime(2026, 3, 5, 23, 59, tzinfo=LOCAL_TIME), True),
        (datetime(2026, 3, 5, 23, 30, tzinfo=UTC), False),
        (datetime(2026, 3, 6, 0, 0, tzinfo=LOCAL_TIME), False),
    ],
)
def test_registration_ends_with_its_last_day_in_koblenz(now: datetime, is_open: bool) -> None:
    """Not with that of Greenwich."""
    assert takes_registrations(a("lotse.training.offered.v1"), now) is is_open


def test_registration_ends_when_the_first_session_begins() -> None:
    """Where its last day is the same."""
    training = a("lotse.training.offered.v1", registration_until="2026-03-12")
    assert takes_registrations(training, datetime(2026, 3, 12, 7, 59, tzinfo=UTC))
    assert not takes_registrations(training, datetime(2026, 3, 12, 8, 0, tzinfo=UTC))


async def test_after_its_end_registration_is_closed(lotse: Lotse) -> None:
    """Also for taking people back; a later last day opens it again."""
    place = await offered(lotse)
    await registered(lotse, place, 2)
    await lotse.running.move_clock(timedelta(days=8, hours=1))
    for people in (0, 2, 3):
        assert is_problem(await registered(lotse, place, people), 409, "registration-closed")
    assert (await changed(lotse, place, registration_until=day_in(12))).status_code == 200
    assert (await registered(lotse, place, 3)).status_code == 200


async def test_whoever_registers_needs_a_unit(lotse: Lotse) -> None:
    """A number is a unit's; a token without one has none to say it for."""
    place = await offered(lotse)
    token = issuer(lotse.running.folder).issue_token("caritas-koblenz", "", ["coordinator"])
    answer = await lotse.running.client.put(
        f"{place}/registrations", json={"people": 1}, headers={"Authorization": f"Bearer {token}"}
    )
    assert is_problem(answer, 403, "unit-missing")
    for people in (-1, "2", True, 1001, None):
        answer = await lotse.send("PUT", f"{place}/registrations", {"people": people})
        assert is_problem(answer, 422, "not-valid", "people")
    named = await lotse.send("PUT", f"{place}/registrations", {"people": 1, "names": ["Anna Beispiel"]})
    assert is_problem(named, 422, "not-valid", "names")
    assert "Anna" not in named.text


async def test_attendance_is_counted_when_the_training_is_over(lotse: Lotse) -> None:
    """The event says by partner who was there, which needs it answered, and when it ended; a correction is one more."""
    place = await offered(lotse, sessions=[a_session(8), a_session(13)])
    await registered(lotse, place, 2)
    await lotse.running.move_clock(timedelta(days=9))
    assert is_problem(await attended(lotse, place, caritas_koblenz=2), 409, "training-not-over")
    await over(lotse)
    answer = await attended(lotse, place, stadt_koblenz=1, caritas_koblenz=3)
    assert answer.json()["attendance"] == [
        {"partner": "caritas-koblenz", "people": 3},
        {"partner": "stadt-koblenz", "people": 1},
    ]
    assert answer.json()["registrations"] == [{"unit": CARITAS_MBE, "people": 2}]
    event = (await lotse.running.published())[-1]
    assert isinstance(event, TrainingAttended)
    assert (event.acted_by, event.unit) == ("awo-rheinland", AWO)
    assert [str(each) for each in event.needs] == answer.json()["needs"]
    assert event.ended_at == datetime.fromisoformat(answer.json()["sessions"][-1]["ends_at"])
    assert (await attended(lotse, place, stadt_koblenz=1, caritas_koblenz=3)).headers["etag"] == answer.headers["etag"]
    assert (await attended(lotse, place, caritas_koblenz=2)).json()["attendance"][0]["people"] == 2
    assert (await attended(lotse, place)).json()["attendance"] == []
    counted = [each for each in await lotse.running.published() if isinstance(each, TrainingAttended)]
    assert [sum(each.people for each in event.attendance) for event in counted] == [4, 2, 0]


async def test_attendance_must_be_plausible(lotse: Lotse) -> None:
    """No more people than seats, no partner from outside or twice, nobody less than one; and on a known version."""
    place = await offered(lotse)
    await over(lotse)
    assert is_problem(await attended(lotse, place, awo_rheinland=6, stadt_koblenz=5), 422, "attendance-implausible")
    assert (await changed(lotse, place, seats=11)).status_code == 200
    assert (await attended(lotse, place, awo_rheinland=6, stadt_koblenz=5)).status_code == 200
    assert is_problem(await changed(lotse, place, seats=10), 409, "no-seats", "seats")
    etag = {"If_Match": (await lotse.get(place)).headers["etag"]}
    one = {"partner": "awo-rheinland", "people": 1}
    for given, field in [
        ([one, one], "attendance"),
        ([{**one, "partner": "red-cross"}], "attendance"),
        ([{**one, "people": 0}], "attendance.0.people"),
        ([{**one, "name": "Anna Beispiel"}], "attendance.0.name"),
    ]:
        answer = await lotse.send("PUT", f"{place}/attendance", {"attendance": given}, **etag)
        assert is_problem(answer, 422, "not-valid", field)
    without = await lotse.send("PUT", f"{place}/attendance", {"attendance": [one]})
    assert is_problem(without, 428, "if-match-missing", "If-Match")
    stale = await lotse.send("PUT", f"{place}/attendance", {"attendance": [one]}, If_Match='"1"')
    assert is_problem(stale, 412, "stale", "If-Match")


async def test_a_restored_database_has_from_the_bus_what_it_had(lotse: Lotse) -> None:
    """Needs, trainings, who registered, who was there, and each version; what is about nothing it has is lost."""
    place = await offered(lotse)
    need = f"{NEEDS}/{(await lotse.get(place)).json()['needs'][0]}"
    await registered(lotse, place, 3)
    await registered(lotse, place, 1, unit=CITY)
    await registered(lotse, place, 0)
    await changed(lotse, place, title="Neu")
    await over(lotse)
    await attended(lotse, place, stadt_koblenz=2, awo_rheinland=1)
    await attended(lotse, place, stadt_koblenz=2)
    gone = await offered(lotse, sessions=[a_session(40)], registration_until=day_in(30))
    await lotse.post(f"{gone}/cancel")
    await lotse.post(f"{need}/close", unit=CARITAS_MBE)
    before = [await shown(lotse, each) for each in (place, gone, need)]
    told = await lotse.running.published()
    adoption = lotse.running.service.adoption(lotse.running.context)
    async with lotse.running.context.database.transaction() as conn:
        await conn.execute(
            "truncate referral.entry, referral.training_registration, referral.training_attendance cascade"
        )
        for event in told:
            if isinstance(event, TrainingRegistrationsChanged | TrainingAttended | TrainingCancelled):
                assert not await adoption.events[type(event)](conn, received(event), await db.now(conn))
        for event in told:
            assert await adoption.events[type(event)](conn, received(event), await db.now(conn))
    assert [await shown(lotse, each) for each in (place, gone, need)] == before
    assert before[0]["registrations"] == [{"unit": CITY, "people": 1}]


async def shown(lotse: Lotse, place: str) -> dict[str, Any]:
    """What is shown of something, with its version, and only whether it is withdrawn instead of the times."""
    answer = await lotse.get(place)
    is_withdrawn = answer.json()["withdrawn_at"] is not None
    times = {"published_at": None, "changed_at": None, "withdrawn_at": is_withdrawn}
    return {**answer.json(), **times, "etag": answer.headers["etag"]}
