"""Referrals that are prepared: the unit's own matter until they are sent, and gone if they are not."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas import CaseId, ReferralRequested
from services.referral.app import SERVICE
from services.referral.model.drafts import KEPT
from tests.conftest import CreateDatabase
from tests.harness import running
from tests.referral.builders import AWO, CARITAS_MBE, CITY, Lotse, a_case, a_consent, erased, is_problem, withdrawn
from tests.referral.test_adopting import adopt

pytestmark = pytest.mark.usefixtures("impatient")


async def prepare(lotse: Lotse, case_id: CaseId, unit: str = CITY, **more: Any) -> Any:
    """A unit prepares a referral."""
    body = {"case_ref": lotse.case_ref(case_id, unit), **more}
    return await lotse.post("/v1/drafts", body, unit=unit, role="clerk")


async def prepared(lotse: Lotse, case_id: CaseId, **more: Any) -> str:
    """A draft of the City; returns its id."""
    answer = await prepare(lotse, case_id, **more)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["referral_id"])


async def send(lotse: Lotse, referral_id: str, unit: str = CITY) -> Any:
    """A unit sends its draft."""
    return await lotse.post(f"/v1/drafts/{referral_id}/send", unit=unit, role="clerk")


async def drafts(lotse: Lotse, unit: str = CITY) -> list[str]:
    """Which a unit has."""
    page = (await lotse.get("/v1/drafts", unit=unit, role="clerk")).json()
    return [each["referral_id"] for each in page["items"]]


async def test_a_draft_needs_no_consent_and_nobody_hears_of_it(lotse: Lotse) -> None:
    """It is seen by its unit alone; the offer's unit has no such referral."""
    case_id, offer_id = a_case(), await lotse.offer()
    referral_id = await prepared(lotse, case_id, offer_id=offer_id, own_number="A 7")
    assert await lotse.told() == []
    shown = (await lotse.get(f"/v1/drafts/{referral_id}", unit=CITY, role="clerk")).json()
    assert (shown["case_ref"], shown["offer_id"], shown["own_number"]) == (lotse.case_ref(case_id), offer_id, "A 7")
    made_at, forgotten_at = [datetime.fromisoformat(shown[name]) for name in ("made_at", "forgotten_at")]
    assert forgotten_at - made_at == KEPT == timedelta(days=30)
    assert await drafts(lotse) == [referral_id]
    for unit in (AWO, CARITAS_MBE):
        assert await drafts(lotse, unit) == []
        assert is_problem(await lotse.get(f"/v1/drafts/{referral_id}", unit=unit), 404, "not-found")
        assert is_problem(await send(lotse, referral_id, unit), 404, "not-found")
    assert is_problem(await lotse.get(f"/v1/referrals/{referral_id}", unit=CITY), 404, "not-found")


async def test_a_sent_draft_is_a_referral_with_its_id(lotse: Lotse) -> None:
    """With its number, as if it had been requested at once; a second time answers the same, and the draft is gone."""
    case_id = a_case()
    referral_id = await prepared(lotse, case_id, offer_id=await lotse.offer(), own_number="A 7")
    assert is_problem(await send(lotse, referral_id), 409, "no-consent", "case_ref")
    await lotse.running.feed(a_consent(case_id))
    headers = {"Idempotency_Key": "0123456789abcdef"}
    first, second = [
        await lotse.post(f"/v1/drafts/{referral_id}/send", unit=CITY, role="clerk", **headers) for _ in range(2)
    ]
    assert (first.status_code, first.json()["state"], first.json()["own_number"]) == (201, "requested", "A 7")
    assert first.headers["location"] == f"/v1/referrals/{referral_id}"
    assert second.json() == first.json()
    [told] = await lotse.told()
    assert isinstance(told, ReferralRequested)
    assert str(told.referral_id) == referral_id
    assert await drafts(lotse) == []
    assert is_problem(await send(lotse, referral_id), 404, "not-found")


async def test_what_a_request_is_looked_at_for_counts_when_it_is_sent(lotse: Lotse) -> None:
    """An offer that is missing or withdrawn by then, a consent that ended; the draft stays to be put right."""
    case_id = a_case()
    consent = a_consent(case_id)
    await lotse.running.feed(consent)
    referral_id = await prepared(lotse, case_id)
    assert is_problem(await send(lotse, referral_id), 409, "offer-missing", "offer_id")
    gone, offer_id = await lotse.offer(), await lotse.offer()
    path = f"/v1/drafts/{referral_id}"
    changed = await lotse.send("PUT", path, {"offer_id": gone}, unit=CITY, role="clerk", If_Match='"1"')
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    await lotse.post(f"/v1/offers/{gone}/withdraw")
    assert is_problem(await send(lotse, referral_id), 409, "offer-not-active", "offer_id")
    again = await lotse.send("PUT", path, {"offer_id": offer_id}, unit=CITY, role="clerk", If_Match='"2"')
    assert again.status_code == 200, again.text
    await lotse.running.feed(withdrawn(consent))
    assert is_problem(await send(lotse, referral_id), 409, "no-consent", "case_ref")
    assert await drafts(lotse) == [referral_id]
    assert await lotse.told() == []


