"""Units work together on a case: under which consents, seen by whom, told to whom, and how it ends."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from schemas import CooperationEvent, CooperationId, new_id
from schemas.cooperation import StepKind
from services.chassis import db
from services.referral.jobs import COOPERATIONS_KEPT, ERASED_KEPT
from services.referral.model.cooperations import Cooperation
from services.referral.store import cooperations as store
from tests.harness import INTAKE, received
from tests.referral.builders import (
    AWO,
    CARITAS_MBE,
    CITY,
    JOBCENTER,
    Lotse,
    erased,
    expired,
    invalidated,
    is_problem,
    revoked,
    withdrawn,
)
from tests.referral.working_together import PART, SOON, Table, a_step, agreed, all_three, together

BOTH_WAYS = ((AWO, JOBCENTER), (JOBCENTER, AWO))


async def test_a_case_is_agreed_between_awo_and_jobcenter(lotse: Lotse) -> None:
    """Proposed, agreed, a day, a step that is done, an end; each event with nothing but codes, days and ids."""
    table = await agreed(lotse)
    await table.done("meeting", {"meets_on": SOON}, unit=JOBCENTER)
    [step] = (await table.done("steps", a_step()))["steps"]
    done = await table.done(f"steps/{step['step_id']}/done", unit=JOBCENTER)
    assert [each["state"] for each in done["steps"]] == ["done"]
    over = await table.done("end", {"reason": "aim-reached"})
    assert (over["state"], over["end_reason"]) == ("ended", "aim-reached")
    assert (await table.seen(JOBCENTER))["end_reason"] == "aim-reached"
    assert await table.kinds() == ["proposed", "agreed", "meeting_planned", "step_planned", "step_done", "ended"]
    assert {each["key"] for each in await lotse.running.outbox_rows()} == {str(table.case_id)}


async def test_functions_are_seen_by_the_participants_and_told_by_no_event(lotse: Lotse) -> None:
    """Neither that of the proposer nor that of who agreed; nobody else finds the cooperation at all."""
    table = await agreed(lotse)
    for unit in (AWO, JOBCENTER):
        shown = await table.seen(unit)
        assert [each["responsible"] for each in shown["participants"]] == ["Fallmanagement"] * 2
    assert not any(b"Fallmanagement" in row["value"] for row in await lotse.running.outbox_rows())
    for unit in (CITY, CARITAS_MBE):
        assert is_problem(await lotse.get(f"/v1/cooperations/{table.cooperation_id}", unit=unit), 404, "not-found")
        assert is_problem(await table.act("end", {"reason": "other"}, unit=unit), 404, "not-found")
        assert (await lotse.get("/v1/cooperations", unit=unit)).json() == {"items": [], "next": None}


@pytest.mark.parametrize("acted", ["agree", "decline", "end", "meeting", "steps"])
async def test_a_stranger_and_nothing_look_alike(lotse: Lotse, acted: str) -> None:
    """Another's cooperation and one that does not exist have one answer."""
    table = await agreed(lotse)
    bodies = {"agree": PART, "decline": {"reason": "other"}, "end": {"reason": "other"}, "meeting": {"meets_on": SOON}}
    body = bodies.get(acted, a_step())
    of_others = await table.act(acted, body, unit=CARITAS_MBE)
    table.cooperation_id = str(new_id())
    of_nobody = await table.act(acted, body, unit=CARITAS_MBE)
    assert (of_others.status_code, of_others.content) == (of_nobody.status_code, of_nobody.content)
    assert of_others.status_code == 404


