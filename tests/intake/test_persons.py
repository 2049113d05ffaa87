"""Registering a person."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2
import pytest

from tests.harness import issuer
from tests.intake.builders import (
    AWO,
    BIRTH_DATE,
    CARITAS_JMD,
    CARITAS_MBE,
    CITY,
    NAME,
    PHONE,
    Desk,
    a_person,
    problem,
)


async def key_count(keys_url: str) -> int:
    """How many data keys there are."""
    conn = await asyncpg.connect(keys_url)
    try:
        return int(await conn.fetchval("select count(*) from vault.data_key"))
    finally:
        await conn.close()


async def nothing_registered(desk: Desk) -> bool:
    """No person, nothing sealed, nothing told."""
    rows = await desk.intake.rows("select case_id from intake.person union all select case_id from intake.sealed")
    return rows == await desk.intake.published() == []


async def test_a_registered_person_is_told_to_nobody(desk: Desk) -> None:
    """The answer names the case by the partner's reference and when it is forgotten without a consent."""
    before = datetime.now(UTC)
    answer = await desk.post(CITY, "/v1/persons", a_person())
    assert answer.status_code == 201
    body = answer.json()
    assert answer.headers["location"] == f"/v1/persons/{body['case_ref']}"
    registered = datetime.fromisoformat(body["registered_at"])
    assert before - timedelta(seconds=1) <= registered <= datetime.now(UTC)
    assert datetime.fromisoformat(body["erase_after"]) == registered + timedelta(hours=72)
    assert await desk.intake.outbox_rows() == []


async def test_what_a_person_said_stands_nowhere_in_clear(desk: Desk, keys_url: str) -> None:
    """Neither in intake's database nor in that of the keys, in whatever table."""
    await desk.register()
    for where in (str(desk.intake.context.settings.database_url), keys_url):
        conn = await asyncpg.connect(where)
        tables = await conn.fetch(
            "select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname !~ '^pg_|^inf'"
        )
        # The names come from the catalogue, quoted by it.
        rows = [await conn.fetch(f"select * from {table['name']}") for table in tables]  # noqa: S608
        dump = str([[dict(row) for row in each] for each in rows])
        await conn.close()
        assert not [said for said in (NAME, "Zaynab", PHONE, "5550123", BIRTH_DATE) if said in dump]


async def test_a_record_shows_its_categories_and_nothing_said(desk: Desk) -> None:
    """Once the person has consented it is not erased by itself any more."""
    case_ref = await desk.register(birth_date=None, age_band="18-26")
    shown = (await desk.get(CITY, f"/v1/persons/{case_ref}")).json()
    assert shown["categories"] == ["identity", "contact", "language", "age"]
    assert shown["case_ref"] == case_ref
    assert shown["erase_after"] is not None
    await desk.consent(case_ref)
    assert (await desk.get(CITY, f"/v1/persons/{case_ref}")).json()["erase_after"] is None


async def test_a_record_is_seen_by_the_unit_that_registered_it(desk: Desk) -> None:
    """Neither another unit of the same partner nor another partner sees it, by whatever reference."""
    case_ref = await desk.register(CARITAS_MBE)
    assert (await desk.get(CARITAS_MBE, f"/v1/persons/{case_ref}")).status_code == 200
    own = desk.intake.reference("awo-rheinland", desk.case_id(case_ref, CARITAS_MBE))
    answers = [await desk.get(CARITAS_JMD, f"/v1/persons/{reference}") for reference in (case_ref, "f" * 32)]
    answers += [await desk.get(AWO, f"/v1/persons/{reference}") for reference in (case_ref, own, "f" * 32)]
    for answer in answers:
        problem(answer, 404, "not-found")
    assert len({answer.text for answer in answers}) == 1


