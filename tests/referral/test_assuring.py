"""How fresh the directory is: when it was assured, when that is due again, a reminder, and a mark when it is late."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import Party
from schemas.calendar import local_day, local_midnight, months_after
from services.referral.app import SERVICE
from services.referral.commands.assuring import REMINDED_BEFORE
from services.referral.model.directory import AsOf
from tests.conftest import CreateDatabase
from tests.flows.asking import KINDS, Kind
from tests.harness import ROOT, running
from tests.referral.builders import AWO, CARITAS_MBE, CITY, Lotse, an_offer, is_problem

EACH_ASSURED = pytest.mark.parametrize("kind", KINDS[:2], ids=lambda kind: kind.path)
TODAY = local_day(datetime.now(UTC))
DUE = months_after(TODAY, 6)


async def on(lotse: Lotse, day: date) -> int:
    """Set the clock to the first minute of a day in Koblenz, run the job; how much was looked at."""
    await lotse.running.move_clock(local_midnight(day) + timedelta(minutes=1) - datetime.now(UTC))
    return await lotse.running.run_job("remind-of-assurance")


async def published(lotse: Lotse, kind: Kind, **changes: Any) -> str:
    """An entry of AWO; returns where it is."""
    answer = await lotse.post(kind.path, {**kind.body(), **changes})
    assert answer.status_code == 201, answer.text
    return f"{kind.path}/{answer.json()[kind.id_field]}"


async def told(lotse: Lotse) -> list[str]:
    """What was told, as the last words of the types."""
    return [event.event_type.split(".")[2] for event in await lotse.running.published()]


async def shown(lotse: Lotse, place: str) -> tuple[str, str, bool]:
    """When it was assured, until when that counts, and whether it is late; in the list as by itself."""
    path, _, _ = place.rpartition("/")
    one = (await lotse.get(place, unit=CITY)).json()
    [listed] = (await lotse.get(path, unit=CITY)).json()["items"]
    assert one == listed
    return one["assured_on"], one["due_on"], one["is_stale"]


@EACH_ASSURED
async def test_an_entry_is_stale_after_the_day_on_which_it_was_due(lotse: Lotse, kind: Kind) -> None:
    """Not on that day itself; one call makes it fresh again, and the others hear of it."""
    place = await published(lotse, kind)
    assert await shown(lotse, place) == (TODAY.isoformat(), DUE.isoformat(), False)
    await on(lotse, DUE)
    assert (await shown(lotse, place))[2] is False
    late = DUE + timedelta(days=1)
    await on(lotse, late)
    assert (await shown(lotse, place))[2] is True
    answer = await lotse.post(f"{place}/assure", {})
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    assert await shown(lotse, place) == (late.isoformat(), months_after(late, 6).isoformat(), False)
    assured: Any = (await lotse.running.published())[-1]
    assert (assured.assured_on, assured.due_on, assured.acted_by) == (late, months_after(late, 6), "awo-rheinland")
    assert assured.audience == {Party.OTHERS}
    again = await lotse.post(f"{place}/assure", {})
    assert (again.status_code, again.headers["etag"]) == (200, '"2"')
    assert await told(lotse) == ["published", "assurance_due", "assured"]


@EACH_ASSURED
async def test_the_owner_is_reminded_once_and_again_after_the_next_assurance(lotse: Lotse, kind: Kind) -> None:
    """Two weeks before it is due, and nobody but the owner."""
    place = await published(lotse, kind)
    await on(lotse, DUE - REMINDED_BEFORE - timedelta(days=1))
    assert await told(lotse) == ["published"]
    await on(lotse, DUE - REMINDED_BEFORE)
    await on(lotse, DUE)
    assert await told(lotse) == ["published", "assurance_due"]
    reminder: Any = (await lotse.running.published())[-1]
    assert (reminder.audience, reminder.parties()) == ({Party.OWNER}, {Party.OWNER: "awo-rheinland"})
    assert (reminder.assured_on, reminder.due_on, reminder.acted_by) == (TODAY, DUE, None)
    await lotse.post(f"{place}/assure", {})
    await on(lotse, months_after(DUE, 6))
    assert (await told(lotse))[-2:] == ["assured", "assurance_due"]


async def test_a_change_is_an_assurance_and_capacity_is_none(lotse: Lotse) -> None:
    """Whoever changes an offer has looked at it; places come and go without anybody reading the text."""
    place = await published(lotse, KINDS[0])
    await on(lotse, TODAY + timedelta(days=10))
    await lotse.send("PUT", f"{place}/capacity", {"capacity": "waitlist"})
    assert (await shown(lotse, place))[0] == TODAY.isoformat()
    await lotse.send("PUT", place, an_offer(name="Neu"), If_Match='"2"')
    assert (await shown(lotse, place))[0] == (TODAY + timedelta(days=10)).isoformat()


async def test_what_the_clock_changes_is_not_assured_by_that(lotse: Lotse) -> None:
    """Nobody has looked at it on that day."""
    place = await published(lotse, KINDS[0])
    effective = TODAY + timedelta(days=10)
    await lotse.send("PUT", place, an_offer(name="Neu", effective_on=effective.isoformat()), If_Match='"1"')
    await on(lotse, effective)
    assert await lotse.running.run_job("take-effect") == 1
    assert (await shown(lotse, place))[0] == TODAY.isoformat()


async def test_nobody_is_reminded_of_what_is_not_in_use(lotse: Lotse) -> None:
    """Withdrawn, still to be published, or of a kind that is not assured."""
    gone = await published(lotse, KINDS[0])
    await lotse.post(f"{gone}/withdraw", {})
    await published(lotse, KINDS[0], effective_on="2099-01-01")
    for kind in KINDS[2:]:
        place = await published(lotse, kind)
        assert is_problem(await lotse.post(f"{place}/assure", {}), 404, "not-found")
    assert await on(lotse, months_after(TODAY, 12)) == 0
    assert is_problem(await lotse.post(f"{gone}/assure", {}), 409, "withdrawn")


async def test_what_older_code_kept_counts_from_its_last_change(lotse: Lotse) -> None:
    """Such rows have no day of assurance."""
    place = await published(lotse, KINDS[0])
    async with lotse.running.context.database.transaction() as conn:
        await conn.execute("update referral.entry set assured_on = null, changed_at = now() - interval '1 year'")
    assert (await shown(lotse, place))[2] is True
    assert await on(lotse, TODAY) == 1
    assert await on(lotse, TODAY) == 0
    assert await told(lotse) == ["published", "assurance_due"]


async def test_routing_marks_a_unit_whose_offers_are_all_stale(lotse: Lotse) -> None:
    """One fresh offer is enough; a unit that is known by its file only has nothing that could be stale."""
    await published(lotse, KINDS[0])
    question = {"age": 40, "status": "eu-eea"}

    async def stale() -> dict[str, bool]:
        answer = await lotse.post("/v1/routing", question, unit=CITY, role="clerk")
        return {unit["unit"]: unit["is_stale"] for unit in answer.json()["proposals"][0]["units"]}

    assert await stale() == {AWO: False, CARITAS_MBE: False}
    await on(lotse, DUE + timedelta(days=1))
    assert await stale() == {AWO: True, CARITAS_MBE: False}
    await lotse.offer()
    assert await stale() == {AWO: False, CARITAS_MBE: False}


async def test_the_months_are_the_agreements(create_database: CreateDatabase, tmp_path: Path) -> None:
    """A table of its file, which a deployment may set otherwise."""
    agreed = (ROOT / "deploy" / "agreement" / "koblenz.toml").read_text(encoding="utf-8")
    assert "assured_for_months = 6" in agreed
    file = tmp_path / "agreement.toml"
    file.write_text(agreed.replace("assured_for_months = 6", "assured_for_months = 1"), encoding="utf-8")
    async with running(SERVICE, tmp_path, await create_database("referral"), agreement_file=file) as service:
        lotse = Lotse(service)
        place = await published(lotse, KINDS[0])
        assert (await shown(lotse, place))[1] == months_after(TODAY, 1).isoformat()
        await on(lotse, months_after(TODAY, 1) - REMINDED_BEFORE)
        assert await told(lotse) == ["published", "assurance_due"]


@pytest.mark.parametrize(
    ("day", "months", "then"),
    [
        (date(2026, 8, 31), 6, date(2027, 2, 28)),
        (date(2027, 8, 31), 6, date(2028, 2, 29)),
        (date(2026, 12, 15), 1, date(2027, 1, 15)),
        (date(2026, 6, 30), 6, date(2026, 12, 30)),
        (date(2027, 2, 28), -6, date(2026, 8, 28)),
    ],
)
def test_months_end_where_the_month_does(day: date, months: int, then: date) -> None:
    """The same day, or the last there is."""
    assert months_after(day, months) == then


@given(st.dates(date(2020, 1, 1), date(2040, 1, 1)), st.integers(1, 24))
def test_what_is_assured_is_fresh_through_its_last_day(day: date, months: int) -> None:
    """And stale the day after."""
    due = AsOf(day, months).due_on(day)
    assert not AsOf(due, months).is_stale(day)
    assert AsOf(due + timedelta(days=1), months).is_stale(day)