@pytest.mark.usefixtures("impatient")
async def test_asking_needs_the_way_there_and_agreeing_the_way_back(lotse: Lotse) -> None:
    """One direction and one purpose each: a proposal tells one way only."""
    table = Table(lotse)
    assert is_problem(await table.propose(), 409, "no-consent", "units")
    await table.allow((JOBCENTER, AWO))
    assert is_problem(await table.propose(), 409, "no-consent", "units")
    await lotse.running.feed(withdrawn(table.consents[JOBCENTER, AWO]))
    await table.allow((AWO, JOBCENTER))
    assert (await table.propose()).status_code == 201
    assert is_problem(await table.act("agree", PART, unit=JOBCENTER), 409, "no-consent")
    await table.allow((JOBCENTER, AWO))
    assert (await table.done("agree", PART, unit=JOBCENTER))["state"] == "agreed"


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("scope", ["transfer", "feedback-status", "feedback-outcome"])
async def test_no_other_consent_stands_in_for_it(lotse: Lotse, scope: str) -> None:
    """Whatever else the person allowed."""
    table = Table(lotse)
    await table.allow(*BOTH_WAYS, scope=scope)
    assert is_problem(await table.propose(), 409, "no-consent", "units")


@pytest.mark.usefixtures("impatient")
async def test_one_consent_missing_of_two_asks_nobody(lotse: Lotse) -> None:
    """All or nothing."""
    table = Table(lotse)
    await table.allow((AWO, JOBCENTER))
    assert is_problem(await table.propose(JOBCENTER, CARITAS_MBE), 409, "no-consent", "units")
    assert await table.kinds() == []
    assert (await lotse.get("/v1/cooperations", unit=JOBCENTER)).json()["items"] == []


async def test_a_consent_on_its_way_is_waited_for(lotse: Lotse, waiting: asyncio.Event) -> None:
    """At the proposal and at the agreement."""
    table = Table(lotse)
    asking = asyncio.create_task(table.propose())
    await waiting.wait()
    await table.allow((AWO, JOBCENTER))
    assert (await asking).status_code == 201
    waiting.clear()
    agreeing = asyncio.create_task(table.act("agree", PART, unit=JOBCENTER))
    await waiting.wait()
    await table.allow((JOBCENTER, AWO))
    assert (await agreeing).status_code == 200


@pytest.mark.parametrize(
    ("units", "code"),
    [
        (["awo-rheinland/mbe"], "same-partner"),
        (["caritas-koblenz/mbe", "caritas-koblenz/jmd"], "same-partner"),
        (["jobcenter-koblenz/jobcenter", "jobcenter-koblenz/jobcenter"], "same-partner"),
        (["awo-rheinland/elsewhere"], "unit-unknown"),
        ([], "not-valid"),
        (["Jobcenter"], "not-valid"),
    ],
)
async def test_wrong_units_are_named_before_any_consent_is_looked_at(lotse: Lotse, units: list[str], code: str) -> None:
    """Nothing can be learned about a case by asking."""
    table = Table(lotse)
    await table.allow((AWO, JOBCENTER), (AWO, CARITAS_MBE))
    answer = await table.propose(units=units)
    assert is_problem(answer, 422, code)
    assert "units" in answer.json()["errors"][0]["field"]


@pytest.mark.parametrize(
    ("act", "body", "field"),
    [
        ("agree", {}, "responsible"),
        ("agree", {"responsible": "x" * 201}, "responsible"),
        ("decline", {"reason": "person-unwilling"}, "reason"),
        ("meeting", {"meets_on": "2020-01-01"}, "meets_on"),
        ("meeting", {"meets_on": 7}, "meets_on"),
        ("steps", a_step(due_on="2020-01-01"), "due_on"),
        ("steps", a_step(kind="therapy"), "kind"),
        ("steps", a_step(note="spoke about her flight"), "note"),
        ("end", {"reason": "consent-withdrawn"}, "reason"),
        ("end", {"reason": "nobody-left"}, "reason"),
    ],
)
async def test_what_is_not_valid_names_its_field(lotse: Lotse, act: str, body: Any, field: str) -> None:
    """And changes nothing; there is no place for what was spoken about."""
    table = await agreed(lotse)
    before = await table.kinds()
    assert is_problem(await table.act(act, body), 422, "not-valid", field)
    assert await table.kinds() == before


