"""The calendar file of the trainings ahead, read back by a parser as calendars do."""

from datetime import UTC, datetime, timedelta
from typing import Any

from icalendar import Calendar

from tests.referral.builders import AWO, CARITAS_JMD, JOBCENTER, Lotse, is_problem
from tests.referral.training_builders import TRAININGS, a_session, changed, day_in, offered, registered, stated

FEED = f"{TRAININGS}.ics"
LATER = {"sessions": [a_session(30)], "registration_until": day_in(20)}


async def events(lotse: Lotse, query: str = "") -> list[Any]:
    """The events of the feed, as a parser reads them; every line as RFC 5545 wants it."""
    headers = lotse.running.headers(JOBCENTER, "system")
    answer = await lotse.running.client.get(f"{FEED}{query}", headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/calendar; charset=utf-8")
    lines = answer.content.split(b"\r\n")
    assert lines[-1] == b""
    assert all(len(line) <= 75 and b"\n" not in line and b"\r" not in line for line in lines)
    calendar = Calendar.from_ical(answer.content)
    assert (str(calendar["version"]), calendar.errors) == ("2.0", [])
    assert str(calendar["prodid"])
    found = list(calendar.walk("VEVENT"))
    for event in found:
        assert event.errors == []
        assert {"UID", "DTSTAMP", "DTSTART", "DTEND", "SUMMARY"} <= event.keys()
    assert len({str(event["uid"]) for event in found}) == len(found)
    return found


async def test_each_session_ahead_is_an_event(lotse: Lotse) -> None:
    """With its times, its place, who offers it, and the seats that are left; without a training an empty calendar."""
    assert await events(lotse) == []
    sessions = [a_session(14), a_session(21)]
    place = await offered(lotse, sessions=sessions)
    await registered(lotse, place, 3)
    first, second = await events(lotse)
    said = [datetime.fromisoformat(sessions[0][name]) for name in ("starts_at", "ends_at")]
    assert [first.decoded("dtstart"), first.decoded("dtend")] == said
    assert second.decoded("dtstart") == datetime.fromisoformat(sessions[1]["starts_at"])
    assert [str(first[name]) for name in ("summary", "location", "status")] == [
        "Aufenthaltsrecht aktuell",
        "Musterstraße 1, 56068 Koblenz",
        "CONFIRMED",
    ]
    day = datetime.fromisoformat(day_in(7)).strftime("%d.%m.%Y")
    assert str(first["description"]).splitlines()[-2:] == [
        f"Angeboten von: {lotse.running.context.partners.units[AWO].name}",
        f"Anmeldung bis {day}, 7 von 10 Plätzen frei",
    ]


async def test_a_change_keeps_the_event_and_raises_its_sequence(lotse: Lotse) -> None:
    """So that a calendar moves it instead of showing it twice; a cancelled one says so."""
    place = await offered(lotse, place=None, url="https://awo.example/raum?a=1,2;b")
    [before] = await events(lotse)
    assert (str(before["location"]), str(before["url"])) == ("online", "https://awo.example/raum?a=1,2;b")
    await changed(lotse, place, sessions=[a_session(15)])
    [moved] = await events(lotse)
    assert moved["uid"] == before["uid"]
    assert (before["sequence"], moved["sequence"]) == (0, 1)
    assert moved.decoded("dtstamp") >= before.decoded("dtstamp")
    await lotse.post(f"{place}/cancel")
    [gone] = await events(lotse)
    assert (gone["uid"], str(gone["status"]), gone["sequence"]) == (before["uid"], "CANCELLED", 2)


async def test_what_is_over_is_left_out_and_the_filters_are_those_of_the_list(lotse: Lotse) -> None:
    """A training with a session still to come stays whole."""
    need = await stated(lotse)
    await offered(lotse, need)
    await offered(lotse, need, sessions=[a_session(8), a_session(20)])
    theirs = await offered(lotse, unit=CARITAS_JMD, **LATER)
    assert len(await events(lotse)) == 4
    assert len(await events(lotse, f"?need={need}")) == 3
    [only] = await events(lotse, f"?unit={CARITAS_JMD}")
    assert str(only["uid"]).startswith(theirs.rpartition("/")[2])
    await lotse.running.move_clock(timedelta(days=15))
    now = datetime.now(UTC) + timedelta(days=15)
    assert [event.decoded("dtstart") > now for event in await events(lotse)] == [False, True, True]
    assert is_problem(await lotse.get(FEED, need="x"), 422, "not-valid", "need")


UGLY = [
    'Semikolon; Komma, Doppelpunkt: \\n kein Umbruch \\ und "Anführung"',
    "BEGIN:VEVENT END:VCALENDAR",
    "ä" * 200,
    "🎓" * 100,
    "Zeilen\u2028trenner \u0085 und \ufeff",
]


async def test_no_text_breaks_the_file(lotse: Lotse) -> None:
    """Every text is read back as it was said."""
    for title in UGLY:
        place = await offered(lotse, title=title, description=f"{title}\nEND:VCALENDAR\r\n\r {title}.", place=title)
        [event] = [each for each in await events(lotse) if place.rpartition("/")[2] in str(each["uid"])]
        assert str(event["summary"]) == str(event["location"]) == title.strip()
        assert str(event["description"]).startswith(f"{title}\nEND:VCALENDAR\n\n {title}.\nAngeboten")


async def test_a_unit_that_left_the_agreement_does_not_break_the_calendar(lotse: Lotse) -> None:
    """It is named by its slug."""
    await offered(lotse)
    async with lotse.running.context.database.transaction() as conn:
        await conn.execute("""update referral.entry set state = state || '{"unit": "red-cross/mbe"}'""")
    [event] = await events(lotse)
    assert "Angeboten von: red-cross/mbe" in str(event["description"])