async def test_a_draft_is_changed_by_whoever_has_seen_it(lotse: Lotse) -> None:
    """If-Match is required; the same again is no change."""
    referral_id = await prepared(lotse, a_case())
    path, body = f"/v1/drafts/{referral_id}", {"own_number": "B 1"}
    assert is_problem(await lotse.send("PUT", path, body, unit=CITY, role="clerk"), 428, "if-match-missing", "If-Match")
    for version, etag in ((1, '"2"'), (2, '"2"')):
        answer = await lotse.send("PUT", path, body, unit=CITY, role="clerk", If_Match=f'"{version}"')
        assert (answer.status_code, answer.headers["etag"]) == (200, etag)
    stale = await lotse.send("PUT", path, {"own_number": "B 2"}, unit=CITY, role="clerk", If_Match='"1"')
    assert is_problem(stale, 412, "stale", "If-Match")


@pytest.mark.parametrize(
    ("more", "status", "code", "field"),
    [
        ({"offer_id": "019a8f3c-5b00-7004-8a11-3f0c5d2e9b04"}, 422, "no-such-offer", "offer_id"),
        ({"offer_id": "one"}, 422, "not-valid", "offer_id"),
        ({"case_ref": "short"}, 422, "not-valid", "case_ref"),
        ({"name": "Samira"}, 422, "not-valid", "name"),
    ],
)
async def test_what_cannot_be_prepared_is_refused_by_field(
    lotse: Lotse, more: dict[str, Any], status: int, code: str, field: str
) -> None:
    """And nothing is kept; nor is what goes to one's own offer."""
    assert is_problem(await prepare(lotse, a_case(), **more), status, code, field)
    own = await prepare(lotse, a_case(), AWO, offer_id=await lotse.offer())
    assert is_problem(own, 422, "own-offer", "offer_id")
    assert await lotse.running.rows("select * from referral.draft") == []


async def test_a_discarded_draft_is_gone(lotse: Lotse) -> None:
    """Whoever throws it away twice hears that it is gone, and with the same key that it was done."""
    referral_id = await prepared(lotse, a_case())
    path, key = f"/v1/drafts/{referral_id}/discard", {"Idempotency_Key": "0123456789abcdef"}
    for _ in range(2):
        answer = await lotse.post(path, unit=CITY, role="clerk", **key)
        assert (answer.status_code, answer.json()) == (200, {"referral_id": referral_id})
    assert is_problem(await lotse.post(path, unit=CITY, role="clerk"), 404, "not-found")
    assert await lotse.running.rows("select * from referral.draft") == []


async def test_a_draft_goes_after_thirty_days_and_with_the_person(lotse: Lotse) -> None:
    """Not before; and for a person who was erased none is made."""
    kept, other = a_case(), a_case()
    first, second = await prepared(lotse, kept), await prepared(lotse, other)
    await lotse.running.feed(erased(other))
    assert await drafts(lotse) == [first]
    assert is_problem(await prepare(lotse, other), 409, "person-erased", "case_ref")
    await lotse.running.move_clock(KEPT - timedelta(minutes=1))
    assert await lotse.running.run_job("forget-drafts") == 0
    await lotse.running.move_clock(KEPT + timedelta(minutes=1))
    assert await lotse.running.run_job("forget-drafts") == 1
    assert await lotse.running.rows("select * from referral.draft") == []
    assert second != first


async def test_a_draft_that_was_sent_since_the_backup_does_not_come_back(
    lotse: Lotse, create_database: CreateDatabase, tmp_path: Path
) -> None:
    """The referral is taken back from the bus, and the draft that stands in the backup goes with it."""
    case_id = a_case()
    await lotse.running.feed(a_consent(case_id))
    referral_id = await prepared(lotse, case_id, offer_id=await lotse.offer())
    assert (await send(lotse, referral_id)).status_code == 201
    events = await lotse.running.published()
    async with running(SERVICE, tmp_path / "empty", await create_database("referral")) as service:
        old = Lotse(service)
        async with service.context.database.transaction() as conn:
            await conn.execute(
                "insert into referral.draft (referral_id, case_id, from_unit, version, made_at)"
                " values ($1, $2, $3, 1, now())",
                referral_id,
                case_id,
                CITY,
            )
        assert await adopt(old, events) == [True, True]
        assert await drafts(old) == []
        assert (await old.get(f"/v1/referrals/{referral_id}", unit=CITY, role="clerk")).status_code == 200


async def test_drafts_are_listed_page_by_page(lotse: Lotse) -> None:
    """The earliest first."""
    ids = [await prepared(lotse, a_case()) for _ in range(3)]
    first = (await lotse.get("/v1/drafts", unit=CITY, role="clerk", limit=2)).json()
    last = (await lotse.get("/v1/drafts", unit=CITY, role="clerk", limit=2, after=first["next"])).json()
    assert [each["referral_id"] for each in first["items"] + last["items"]] == ids
    assert last["next"] is None