async def test_a_step_is_settled_by_whose_it_is_and_dropped_by_who_planned_it(lotse: Lotse) -> None:
    """Once."""
    table = await agreed(lotse)
    [step] = (await table.done("steps", a_step()))["steps"]
    path = f"steps/{step['step_id']}"
    assert is_problem(await table.act(f"{path}/done"), 403, "not-your-step")
    assert (await table.done(f"{path}/drop"))["steps"][0]["state"] == "dropped"
    for act in ("done", "drop"):
        assert is_problem(await table.act(f"{path}/{act}", unit=JOBCENTER), 409, "step-settled")
    assert is_problem(await table.act(f"steps/{new_id()}/done"), 404, "not-found")
    assert is_problem(await table.act("steps", a_step(CARITAS_MBE)), 409, "not-taking-part", "unit")


async def test_before_somebody_agrees_nothing_can_be_planned(lotse: Lotse) -> None:
    """The proposer may take it back; who is asked answers."""
    table = Table(lotse)
    await table.allow(*BOTH_WAYS)
    await table.propose()
    for act, body in (("steps", a_step()), ("meeting", {"meets_on": SOON}), ("agree", PART)):
        assert is_problem(await table.act(act, body), 409, "illegal-transition")
    assert is_problem(await table.act("end", {"reason": "other"}, unit=JOBCENTER), 409, "illegal-transition")
    assert (await table.done("end", {"reason": "no-longer-needed"}))["state"] == "lapsed"
    assert is_problem(await table.act("agree", PART, unit=JOBCENTER), 409, "illegal-transition")
    assert await table.kinds() == ["proposed", "lapsed"]


async def test_when_all_decline_it_comes_to_nothing(lotse: Lotse) -> None:
    """Declining needs no consent back; the proposer learns that, and why only with the consent."""
    table = Table(lotse)
    await table.allow((AWO, JOBCENTER), (AWO, CARITAS_MBE))
    await table.propose(JOBCENTER, CARITAS_MBE)
    assert (await table.done("decline", {"reason": "not-our-task"}, unit=JOBCENTER))["part"] == "out"
    assert await table.standing() == {AWO: "agreed", JOBCENTER: "declined", CARITAS_MBE: "asked"}
    await table.done("decline", {"reason": "no-capacity"}, unit=CARITAS_MBE)
    assert (await table.seen())["state"] == "lapsed"
    assert await table.kinds() == ["proposed", "declined", "declined", "lapsed"]


async def test_who_is_only_asked_sees_who_asks_whom_and_nothing_else(lotse: Lotse) -> None:
    """Not that somebody else agreed, nor what is planned; once it agrees it sees what it may hear."""
    table = Table(lotse)
    await table.allow(*BOTH_WAYS, (AWO, CARITAS_MBE), (CARITAS_MBE, AWO))
    await table.propose(JOBCENTER, CARITAS_MBE)
    await table.done("agree", PART, unit=JOBCENTER)
    await table.done("steps", a_step())
    await table.done("meeting", {"meets_on": SOON})
    shown = await table.seen(CARITAS_MBE)
    assert (shown["state"], shown["part"], shown["steps"], shown["meets_on"]) == ("proposed", "asked", [], None)
    assert [each["responsible"] for each in shown["participants"]] == [None] * 3
    assert await table.standing(CARITAS_MBE) == {AWO: "agreed", JOBCENTER: "asked", CARITAS_MBE: "asked"}
    shown = await table.done("agree", PART, unit=CARITAS_MBE)
    assert (len(shown["steps"]), shown["meets_on"]) == (1, SOON)
    assert await table.standing(CARITAS_MBE) == {AWO: "agreed", JOBCENTER: "asked", CARITAS_MBE: "agreed"}


