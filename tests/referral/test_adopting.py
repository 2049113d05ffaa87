"""What a restored database has forgotten of the directory comes back from the service's own events."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from schemas import Topic
from services.chassis.keys import Key, lock_keys
from services.referral.app import SERVICE
from services.referral.commands.announcing import take_effect
from services.referral.model import directory
from tests.conftest import CreateDatabase
from tests.flows.asking import KINDS, Kind
from tests.harness import running
from tests.referral.builders import AWO, Lotse, a_contact, adopt


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.path)
async def test_an_entry_comes_back_as_it_stood(
    lotse: Lotse, kind: Kind, create_database: CreateDatabase, tmp_path: Path
) -> None:
    """State, version and withdrawal, in a database that has never heard of it; twice is as once."""
    answer = await lotse.post(kind.path, kind.body())
    place = f"{kind.path}/{answer.json()[kind.id_field]}"
    await lotse.send("PUT", place, kind.body(**{kind.field: "Neu"}), If_Match='"1"')
    await lotse.post(f"{place}/withdraw", {})
    events = await lotse.running.published()
    async with running(SERVICE, tmp_path / "empty", await create_database("referral")) as service:
        forgetful = Lotse(service)
        assert await adopt(forgetful, [*events[:1], *events]) == [True] * 4
        assert _timeless(await forgetful.get(place)) == _timeless(await lotse.get(place))
        assert await service.published() == []


def _timeless(answer: Any) -> dict[str, Any]:
    body = {name: value for name, value in answer.json().items() if name not in ("published_at", "changed_at")}
    return {**body, "withdrawn_at": body["withdrawn_at"] is not None, "etag": answer.headers["etag"]}


async def test_what_a_unit_said_about_its_places_comes_back(
    lotse: Lotse, create_database: CreateDatabase, tmp_path: Path
) -> None:
    """With the offer, and not without it."""
    place = f"/v1/offers/{await lotse.offer()}"
    await lotse.send("PUT", f"{place}/capacity", {"capacity": "waitlist", "expected_from": "2099-01-01"})
    events = await lotse.running.published()
    async with running(SERVICE, tmp_path / "empty", await create_database("referral")) as service:
        forgetful = Lotse(service)
        assert await adopt(forgetful, events[1:]) == [False]
        assert await adopt(forgetful, events) == [True, True]
        assert _timeless(await forgetful.get(place)) == _timeless(await lotse.get(place))
        assert (await forgetful.get(place)).json()["capacity"] == "waitlist"


async def test_a_name_changed_since_the_backup_does_not_come_back(
    lotse: Lotse, create_database: CreateDatabase, tmp_path: Path
) -> None:
    """The bus knows that somebody else was named, or nobody: a name that was taken back stays away."""
    place = f"/v1/contacts/{(await lotse.post('/v1/contacts', a_contact())).json()['contact_id']}"
    named = {"name": "Bernd Muster", "agreed_on": "2026-01-05"}
    await lotse.send("PUT", f"{place}/person", named)
    await lotse.send("PUT", f"{place}/person", {"name": None})
    published, first, gone = await lotse.running.published()
    async with running(SERVICE, tmp_path / "empty", await create_database("referral")) as service:
        forgetful = Lotse(service)
        assert await adopt(forgetful, [first]) == [False]
        assert await adopt(forgetful, [published, first]) == [True, True]
        assert (await forgetful.get(place)).json()["person"] is None
        again = await forgetful.send("PUT", f"{place}/person", named)
        assert again.json()["person"] == named
        assert await adopt(forgetful, [gone]) == [True]
        assert (await forgetful.get(place)).json()["person"] is None


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.path)
async def test_what_was_announced_comes_back_and_goes_again(
    lotse: Lotse, kind: Kind, create_database: CreateDatabase, tmp_path: Path
) -> None:
    """After each event the restored database has the entry as the one that was never lost."""
    later = {"effective_on": "2099-01-01"}
    answer = await lotse.post(kind.path, {**kind.body(), **later})
    place = f"{kind.path}/{answer.json()[kind.id_field]}"
    async with running(SERVICE, tmp_path / "empty", await create_database("referral")) as service:
        forgetful = Lotse(service)

        async def is_same() -> bool:
            events = await lotse.running.published()
            assert await adopt(forgetful, events[-1:]) == [True]
            there, here = await forgetful.get(place), await lotse.get(place)
            if (here.json()["announcement"] or {}).get("act") == "publish":
                assert there.json()["published_at"] == here.json()["published_at"]
            return _timeless(there) == _timeless(here)

        assert await is_same()
        await lotse.send("PUT", place, {**kind.body(), "effective_on": "2098-01-01"}, If_Match='"1"')
        assert await is_same()
        await _take_effect(lotse, kind, place)
        assert await is_same()
        changed = kind.body(**{kind.field: "Neu"})
        await lotse.send("PUT", place, {**changed, **later}, If_Match='"3"')
        assert await is_same()
        await lotse.post(f"{place}/retract", {})
        assert await is_same()
        await lotse.send("PUT", place, {**changed, **later}, If_Match='"5"')
        assert await is_same()
        await _take_effect(lotse, kind, place)
        assert await is_same()
        await lotse.post(f"{place}/withdraw", later)
        assert await is_same()
        await lotse.send("PUT", place, kind.body(), If_Match='"8"')
        assert await is_same()
        await lotse.post(f"{place}/withdraw", {})
        assert await is_same()
        assert (await forgetful.get(place)).json()["announcement"] is None


async def _take_effect(lotse: Lotse, kind: Kind, place: str) -> None:
    [its_kind] = [each for each in directory.KINDS if each.id_field == kind.id_field]
    entry_id = UUID(place.rpartition("/")[2])
    async with lotse.running.context.database.transaction() as conn:
        await lock_keys(conn, [Key(Topic.DIRECTORY, str(entry_id))])
        await take_effect(conn, its_kind, entry_id, datetime(2099, 6, 1, tzinfo=UTC))


async def test_a_retracted_publication_comes_back_as_withdrawn(
    lotse: Lotse, create_database: CreateDatabase, tmp_path: Path
) -> None:
    """It never comes about; and what is announced of an unknown entry is lost."""
    kind = KINDS[0]
    answer = await lotse.post(kind.path, {**kind.body(), "effective_on": "2099-01-01"})
    await lotse.post(f"{kind.path}/{answer.json()[kind.id_field]}/retract", {})
    place = f"{kind.path}/{await lotse.offer()}"
    await lotse.post(f"{place}/withdraw", {"effective_on": "2099-01-01"})
    events = await lotse.running.published()
    async with running(SERVICE, tmp_path / "empty", await create_database("referral")) as service:
        forgetful = Lotse(service)
        assert await adopt(forgetful, events[:2]) == [True, True]
        gone = await forgetful.get(f"{kind.path}/{answer.json()[kind.id_field]}")
        assert gone.json()["withdrawn_at"] is not None
        assert await adopt(forgetful, events[3:]) == [False]
        assert await adopt(forgetful, events[1:2]) == [True]


@pytest.mark.parametrize("kind", KINDS[:2], ids=lambda kind: kind.path)
async def test_an_assurance_comes_back_and_nobody_is_reminded_twice(
    lotse: Lotse, kind: Kind, create_database: CreateDatabase, tmp_path: Path
) -> None:
    """With the entry, and not without it."""
    answer = await lotse.post(kind.path, kind.body())
    place = f"{kind.path}/{answer.json()[kind.id_field]}"
    await lotse.running.move_clock(timedelta(days=10))
    await lotse.post(f"{place}/assure", {})
    await lotse.running.move_clock(timedelta(days=250))
    assert await lotse.running.run_job("remind-of-assurance") == 1
    published, assured, reminder = await lotse.running.published()
    async with running(SERVICE, tmp_path / "empty", await create_database("referral")) as service:
        forgetful = Lotse(service)
        await service.move_clock(timedelta(days=250))
        assert await adopt(forgetful, [assured, reminder]) == [False, False]
        assert await adopt(forgetful, [published, assured]) == [True, True]
        assert _timeless(await forgetful.get(place)) == _timeless(await lotse.get(place))
        assert await adopt(forgetful, [reminder]) == [True]
        assert await service.run_job("remind-of-assurance") == 0


async def test_a_change_of_what_is_not_known_is_lost(lotse: Lotse) -> None:
    """The recovery lists it for a person to decide."""
    answer = await lotse.post("/v1/materials", KINDS[2].body(unit=AWO))
    await lotse.post(f"/v1/materials/{answer.json()['material_id']}/withdraw", {})
    _, withdrawn = await lotse.running.published()
    async with lotse.running.context.database.transaction() as conn:
        await conn.execute("delete from referral.entry")
    assert await adopt(lotse, [withdrawn]) == [False]
