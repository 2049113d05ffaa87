"""What an operator can do to parked keys over HTTP: look, try again, let go; and that each act is noted."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from structlog.testing import capture_logs

from services.chassis import db, dead_letters, offsets, parking
from services.chassis.context import Service
from services.chassis.handling import Permanent
from services.chassis.keys import Key
from services.chassis.offsets import Partition
from services.chassis.records import Fault, Record, read
from tests.chassis.probe import EFFECTS, OTHER_SOURCE, SOURCE, Probe, given, record, referral_received, withdrawn
from tests.harness import Running, issuer, running

CASES = "lotse.cases.v1"
SAID = {"reason": "the producer is mended"}

pytestmark = pytest.mark.usefixtures("no_pauses")


@dataclass
class Desk:
    """An operator at a service whose handlers are a probe."""

    running: Running
    probe: Probe

    def headers(self) -> dict[str, str]:
        """An operator's, with a fresh Idempotency-Key."""
        token = issuer(self.running.folder).issue_token("", "", ["operator"], subject="a.koehler@dc")
        return {"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid4())}

    async def get(self, path: str, **query: Any) -> Any:
        """Look; the answer's body."""
        response = await self.running.client.get(f"/admin/{path}", params=query, headers=self.headers())
        assert response.status_code == 200, response.text
        return response.json()

    async def post(self, act: str, **body: Any) -> Any:
        """Act."""
        return await self.running.client.post(f"/admin/parked/{act}", json=body, headers=self.headers())

    async def retry(self, case: UUID) -> dict[str, Any]:
        """Try a key again; what came of it."""
        response = await self.post("retry", topic=CASES, key=str(case), **SAID)
        assert response.status_code == 200, response.text
        outcome: dict[str, Any] = response.json()["outcome"]
        return outcome

    async def discard(self, case: UUID | None, offset: int, **more: Any) -> Any:
        """Let go of the record at that offset."""
        named = {} if case is None else {"key": str(case)}
        return await self.post("discard", topic=CASES, partition=0, offset=offset, **named, **SAID, **more)

    async def apply(self, *records: Record) -> None:
        """The bus brings these."""
        assert await self.running.inbox.apply(list(records))

    async def effects(self) -> list[tuple[str, int]]:
        """What the handlers did, in order."""
        return [(row["type"], row["version"]) for row in await self.running.rows("select * from effect order by n")]

    async def applied(self) -> dict[str, int]:
        """The last version applied, by source."""
        return {row["source"]: row["version"] for row in await self.running.rows("select * from chassis.applied")}

    async def is_free(self, case: UUID) -> bool:
        """Whether the key is not parked and nothing waits."""
        parked = await self.running.rows(
            "select 1 from chassis.key where key = $1 and parked_at is not null", str(case)
        )
        return not parked and not await self.running.parked()


@pytest.fixture
async def desk(tmp_path: Path, database_url: str) -> AsyncIterator[Desk]:
    """A service without its consumer: acts work in any process."""
    probe = Probe()
    service = Service("chassis", "Parked things", [], handlers=lambda _context: probe.handlers)
    async with running(service, tmp_path, database_url) as one:
        async with one.context.database.transaction() as conn:
            await conn.execute(EFFECTS)
            await offsets.begin(conn, Partition(CASES, 0), beginning=0, end=0)
        yield Desk(one, probe)


def refused(response: Any, status: int, code: str) -> None:
    """It is that problem."""
    assert (response.status_code, response.json()["type"]) == (status, f"urn:lotse:problem:{code}"), response.text


@pytest.mark.parametrize("path", ["parked", f"parked/queue?topic={CASES}", "acts"])
async def test_operators_alone_may_look(desk: Desk, path: str) -> None:
    """Neither a partner's people nor a partner's token that calls itself operator."""
    assert (await desk.running.client.get(f"/admin/{path}")).status_code == 401
    for role in ("clerk", "system", "operator"):
        headers = desk.running.headers("stadt-koblenz/integration", role)
        refused(await desk.running.client.get(f"/admin/{path}", headers=headers), 403, "role-missing")


@pytest.mark.parametrize("act", ["retry", "discard"])
async def test_operators_alone_may_act(desk: Desk, act: str) -> None:
    """A partner's token changes nothing."""
    case = uuid4()
    await desk.apply(record(given(case), 2, 0))
    body = {"topic": CASES, "key": str(case), **SAID} | ({"partition": 0, "offset": 0} if act == "discard" else {})
    headers = desk.running.headers("awo-rheinland/mbe", "operator")
    refused(await desk.running.client.post(f"/admin/parked/{act}", json=body, headers=headers), 403, "role-missing")
    assert len(await desk.running.parked()) == 1


async def test_the_list_shows_the_longest_parked_first_page_by_page(desk: Desk) -> None:
    """Each with its first reason and how many wait; records without a key are counted beside."""
    cases = [uuid4() for _ in range(3)]
    for number, case in enumerate(cases):
        await desk.apply(record(given(case), 2, 10 * number), record(given(case), 3, 10 * number + 1))
    keyless = record(given(uuid4()), 1, 50)
    await desk.apply(Record(keyless.topic, 0, 50, None, None, keyless.headers))
    first = await desk.get("parked", limit=2)
    assert [each["key"] for each in first["parked"]] == [str(case) for case in cases[:2]]
    assert first["parked"][0]["waiting"] == 2
    assert first["parked"][0]["first"]["code"] == "gap"
    assert [(each["topic"], each["records"]) for each in first["without_key"]] == [(CASES, 1)]
    second = await desk.get("parked", limit=2, after=first["next"])
    assert ([each["key"] for each in second["parked"]], second["next"]) == ([str(cases[2])], None)


async def test_a_key_that_is_parked_with_nothing_behind_it_is_listed(desk: Desk) -> None:
    """Somebody parked it by another way than a record."""
    async with desk.running.context.database.transaction() as conn:
        await conn.execute("insert into chassis.key (topic, key, parked_at) values ($1, 'k', now())", CASES)
    [only] = (await desk.get("parked"))["parked"]
    assert (only["key"], only["waiting"], only["first"]) == ("k", 0, None)


async def test_the_queue_is_shown_without_values(desk: Desk) -> None:
    """Place, source, version, type, reason, names of headers, size: all one needs, and nothing about a case."""
    case = uuid4()
    events = [record(given(case), 2, 0), record(withdrawn(case), 3, 1)]
    await desk.apply(*events)
    shown = await desk.get("parked/queue", topic=CASES, key=str(case), limit=1)
    [first] = shown["records"]
    assert (first["partition"], first["offset"], first["source"], first["version"]) == (0, 0, SOURCE, 2)
    assert (first["type"], first["terminal"], first["code"]) == ("lotse.consent.given.v1", False, "gap")
    assert first["value_bytes"] == len(events[0].value or b"")
    assert "ce_id" in first["header_names"]
    assert "awo-rheinland" not in str(shown)
    rest = await desk.get("parked/queue", topic=CASES, key=str(case), after=shown["next"])
    assert [(each["type"], each["terminal"]) for each in rest["records"]] == [("lotse.consent.withdrawn.v1", True)]
    assert rest["next"] is None


async def test_a_mended_key_is_freed_in_order_and_the_act_is_noted(desk: Desk) -> None:
    """What waited is applied in order; author, reason and outcome stand in the table and in the log."""
    case = uuid4()
    desk.probe.fail = {1: [Permanent("not yet")]}
    await desk.apply(*(record(given(case), version, version) for version in (1, 2, 3)))
    desk.probe.fail = {}
    with capture_logs() as logs:
        assert await desk.retry(case) == {"left": 3, "discarded": None, "stuck": None, "waiting": 0}
    assert await desk.effects() == [("given", 1), ("given", 2), ("given", 3)]
    assert await desk.is_free(case)
    [act] = (await desk.get("acts"))["acts"]
    assert (act["author"], act["act"], act["key"], act["reason"]) == (
        "a.koehler@dc",
        "retry",
        str(case),
        SAID["reason"],
    )
    [line] = [entry for entry in logs if entry["event"] == "operator_acted"]
    assert (line["author"], line["reason"], line["outcome"]["left"]) == ("a.koehler@dc", SAID["reason"], 3)


async def test_a_retry_stops_at_the_first_that_still_fails(desk: Desk, monkeypatch: Any) -> None:
    """What could be applied stays applied, and the answer names what is stuck; long queues are read in parts."""
    monkeypatch.setattr(parking, "QUEUE_AT_ONCE", 2)
    case = uuid4()
    desk.probe.fail = {1: [Permanent("not yet")], 5: [Permanent("never")]}
    await desk.apply(*(record(given(case), version, version) for version in range(1, 8)))
    desk.probe.fail.pop(1)
    outcome = await desk.retry(case)
    assert (outcome["left"], outcome["waiting"]) == (4, 3)
    stuck = outcome["stuck"]
    assert (stuck["offset"], stuck["version"], stuck["code"], stuck["reason"]) == (5, 5, "refused", "never")
    desk.probe.fail = {}
    assert (await desk.retry(case))["left"] == 3
    assert [version for _, version in await desk.effects()] == list(range(1, 8))


async def test_what_is_not_parked_is_not_found_and_not_noted(desk: Desk) -> None:
    """A key that is free, unknown, or misspelled."""
    case = uuid4()
    await desk.apply(record(given(case), 1, 0))
    for key in (case, uuid4()):
        refused(await desk.post("retry", topic=CASES, key=str(key), **SAID), 404, "not-found")
        refused(await desk.discard(key, 0), 404, "not-found")
    refused(await desk.discard(None, 7), 404, "not-found")
    assert (await desk.get("acts"))["acts"] == []
    assert len(await desk.running.rows("select * from chassis.key")) == 1


async def test_the_same_request_again_is_the_same_act(desk: Desk) -> None:
    """A lost answer is asked for again; no second record is let go."""
    case = uuid4()
    desk.probe.fail = {1: [Permanent("a")], 2: [Permanent("b")]}
    await desk.apply(record(given(case), 1, 0), record(given(case), 2, 1))
    body = {"topic": CASES, "key": str(case), "partition": 0, "offset": 0, **SAID}
    headers = desk.headers()
    answers = [await desk.running.client.post("/admin/parked/discard", json=body, headers=headers) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert [letter["record_offset"] for letter in await desk.running.parked()] == [1]
    assert len((await desk.get("acts"))["acts"]) == 1


async def test_a_discarded_event_leaves_and_all_others_stay_in_order(desk: Desk) -> None:
    """History a with no cure: v4 is let go, v5 is applied, v6 ends it again in its place, v7 is the next."""
    case = uuid4()
    desk.probe.fail = {4: [Permanent("never")]}
    await desk.apply(*(record(given(case), version, version) for version in range(1, 6)), record(withdrawn(case), 6, 6))
    outcome = (await desk.discard(case, 4)).json()["outcome"]
    assert (outcome["left"], outcome["stuck"], outcome["waiting"]) == (3, None, 0)
    gone = outcome["discarded"]
    assert (gone["version"], gone["dropped"], gone["goes_on_from"], gone["code"]) == (4, True, 4, "refused")
    assert (await desk.effects())[3:] == [("withdrawn", 6), ("given", 5), ("withdrawn", 6)]
    assert await desk.is_free(case)
    await desk.apply(record(given(case), 7, 7))
    assert (await desk.effects())[-1] == ("given", 7)


async def test_only_the_first_that_cannot_be_applied_is_let_go(desk: Desk) -> None:
    """Naming another one changes nothing, not even what a replay could have applied."""
    case = uuid4()
    desk.probe.fail = {1: [Permanent("a")], 3: [Permanent("b")]}
    await desk.apply(*(record(given(case), version, version) for version in (1, 2, 3, 4)))
    desk.probe.fail.pop(1)
    refused(await desk.discard(case, 1), 409, "not-the-first")
    assert (await desk.effects(), len(await desk.running.parked())) == ([], 4)
    assert (await desk.discard(case, 3)).json()["outcome"]["left"] == 4
    assert await desk.effects() == [("given", 1), ("given", 2), ("given", 4)]


async def test_what_can_be_applied_after_all_is_not_dropped(desk: Desk) -> None:
    """The fault was mended meanwhile: the key is freed and nothing is lost."""
    case = uuid4()
    desk.probe.fail = {1: [Permanent("a")]}
    await desk.apply(record(given(case), 1, 0))
    desk.probe.fail = {}
    assert (await desk.discard(case, 0)).json()["outcome"]["discarded"] is None
    assert await desk.effects() == [("given", 1)]
    assert await desk.is_free(case)


async def test_of_a_gap_the_hole_is_given_up_and_every_event_here_is_applied(desk: Desk) -> None:
    """v2 and v3 never came: v4 and v5 are applied, and v6 is the next."""
    case = uuid4()
    await desk.apply(*(record(given(case), version, version) for version in (1, 4, 5)))
    gone = (await desk.discard(case, 4)).json()["outcome"]["discarded"]
    assert (gone["dropped"], gone["goes_on_from"], gone["code"]) == (False, 3, "gap")
    await desk.apply(record(given(case), 6, 6))
    assert [version for _, version in await desk.effects()] == [1, 4, 5, 6]
    assert await desk.is_free(case)


async def test_a_hole_at_the_beginning_is_given_up(desk: Desk) -> None:
    """The first version was lost on the bus."""
    case = uuid4()
    await desk.apply(record(given(case), 3, 0))
    assert (await desk.discard(case, 0)).json()["outcome"]["stuck"] is None
    assert (await desk.effects(), await desk.applied()) == ([("given", 3)], {SOURCE: 3})


async def test_an_event_that_ends_something_is_dropped_only_when_that_is_said(desk: Desk) -> None:
    """Letting go of a withdrawal that never took effect means that the consent goes on here."""
    case = uuid4()
    await desk.apply(record(withdrawn(case), 1, 0, value=b"{"), record(given(case), 2, 1))
    refused(await desk.discard(case, 0), 409, "terminal-event")
    assert len(await desk.running.parked()) == 2
    assert (await desk.discard(case, 0, even_terminal=True)).json()["outcome"]["left"] == 2
    assert await desk.effects() == [("given", 2)]


async def test_the_versions_of_other_sources_are_left_alone(desk: Desk) -> None:
    """Two producers tell of one case: letting go of one's event moves that one's version only."""
    case = uuid4()
    desk.probe.fail = {2: [Permanent("never")]}
    await desk.apply(
        record(given(case), 1, 0),
        record(given(case), 2, 1),
        record(referral_received(case), 1, 2, source=OTHER_SOURCE),
        record(given(case), 3, 3),
    )
    assert (await desk.discard(case, 1)).json()["outcome"]["left"] == 3
    assert await desk.applied() == {SOURCE: 3, OTHER_SOURCE: 1}
    assert await desk.effects() == [("given", 1), ("received", 1), ("given", 3)]


async def test_letting_go_of_two_faults_takes_two_acts(desk: Desk) -> None:
    """The replay stops at the next one and names it."""
    case = uuid4()
    desk.probe.fail = {1: [Permanent("a")], 2: [Permanent("b")]}
    await desk.apply(*(record(given(case), version, version) for version in (1, 2, 3)))
    outcome = (await desk.discard(case, 1)).json()["outcome"]
    assert (outcome["stuck"]["offset"], outcome["waiting"]) == (2, 2)
    refused(await desk.discard(case, 1), 409, "not-the-first")
    assert (await desk.discard(case, 2)).json()["outcome"]["waiting"] == 0
    acts = await desk.get("acts", limit=1)
    assert acts["acts"][0]["outcome"]["discarded"]["offset"] == 2
    [older] = (await desk.get("acts", before=acts["next"]))["acts"]
    assert older["outcome"]["discarded"]["offset"] == 1


async def test_a_record_whose_version_nobody_can_read_leaves_a_hole_to_give_up(desk: Desk) -> None:
    """Without its version the next one is a gap, which is let go by a second act."""
    case = uuid4()
    await desk.apply(record(given(case), 1, 0), record(given(case), 2, 1, ce_sequence=None), record(given(case), 3, 2))
    outcome = (await desk.discard(case, 1)).json()["outcome"]
    assert (outcome["discarded"]["goes_on_from"], outcome["stuck"]["code"]) == (None, "gap")
    assert (await desk.discard(case, 2)).json()["outcome"]["stuck"] is None
    assert await desk.effects() == [("given", 1), ("given", 3)]


async def test_an_event_of_a_producer_that_was_set_back_is_taken_as_the_next(desk: Desk) -> None:
    """Its new epoch goes on without versions that were applied here; the operator accepts that."""
    case, restored = uuid4(), SOURCE.removesuffix("1") + "2"
    await desk.apply(record(given(case), 1, 0), record(given(case), 2, 1))
    await desk.apply(record(given(case), 1, 2, source=restored), record(given(case), 2, 3, source=restored))
    outcome = (await desk.discard(case, 2)).json()["outcome"]
    assert (outcome["discarded"]["code"], outcome["discarded"]["dropped"], outcome["stuck"]) == ("outrun", False, None)
    assert [version for _, version in await desk.effects()] == [1, 2, 1, 2]


async def test_an_event_of_an_older_epoch_is_dropped(desk: Desk) -> None:
    """Nothing can make it the next one any more."""
    case, restored = uuid4(), SOURCE.removesuffix("1") + "2"
    await desk.apply(record(given(case), 1, 0, source=restored), record(given(case), 1, 1))
    gone = (await desk.discard(case, 1)).json()["outcome"]["discarded"]
    assert (gone["code"], gone["dropped"]) == ("outrun", True)
    assert await desk.is_free(case)


async def test_an_event_that_a_restore_lost_is_let_go_and_no_version_goes_back(desk: Desk) -> None:
    """It is listed and stays until somebody decides; the consumer may be further on by then."""
    case = uuid4()
    await desk.apply(*(record(given(case), version, version) for version in (1, 2, 3)))
    key, lost = Key(CASES, str(case)), read(record(given(case), 2, 2))
    async with desk.running.context.database.transaction() as conn:
        now = await db.now(conn)
        await dead_letters.insert(conn, lost, Fault(dead_letters.LOST, "the restored database lacks it"), now)
        await dead_letters.park(conn, [key], now)
    assert (await desk.retry(case))["stuck"]["code"] == "lost"
    gone = (await desk.discard(case, 2)).json()["outcome"]["discarded"]
    assert (gone["dropped"], gone["goes_on_from"]) == (True, 3)
    await desk.apply(record(given(case), 4, 4))
    assert [version for _, version in await desk.effects()] == [1, 2, 3, 4]


async def test_a_record_without_a_key_is_let_go(desk: Desk) -> None:
    """It parks nothing, so any of them may go."""
    keyless = record(given(uuid4()), 1, 0)
    await desk.apply(*(Record(keyless.topic, 0, offset, None, None, keyless.headers) for offset in (0, 1)))
    shown = await desk.get("parked/queue", topic=CASES)
    assert [each["offset"] for each in shown["records"]] == [0, 1]
    outcome = (await desk.discard(None, 1)).json()["outcome"]
    assert (outcome["left"], outcome["discarded"]["code"]) == (1, "no-key")
    assert [letter["record_offset"] for letter in await desk.running.parked()] == [0]


async def test_a_discard_needs_a_reason(desk: Desk) -> None:
    """Somebody will ask why."""
    for reason in ({}, {"reason": ""}, {"reason": "two\nlines"}):
        body = {"topic": CASES, "key": "k", "partition": 0, "offset": 0, **reason}
        refused(await desk.post("discard", **body), 422, "not-valid")


async def test_nothing_is_half_done_when_the_database_fails(desk: Desk) -> None:
    """A transient error is a 503, and the key is as it was."""
    case = uuid4()
    desk.probe.fail = {1: [Permanent("not yet")]}
    await desk.apply(record(given(case), 1, 0), record(given(case), 2, 1))
    desk.probe.fail = {2: [asyncpg.DiskFullError("full")]}
    refused(await desk.post("retry", topic=CASES, key=str(case)), 503, "not-available")
    assert (await desk.effects(), len(await desk.running.parked())) == ([], 2)
    assert (await desk.get("acts"))["acts"] == []


async def test_acts_wait_for_a_recovery_but_not_for_the_bus(desk: Desk) -> None:
    """While the service catches up nobody can know what is missing; a full outbox is a reason to mend."""
    case = uuid4()
    await desk.apply(record(given(case), 2, 0))
    desk.running.context.admission.close("recovering")
    refused(await desk.discard(case, 0), 503, "recovering")
    desk.running.context.admission.open("recovering")
    desk.running.context.admission.close("outbox-full")
    assert (await desk.discard(case, 0)).status_code == 200


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("parked", {"after": "x"}),
        ("parked", {"after": "2026-01-01T00:00:00 a b"}),
        ("parked", {"after": "2026-01-01T00:00:00+00:00 a \0"}),
        ("parked", {"after": "0001-01-01T00:00:00+23:00 a b"}),
        ("parked", {"limit": 0}),
        ("parked/queue", {"topic": "a\0"}),
        ("parked/queue", {"topic": CASES, "key": "a\0"}),
        ("parked/queue", {"topic": CASES, "after": "9999999999:1"}),
        ("acts", {"before": "x"}),
    ],
)
async def test_what_makes_no_sense_is_refused(desk: Desk, path: str, query: dict[str, Any]) -> None:
    """422 with the field, never a 500."""
    response = await desk.running.client.get(f"/admin/{path}", params=query, headers=desk.headers())
    refused(response, 422, "not-valid")


async def test_openapi_describes_the_routes(desk: Desk) -> None:
    """Whoever writes a tool finds them."""
    paths = (await desk.running.client.get("/openapi.json")).json()["paths"]
    assert set(paths) == {
        f"/admin/{each}" for each in ("parked", "parked/queue", "parked/retry", "parked/discard", "acts")
    }
