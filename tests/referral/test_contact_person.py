"""Naming the person who holds a contact's function: with their agreement, read over the API, never told in an event."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas import ContactPersonChanged
from schemas.calendar import local_day
from tests.referral.builders import AWO, CARITAS_MBE, CITY, JOBCENTER, Lotse, a_contact, is_problem

NAME = "Bernadette Musterfrau"
TODAY = local_day(datetime.now(UTC)).isoformat()
AGREED = {"name": NAME, "agreed_on": "2026-01-05"}


async def contact(lotse: Lotse) -> str:
    """A contact of AWO; returns its path."""
    answer = await lotse.post("/v1/contacts", a_contact())
    assert answer.status_code == 201, answer.text
    return f"/v1/contacts/{answer.json()['contact_id']}"


async def name(lotse: Lotse, place: str, body: Any, *, unit: str = AWO, **headers: str) -> Any:
    """A unit names somebody."""
    return await lotse.send("PUT", f"{place}/person", body, unit=unit, **headers)


async def is_kept(lotse: Lotse, name: str = NAME) -> bool:
    """Whether a name stands anywhere in the service's database."""
    tables = await lotse.running.rows(
        "select table_schema || '.' || table_name as name from information_schema.tables"
        " where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')"
    )
    for table in tables:
        [found] = await lotse.running.rows(
            f"select count(*) as times from {table['name']} as t where t::text like $1",  # noqa: S608 - a table's name
            f"%{name}%",
        )
        if found["times"]:
            return True
    return False


async def test_partners_read_who_is_named_and_are_told_only_that_it_changed(lotse: Lotse) -> None:
    """In the contact and in the list; the event has no name."""
    place = await contact(lotse)
    assert (await lotse.get(place)).json()["person"] is None
    answer = await name(lotse, place, AGREED)
    assert (answer.status_code, answer.json()["person"], answer.headers["etag"]) == (200, AGREED, '"2"')
    for unit, role in ((CITY, "clerk"), (JOBCENTER, "system")):
        assert (await lotse.get(place, unit=unit, role=role)).json()["person"] == AGREED
        [listed] = (await lotse.get("/v1/contacts", unit=unit, role=role)).json()["items"]
        assert listed["person"] == AGREED
    _, told = await lotse.running.published()
    assert isinstance(told, ContactPersonChanged)
    assert (told.unit, told.is_named, told.acted_by) == (AWO, True, "awo-rheinland")
    assert NAME not in told.model_dump_json()


async def test_naming_the_same_person_again_tells_nothing(lotse: Lotse) -> None:
    """And a newer agreement of the same person is a change."""
    place = await contact(lotse)
    await name(lotse, place, AGREED)
    assert (await name(lotse, place, AGREED)).headers["etag"] == '"2"'
    assert (await name(lotse, place, {**AGREED, "agreed_on": TODAY})).headers["etag"] == '"3"'
    assert len(await lotse.running.published()) == 3


@pytest.mark.parametrize("act", ["nobody", "withdraw"])
async def test_a_name_is_gone_when_it_is_taken_back_or_the_contact_withdrawn(lotse: Lotse, act: str) -> None:
    """From the answers and from every table."""
    place = await contact(lotse)
    await name(lotse, place, AGREED)
    assert await is_kept(lotse)
    gone = await (name(lotse, place, {"name": None}) if act == "nobody" else lotse.post(f"{place}/withdraw"))
    assert (gone.status_code, gone.json()["person"]) == (200, None)
    assert not await is_kept(lotse)


async def test_a_change_of_the_contact_leaves_who_is_named(lotse: Lotse) -> None:
    """The two are said apart."""
    place = await contact(lotse)
    await name(lotse, place, AGREED)
    changed = await lotse.send("PUT", place, a_contact(function="Leitung"), If_Match='"2"')
    assert (changed.status_code, changed.json()["person"]) == (200, AGREED)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": NAME}, "agreed_on"),
        ({"name": None, "agreed_on": "2026-01-05"}, "agreed_on"),
        ({"name": NAME, "agreed_on": (datetime.now(UTC).date() + timedelta(days=3)).isoformat()}, "agreed_on"),
        ({"name": "", "agreed_on": "2026-01-05"}, "name"),
        ({"name": NAME, "agreed_on": "yes"}, "agreed_on"),
        ({**AGREED, "phone": "0261 1234"}, "phone"),
    ],
)
async def test_nobody_is_named_without_a_day_of_agreement(lotse: Lotse, body: dict[str, Any], field: str) -> None:
    """The problem names the field, nothing is kept and nothing told."""
    place = await contact(lotse)
    assert is_problem(await name(lotse, place, body), 422, "not-valid", field)
    assert not await is_kept(lotse)
    assert len(await lotse.running.published()) == 1


async def test_only_its_own_partner_names_somebody(lotse: Lotse) -> None:
    """Another's contact is not there to be changed, and a withdrawn one names nobody."""
    place = await contact(lotse)
    assert is_problem(await name(lotse, place, AGREED, unit=CARITAS_MBE), 404, "not-found")
    assert is_problem(await name(lotse, place, AGREED, If_Match='"7"'), 412, "stale", "If-Match")
    await lotse.post(f"{place}/withdraw")
    assert is_problem(await name(lotse, place, AGREED), 409, "withdrawn")