async def test_a_record_is_not_shown_after_its_72_hours_though_no_job_ran(desk: Desk) -> None:
    """Not a moment before; from then on it looks like one that does not exist."""
    case_ref = await desk.register()
    await desk.intake.move_clock(timedelta(hours=71, minutes=59))
    assert (await desk.get(CITY, f"/v1/persons/{case_ref}")).status_code == 200
    await desk.intake.move_clock(timedelta(hours=72))
    problem(await desk.get(CITY, f"/v1/persons/{case_ref}"), 404, "not-found")


async def test_another_unit_gets_no_answer_by_repeating_a_registration(desk: Desk) -> None:
    """A key that one unit used is refused to another of the same partner."""
    key = str(uuid4())
    assert (await desk.post(CARITAS_MBE, "/v1/persons", a_person(), key=key)).status_code == 201
    problem(await desk.post(CARITAS_JMD, "/v1/persons", a_person(), key=key), 422, "idempotency-key-reused")
    assert len(await desk.intake.rows("select 1 from intake.person")) == 1


async def test_the_same_registration_again_makes_no_second_person(desk: Desk) -> None:
    """The key made for the repeat is destroyed by the job."""
    key = str(uuid4())
    first = await desk.post(CITY, "/v1/persons", a_person(), key=key)
    again = await desk.post(CITY, "/v1/persons", a_person(), key=key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert len(await desk.intake.rows("select 1 from intake.person")) == 1
    other = await desk.post(CITY, "/v1/persons", a_person(name="Other"), key=key)
    assert problem(other, 422, "idempotency-key-reused") == ["Idempotency-Key"]


IMPLAUSIBLE = ("1899-12-31", "2999-01-01")
WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({"name": ""}, ["name"]),
    ({"name": "   "}, ["name"]),
    ({"name": "x" * 201}, ["name"]),
    ({"name": "a\x00b"}, ["name"]),
    ({"name": "a\nb"}, ["name"]),
    ({"name": 7}, ["name"]),
    ({"passport": "C01X00T47"}, ["passport"]),
    ({"channel": {"kind": "fax", "value": "1"}}, ["channel.kind"]),
    ({"channel": {"kind": "phone"}}, ["channel.value"]),
    ({"channel": {"kind": "phone", "value": "1", "note": "x"}}, ["channel.note"]),
    ({"channel": "0261"}, ["channel"]),
    ({"language": "Arabic please"}, ["language"]),
    ({"language": "ar\n"}, ["language"]),
    ({"interpreter": "yes"}, ["interpreter"]),
    ({"interpreter": 1}, ["interpreter"]),
    ({"birth_date": 0}, ["birth_date"]),
    ({"birth_date": "1991-02-30"}, ["birth_date"]),
    ({"birth_date": "1991-02-28T00:00:00Z"}, ["birth_date"]),
    ({"birth_date": "1899-12-31"}, ["birth_date"]),
    ({"birth_date": "2999-01-01"}, ["birth_date"]),
    ({"birth_date": None, "age_band": "old"}, ["age_band"]),
    ({"age_band": "27-plus"}, ["body"]),
    ({"birth_date": None}, ["body"]),
]


async def test_a_wrong_registration_names_its_field_and_leaves_nothing(desk: Desk) -> None:
    """And never repeats what was said."""
    for wrong, fields in WRONG:
        answer = await desk.post(CITY, "/v1/persons", a_person(**wrong))
        code = "birth-date-implausible" if wrong.get("birth_date") in IMPLAUSIBLE else "not-valid"
        assert problem(answer, 422, code) == fields, wrong
        assert NAME not in answer.text
        assert "C01X00T47" not in answer.text
    assert await nothing_registered(desk)


NO_OBJECTS = [
    b'{"na\\ud800me": "x"}',
    b'{"\\u0000": 1}',
    b'{"name": "\\ud800"}',
    b'{"name": "\xff"}',
    b'{"name": "Zay',
    b"[]",
    b"7",
    b"null",
    b"",
]