async def test_two_that_were_asked_hear_each_other_only_with_consents_of_their_own(lotse: Lotse) -> None:
    """What the Jobcenter plans Caritas does not see, until the person says yes to that too."""
    table = await all_three(lotse)
    await table.done("steps", a_step(AWO), unit=JOBCENTER)
    assert (len((await table.seen())["steps"]), (await table.seen(CARITAS_MBE))["steps"]) == (1, [])
    assert is_problem(await table.act("steps", a_step(CARITAS_MBE), unit=JOBCENTER), 409, "no-consent")
    tag = await lotse.get(f"/v1/cooperations/{table.cooperation_id}", unit=CARITAS_MBE)
    await table.done("meeting", {"meets_on": SOON}, unit=JOBCENTER)
    again = await lotse.get(f"/v1/cooperations/{table.cooperation_id}", unit=CARITAS_MBE)
    assert tag.headers["etag"] == again.headers["etag"]
    await table.allow((JOBCENTER, CARITAS_MBE))
    shown = await table.seen(CARITAS_MBE)
    assert ([each["planned_by"] for each in shown["steps"]], shown["meets_on"]) == ([JOBCENTER], SOON)
    assert (await table.done("steps", a_step(CARITAS_MBE), unit=JOBCENTER))["steps"][1]["unit"] == CARITAS_MBE


@pytest.mark.parametrize("way", BOTH_WAYS)
@pytest.mark.parametrize(
    ("over", "reason"),
    [
        (withdrawn, "consent-withdrawn"),
        (expired, "consent-expired"),
        (revoked, "consent-revoked"),
        (invalidated, "consent-invalidated"),
    ],
)
async def test_the_end_of_either_consent_ends_it(lotse: Lotse, way: Any, over: Any, reason: str) -> None:
    """With its own reason; nobody acted but the person or the clock. A consent given anew revives nothing."""
    table = await agreed(lotse)
    [cause] = await lotse.running.feed(over(table.consents[way]))
    ended = (await lotse.told())[-1]
    assert isinstance(ended, CooperationEvent)
    assert ended.event_type == "lotse.cooperation.ended.v1"
    assert ended.model_dump()["reason"] == reason
    assert (ended.acted_by, ended.unit, set(ended.units)) == (None, None, {AWO, JOBCENTER})
    assert (await lotse.running.outbox_rows())[-1]["headers"]["ce_causationid"] == str(cause)
    await table.allow(*BOTH_WAYS)
    assert (await table.seen())["state"] == "ended"
    assert is_problem(await table.act("steps", a_step()), 409, "illegal-transition")


async def test_with_more_than_two_only_the_unit_concerned_leaves(lotse: Lotse) -> None:
    """The others go on; the last end is the end of all. What rests on nothing here ends nothing."""
    table = await all_three(lotse, everybody_hears=True)
    await lotse.running.feed(withdrawn(table.consents[JOBCENTER, CARITAS_MBE]))
    assert (await table.kinds())[-1] == "joined"
    await lotse.running.feed(withdrawn(table.consents[AWO, JOBCENTER]))
    assert (await table.kinds())[-1] == "left"
    assert await table.standing() == {AWO: "agreed", JOBCENTER: "left", CARITAS_MBE: "agreed"}
    out = await table.seen(JOBCENTER)
    assert (out["part"], out["state"], out["steps"]) == ("out", None, [])
    assert is_problem(await table.act("steps", a_step(AWO), unit=JOBCENTER), 409, "illegal-transition")
    await table.done("steps", a_step(CARITAS_MBE))
    await lotse.running.feed(withdrawn(table.consents[CARITAS_MBE, AWO]))
    assert (await table.kinds())[-1] == "ended"


async def test_a_participant_ends_its_own_part_and_the_proposer_all(lotse: Lotse) -> None:
    """Without any consent that still holds."""
    table = await all_three(lotse)
    gone = await table.done("end", {"reason": "moved-away"}, unit=JOBCENTER)
    assert gone["part"] == "out"
    assert (await table.seen())["state"] == "agreed"
    await table.done("end", {"reason": "aim-reached"})
    assert (await table.seen(CARITAS_MBE))["state"] == "ended"
    assert (await table.kinds())[-2:] == ["left", "ended"]


