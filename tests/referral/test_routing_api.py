"""Asking for routing over HTTP: inputs in, proposals out, nothing kept."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.chassis.config import StartError
from services.referral.app import SERVICE
from tests.conftest import CreateDatabase
from tests.harness import running
from tests.referral.builders import AWO, CARITAS_MBE, CITY, Lotse, is_problem

ASK = "/v1/routing"
ADULT = {"age": 40, "status": "eu-eea"}


async def ask(lotse: Lotse, unit: str = CITY, role: str = "clerk", **said: Any) -> dict[str, Any]:
    """The answer to a question."""
    answer = await lotse.post(ASK, said, unit=unit, role=role)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body: dict[str, Any] = answer.json()
    return body


async def test_an_answer_says_what_to_do_why_and_with_whom(lotse: Lotse) -> None:
    """The unit with the language is first, with the offer that a referral names; it needs no Idempotency-Key."""
    offer = await lotse.offer(CARITAS_MBE, languages=["de", "ti"])
    headers = lotse.running.headers(CITY, "clerk")
    del headers["Idempotency-Key"]
    answer = await lotse.running.client.post(ASK, json=ADULT | {"language": "ti"}, headers=headers)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["is_emergency"] is False
    best = body["proposals"][0]
    assert (best["kind"], best["to"], best["requires"]) == ("refer", "MBE", ["consent"])
    assert best["reasons"][0]["rule"] == "R6"
    assert best["reasons"][0]["code"] == "age-27-and-status"
    assert best["units"][0] == {
        "unit": CARITAS_MBE,
        "name": "Migrationsberatung für erwachsene Zugewanderte (MBE) der Caritas Koblenz",
        "offers": [offer],
        "is_own": False,
        "capacity": None,
        "expected_from": None,
        "reasons": [],
        "is_stale": False,
    }
    assert [each["unit"] for each in best["units"]] == [CARITAS_MBE, AWO]


async def test_an_empty_question_has_an_answer(lotse: Lotse) -> None:
    """With the flyer at least; so has one in which all is said to be not stated."""
    nothing = await ask(lotse)
    assert [each["kind"] for each in nothing["proposals"]] == ["signpost", "inform"]
    not_stated = dict.fromkeys(
        ["status", "regime", "course", "able_to_work", "unaccompanied", "own_children"], "not-stated"
    )
    assert (await ask(lotse, **not_stated))["proposals"] == nothing["proposals"]


async def test_danger_is_answered_with_numbers_to_call(lotse: Lotse) -> None:
    """And with nothing that could wait."""
    body = await ask(lotse, danger=["violence"], **ADULT)
    assert body["is_emergency"] is True
    assert [(each["kind"], each["phone"]) for each in body["proposals"]] == [("at-once", "110"), ("at-once", "116 016")]


async def test_an_inactive_or_withdrawn_offer_is_not_named(lotse: Lotse) -> None:
    """Its unit still is, behind those with one."""
    await lotse.offer(AWO, status="temporarily closed")
    gone = await lotse.offer(AWO)
    assert (await lotse.post(f"/v1/offers/{gone}/withdraw", unit=AWO)).status_code == 200
    offer = await lotse.offer(CARITAS_MBE)
    units = (await ask(lotse, **ADULT))["proposals"][0]["units"]
    assert [(each["unit"], each["offers"]) for each in units] == [(CARITAS_MBE, [offer]), (AWO, [])]


async def test_a_units_own_partner_sees_that_it_is_meant(lotse: Lotse) -> None:
    """Then nothing needs to be referred."""
    units = (await ask(lotse, unit=AWO, role="counsellor", **ADULT))["proposals"][0]["units"]
    assert {each["unit"]: each["is_own"] for each in units} == {AWO: True, CARITAS_MBE: False}


async def around_midnight(lotse: Lotse, **said: Any) -> list[dict[str, Any]]:
    """The answers half a minute before and after 2027 begins in Koblenz, an hour before it does in UTC."""
    [row] = await lotse.running.rows("select timestamptz '2026-12-31 22:59:30+00' - now() as ahead")
    answers = []
    for ahead in (row["ahead"], row["ahead"] + timedelta(minutes=1)):
        await lotse.running.move_clock(ahead)
        answers.append(await ask(lotse, **said))
    assert [each["on"] for each in answers] == ["2026-12-31", "2027-01-01"]
    return answers


async def test_a_birthday_begins_at_midnight_in_koblenz(lotse: Lotse) -> None:
    """The 27th leads to the service for adults."""
    answers = await around_midnight(lotse, birth_date="2000-01-01", status="eu-eea")
    assert [each["proposals"][0]["to"] for each in answers] == ["JMD", "MBE"]


async def test_a_rule_changes_at_midnight_in_koblenz(lotse: Lotse) -> None:
    """Admissions to courses: 2026 ends."""
    answers = await around_midnight(lotse, concerns=["language-course"], course="only-44-4")
    codes = [[reason["code"] for each in body["proposals"] for reason in each["reasons"]] for body in answers]
    assert [[each for each in day if each.startswith("course")] for day in codes] == [
        ["course-no-admission-2026"],
        ["course-ask-for-admission"],
    ]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"religion": "none"}, "religion"),
        ({"nationality": "SY"}, "nationality"),
        ({"status": "undocumented"}, "status"),
        ({"status": None}, "status"),
        ({"age": 131}, "age"),
        ({"age": -1}, "age"),
        ({"age": "40"}, "age"),
        ({"age": 40, "age_band": "27-plus"}, "age"),
        ({"birth_date": "1990-02-30"}, "birth_date"),
        ({"birth_date": "2990-01-01"}, "birth_date"),
        ({"birth_date": "1890-01-01"}, "birth_date"),
        ({"entry_month": "2025-13"}, "entry_month"),
        ({"concerns": ["work", "weather"]}, "concerns.1"),
        ({"language": "arabisch"}, "language"),
        ({"wish": "church"}, "wish"),
        ({"wished_unit": "awo-rheinland/jmd"}, "wished_unit"),
        ({"silent_units": ["nobody/mbe"]}, "silent_units"),
        ({"named_units": [AWO]}, "named_units"),
        ({"name": "Zainab"}, "name"),
    ],
)
async def test_a_wrong_question_names_the_field(lotse: Lotse, said: dict[str, Any], field: str) -> None:
    """And nothing of it is repeated that was not asked for."""
    answer = await lotse.post(ASK, said, unit=CITY, role="clerk")
    assert is_problem(answer, 422, "not-valid", field)
    assert "Zainab" not in answer.text


async def test_nothing_of_a_question_is_kept_or_logged(
    lotse: Lotse, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """No row in any table, no event, no line."""

    async def counted() -> dict[str, int]:
        tables = await lotse.running.rows(
            "select schemaname || '.' || relname as name from pg_stat_user_tables order by 1"
        )
        counts = {}
        for table in tables:
            [row] = await lotse.running.rows(f"select count(*) as rows from {table['name']}")  # noqa: S608 - our tables
            counts[table["name"]] = row["rows"]
        return counts

    before = await counted()
    await ask(lotse, **ADULT, regime="ASYLBLG", concerns=["pregnancy"], language="ckb", first_title_month="2017-03")
    assert await counted() == before
    out = capsys.readouterr()
    for planted in ("ASYLBLG", "pregnancy", "ckb", "2017-03", "eu-eea"):
        assert planted not in caplog.text + out.out + out.err


async def test_without_a_table_the_service_does_not_start(create_database: CreateDatabase, tmp_path: Path) -> None:
    """It says which setting, or what is wrong in the file."""
    url = await create_database("referral")
    with pytest.raises(StartError, match="LOTSE_ROUTING_FILE is not set"):
        async with running(SERVICE, tmp_path, url, routing_file=None):
            raise AssertionError("started")
    broken = tmp_path / "table.toml"
    broken.write_text("edition = 1\n", encoding="utf-8")
    with pytest.raises(StartError, match=r"table\.toml: edition is 1; it should be a text"):
        async with running(SERVICE, tmp_path, url, routing_file=broken):
            raise AssertionError("started")