async def test_a_body_that_is_no_text_or_no_object_is_refused(desk: Desk) -> None:
    """A lone surrogate in a name or a value, a NUL, bytes that are not UTF-8, half a body, what is no object at all."""
    for body in NO_OBJECTS:
        headers = desk.intake.headers(CITY, "clerk") | {"Content-Type": "application/json"}
        answer = await desk.intake.client.post("/v1/persons", content=body, headers=headers)
        assert answer.status_code in (400, 422), body
        problem(answer, answer.status_code, answer.json()["type"].rpartition(":")[2])
        assert "Zay" not in answer.text
    assert await nothing_registered(desk)


async def test_other_roles_register_nobody(desk: Desk) -> None:
    """And see no record; no data key is made for them either."""
    for role in ("coordinator", "commissioner", "operator"):
        problem(await desk.post(CITY, "/v1/persons", a_person(), role=role), 403, "role-missing")
        problem(await desk.get(CITY, f"/v1/persons/{'0' * 32}", role=role), 403, "role-missing")
    assert await nothing_registered(desk)
    assert await desk.intake.rows("select key_id from intake.key_to_destroy") == []


async def register_with(desk: Desk, token: str | None) -> httpx2.Response:
    """A registration by whoever holds that token."""
    headers = {"Idempotency-Key": "1"} | ({"Authorization": f"Bearer {token}"} if token else {})
    return await desk.intake.client.post("/v1/persons", json=a_person(), headers=headers)


async def test_a_token_without_a_known_unit_registers_nobody(desk: Desk) -> None:
    """The law depends on the unit. An operator of the data centre has none."""
    tokens = issuer(desk.intake.folder)
    for unit in ("", "stadt-koblenz/unknown"):
        token = tokens.issue_token("stadt-koblenz", unit, ["clerk"])
        problem(await register_with(desk, token), 403, "unit-missing")
    problem(await register_with(desk, tokens.issue_token("", "", ["operator"])), 403, "role-missing")
    assert await nothing_registered(desk)


async def test_a_token_that_proves_nothing_registers_nobody(desk: Desk, tmp_path: Path) -> None:
    """Missing, of a foreign issuer's key, expired, of nobody's partner."""
    (tmp_path / "foreign").mkdir()
    ours, foreign = issuer(desk.intake.folder), issuer(tmp_path / "foreign")
    for token in (
        None,
        foreign.issue_token("stadt-koblenz", CITY, ["clerk"]),
        ours.issue_token("stadt-koblenz", CITY, ["clerk"], ttl=timedelta(hours=-1)),
        ours.issue_token("landkreis", "landkreis/amt", ["clerk"]),
    ):
        assert problem(await register_with(desk, token), 401, "not-authenticated") == ["Authorization"]
    assert await nothing_registered(desk)


async def test_a_post_needs_an_idempotency_key(desk: Desk) -> None:
    """It is named as what is missing."""
    headers = desk.intake.headers(CITY, "clerk")
    del headers["Idempotency-Key"]
    answer = await desk.intake.client.post("/v1/persons", json=a_person(), headers=headers)
    assert problem(answer, 400, "idempotency-key-missing") == ["Idempotency-Key"]
    assert await nothing_registered(desk)


async def test_a_body_of_ten_megabytes_is_refused(desk: Desk) -> None:
    """Before it is read."""
    answer = await desk.post(CITY, "/v1/persons", a_person(name="x" * 10_000_000))
    problem(answer, 413, "body-too-large")
    assert await nothing_registered(desk)


async def test_a_person_whose_key_was_destroyed_meanwhile_is_not_stored(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A registration that took longer than the key waits can only be tried again."""
    vault = desk.intake.context.resources.vault
    keep = vault.keep

    async def keep_slowly(key: Any) -> None:
        await keep(key)
        await desk.intake.move_clock(timedelta(hours=2))
        assert await desk.intake.run_job("destroy-keys") == 1

    monkeypatch.setattr(vault, "keep", keep_slowly)
    problem(await desk.post(CITY, "/v1/persons", a_person()), 503, "not-available")
    assert await nothing_registered(desk)