async def test_closing_is_possible_when_nothing_else_is(lotse: Lotse) -> None:
    """A consent ran out a moment ago and nobody has said so yet: acts are refused, the end is taken."""
    table = Table(lotse)
    await table.allow(*BOTH_WAYS, valid_until=datetime.now(UTC) + timedelta(days=1))
    await table.propose()
    await table.done("agree", PART, unit=JOBCENTER)
    await table.done("steps", a_step(), unit=JOBCENTER)
    await lotse.running.move_clock(timedelta(days=2))
    later = (datetime.now(UTC).date() + timedelta(days=9)).isoformat()
    assert is_problem(await table.act("steps", a_step(due_on=later)), 409, "no-consent")
    assert (await table.seen())["steps"] == []
    assert (await table.done("end", {"reason": "other"}, unit=JOBCENTER))["state"] == "ended"


async def test_a_parked_case_shows_and_takes_nothing_of_the_others(lotse: Lotse) -> None:
    """Something that was not read may have ended the consents; the end is taken all the same."""
    table = await agreed(lotse)
    await table.done("steps", a_step(), unit=JOBCENTER)
    await lotse.running.feed(together(table.case_id, AWO, CARITAS_MBE), source=INTAKE, version=99)
    assert await lotse.running.parked()
    assert (await table.seen())["steps"] == []
    assert is_problem(await table.act("steps", a_step()), 409, "no-consent")
    assert (await table.done("end", {"reason": "other"}))["state"] == "ended"


async def test_a_withdrawal_ends_it_also_behind_something_that_cannot_be_read(lotse: Lotse) -> None:
    """At once, and not a second time in its place."""
    table = await agreed(lotse)
    await lotse.running.feed(together(table.case_id, AWO, CARITAS_MBE), source=INTAKE, version=99)
    await lotse.running.feed(withdrawn(table.consents[JOBCENTER, AWO]))
    assert (await table.kinds())[-1] == "ended"
    await lotse.running.feed(withdrawn(table.consents[AWO, JOBCENTER]), erased(table.case_id))
    assert (await table.kinds()).count("ended") == 1


async def test_a_proposal_that_meets_the_withdrawal_never_stays_open(lotse: Lotse) -> None:
    """Made and ended, or refused: the case is locked by both."""
    for _ in range(4):
        table = Table(lotse)
        await table.allow((AWO, JOBCENTER))
        gone = withdrawn(table.consents[AWO, JOBCENTER])
        answer, _ = await asyncio.gather(table.propose(), lotse.running.feed(gone))
        assert answer.status_code in (201, 409)
        assert answer.status_code == 409 or (await table.seen())["state"] == "lapsed"


async def test_an_erasure_ends_all_of_a_case_and_is_forgotten_with_the_last_backup(lotse: Lotse) -> None:
    """The proposals too; afterwards nobody can propose anything."""
    table = await all_three(lotse)
    await table.propose(JOBCENTER)
    await lotse.running.feed(erased(table.case_id))
    assert (await table.kinds())[-2:] == ["ended", "lapsed"]
    await lotse.running.feed(together(table.case_id, AWO, JOBCENTER))
    await lotse.running.move_clock(ERASED_KEPT - timedelta(days=1))
    assert await lotse.running.run_job("forget-erased-cases") == 0
    await lotse.running.move_clock(ERASED_KEPT + timedelta(days=1))
    assert await lotse.running.run_job("forget-erased-cases") == 1
    left = "select unit from referral.participant union all select kind from referral.agreed_step"
    assert await lotse.running.rows(left) == []
    assert await lotse.running.rows("select state from referral.cooperation") == []


async def test_what_is_over_is_kept_for_as_long_as_the_person_was_told(lotse: Lotse) -> None:
    """Six months; what goes on stays."""
    over, running = await agreed(lotse), await agreed(lotse)
    await over.done("end", {"reason": "aim-reached"})
    await lotse.running.move_clock(COOPERATIONS_KEPT - timedelta(days=1))
    assert await lotse.running.run_job("forget-cooperations") == 0
    await lotse.running.move_clock(COOPERATIONS_KEPT + timedelta(days=1))
    assert await lotse.running.run_job("forget-cooperations") == 1
    assert (await lotse.get(f"/v1/cooperations/{over.cooperation_id}", unit=AWO)).status_code == 404
    assert (await running.seen())["state"] == "agreed"


async def test_a_repeated_act_is_done_once_and_a_stale_one_refused(lotse: Lotse) -> None:
    """By Idempotency-Key and If-Match."""
    table = await agreed(lotse)
    key = {"Idempotency_Key": "once"}
    first, second = [await table.act("steps", a_step(), **key) for _ in range(2)]
    assert second.headers["Idempotency-Replayed"] == "true"
    assert len(second.json()["steps"]) == 1
    fresh = first.headers["etag"]
    moved = await table.act("meeting", {"meets_on": SOON}, If_Match=fresh)
    assert moved.status_code == 200
    assert is_problem(await table.act("meeting", {"meets_on": SOON}, If_Match=fresh), 412, "stale")


async def test_two_who_end_it_at_once_end_it_once(lotse: Lotse) -> None:
    """One of them is answered that it is over."""
    table = await agreed(lotse)
    answers = await asyncio.gather(*(table.act("end", {"reason": "other"}, unit=u) for u in (AWO, JOBCENTER)))
    assert sorted(each.status_code for each in answers) == [200, 409]
    assert (await table.kinds()).count("ended") == 1


async def test_a_list_goes_on_where_the_page_before_ended(lotse: Lotse) -> None:
    """The earliest first, each with the partner's own reference of the case."""
    tables = [await agreed(lotse) for _ in range(3)]
    first = (await lotse.get("/v1/cooperations", unit=JOBCENTER, limit=2)).json()
    rest = (await lotse.get("/v1/cooperations", unit=JOBCENTER, limit=2, after=first["next"])).json()
    items = [*first["items"], *rest["items"]]
    assert [each["cooperation_id"] for each in items] == [each.cooperation_id for each in tables]
    assert items[0]["case_ref"] == lotse.case_ref(tables[0].case_id, JOBCENTER)
    assert rest["next"] is None


async def test_a_restored_database_has_from_the_bus_what_it_had(lotse: Lotse) -> None:
    """Steps, days, ends and the consents it rests on; which functions take part was never told."""
    table = await all_three(lotse, everybody_hears=True)
    for kind in (StepKind.FORM_HELP, StepKind.SCHOOL_CONTACT, StepKind.INTERPRETER):
        [*_, step] = (await table.done("steps", a_step(kind=kind)))["steps"]
        if kind is not StepKind.INTERPRETER:
            act = "done" if kind is StepKind.FORM_HELP else "drop"
            await table.done(f"steps/{step['step_id']}/{act}", unit=JOBCENTER)
    await table.done("meeting", {"meets_on": SOON})
    await lotse.running.feed(withdrawn(table.consents[AWO, CARITAS_MBE]))
    ids = [table.cooperation_id]
    await table.propose(JOBCENTER)
    await table.done("decline", {"reason": "no-capacity"}, unit=JOBCENTER)
    ids.append(table.cooperation_id)
    before = [await found(lotse, each) for each in ids]
    adoption = lotse.running.service.adoption(lotse.running.context)
    told = [event for event in await lotse.told() if isinstance(event, CooperationEvent)]
    async with lotse.running.context.database.transaction() as conn:
        await conn.execute("delete from referral.cooperation")
        assert not await adoption.events[type(told[-1])](conn, received(told[-1]), await db.now(conn))
        for event in told:
            assert await adoption.events[type(event)](conn, received(event), await db.now(conn))
    for each in before:
        after = await found(lotse, str(each.cooperation_id))
        nameless = tuple(replace(part, responsible=None) for part in each.participants)
        assert replace(after, proposed_at=each.proposed_at) == replace(each, participants=nameless)


async def found(lotse: Lotse, cooperation_id: str) -> Cooperation:
    """The cooperation as it is stored."""
    async with lotse.running.context.database.reading() as conn:
        cooperation = await store.find_cooperation(conn, CooperationId(UUID(cooperation_id)))
    assert cooperation is not None
    return cooperation
