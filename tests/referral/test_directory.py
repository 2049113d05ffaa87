"""Entries of the directory: full state and changes, by their own partner only, read by all."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas import (
    FieldChange,
    OfferChanged,
    OfferPublished,
    OfferWithdrawn,
    PartnerSlug,
    Party,
    view_for,
)
from schemas.calendar import local_day, local_midnight
from schemas.codes import OfferStatus, ServiceType
from tests.harness import issuer
from tests.referral.builders import (
    AWO,
    CARITAS_JMD,
    CARITAS_MBE,
    CITY,
    JOBCENTER,
    Lotse,
    a_case,
    a_contact,
    a_material,
    a_notice,
    an_offer,
    is_problem,
)

EACH_KIND = pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/offers", an_offer(), "name"),
        ("/v1/contacts", a_contact(), "function"),
        ("/v1/materials", a_material(), "title"),
        ("/v1/change-notices", a_notice(), "text"),
    ],
    ids=["offers", "contacts", "materials", "change-notices"],
)


async def published(lotse: Lotse, path: str, body: dict[str, Any]) -> str:
    """Publish an entry as its own unit and return where it is."""
    answer = await lotse.post(path, body, unit=body["unit"])
    assert answer.status_code == 201, answer.text
    location: str = answer.headers["location"]
    return location


async def test_a_change_takes_six_round_trips(lotse: Lotse) -> None:
    """Begin; open (Idempotency-Key, lock, clock); read; write; publish; commit."""
    place = await published(lotse, "/v1/offers", an_offer())
    asked: list[str] = []
    async with lotse.running.context.database.reading() as conn:
        conn.add_query_logger(lambda query: asked.append(query.query))
    answer = await lotse.send("PUT", place, an_offer(name="Sprechstunde"), If_Match='"1"')
    assert answer.status_code == 200, answer.text
    assert len(asked) == 6, asked


async def test_an_offer_is_published_with_its_full_state(lotse: Lotse) -> None:
    """The event names the partner that acted, and shows everybody all of it."""
    place = await published(lotse, "/v1/offers", an_offer())
    [event] = await lotse.running.published()
    assert isinstance(event, OfferPublished)
    assert (event.acted_by, event.unit, event.service_type) == (PartnerSlug("awo-rheinland"), AWO, ServiceType.MBE)
    assert f"/v1/offers/{event.offer_id}" == place
    [row] = await lotse.running.outbox_rows()
    assert (row["topic"], row["key"]) == ("lotse.directory.v1", str(event.offer_id))
    assert (row["headers"]["ce_sequence"], row["headers"]["ce_source"]) == ("000000000001", "/koblenz/referral/1")
    assert b"Do 14-17" in view_for(event, Party.OTHERS, frozenset(), lambda _: "")


async def test_a_change_names_each_field_with_both_values(lotse: Lotse) -> None:
    """And only those that differ."""
    place = await published(lotse, "/v1/offers", an_offer())
    body = an_offer(schedule="Mo 9-16 Uhr", status="temporarily closed")
    answer = await lotse.send("PUT", place, body, If_Match='"1"')
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    changed = (await lotse.running.published())[-1]
    assert isinstance(changed, OfferChanged)
    assert changed.status is OfferStatus.TEMPORARILY_CLOSED
    assert changed.changes == (
        FieldChange(field="schedule", previous="Mo 9-12 Uhr\nDo 14-17 Uhr", new="Mo 9-16 Uhr"),
        FieldChange(field="status", previous="active", new="temporarily closed"),
    )


@EACH_KIND
async def test_an_entry_is_published_changed_and_withdrawn(
    lotse: Lotse, path: str, body: dict[str, Any], field: str
) -> None:
    """Three events with full state, the second naming what changed; the last has the last state."""
    place = await published(lotse, path, body)
    answer = await lotse.send("PUT", place, {**body, field: "Neu"}, If_Match='"1"')
    assert (answer.status_code, answer.json()[field]) == (200, "Neu")
    answer = await lotse.post(f"{place}/withdraw", {}, If_Match='"2"')
    assert answer.json()["withdrawn_at"] is not None
    events = await lotse.running.published()
    assert [each.event_type.split(".")[2] for each in events] == ["published", "changed", "withdrawn"]
    assert [getattr(each, field) for each in events] == [body[field], "Neu", "Neu"]
    assert getattr(events[1], "changes") == (FieldChange(field=field, previous=body[field], new="Neu"),)  # noqa: B009 - each kind has a class of its own
    assert len({each.key for each in events}) == 1


@EACH_KIND
async def test_a_change_of_nothing_tells_nothing(lotse: Lotse, path: str, body: dict[str, Any], field: str) -> None:
    """200 with the same ETag; blanks around a text are no change."""
    place = await published(lotse, path, body)
    answer = await lotse.send("PUT", place, {**body, field: f" {body[field]} "}, If_Match='"1"')
    assert (answer.status_code, answer.headers["etag"]) == (200, '"1"')
    assert len(await lotse.running.published()) == 1


@EACH_KIND
async def test_a_change_needs_the_version_it_was_made_on(
    lotse: Lotse, path: str, body: dict[str, Any], field: str
) -> None:
    """428 without If-Match, 412 with an old one; of two at once one wins."""
    place = await published(lotse, path, body)
    changed = {**body, field: "other"}
    assert is_problem(await lotse.send("PUT", place, changed), 428, "if-match-missing", "If-Match")
    assert is_problem(await lotse.send("PUT", place, changed, If_Match='"7"'), 412, "stale", "If-Match")
    rivals = [lotse.send("PUT", place, {**body, field: f"rival {n}"}, If_Match='"1"') for n in range(3)]
    assert sorted(answer.status_code for answer in await asyncio.gather(*rivals)) == [200, 412, 412]
    stale = await lotse.post(f"{place}/withdraw", If_Match='"1"')
    assert is_problem(stale, 412, "stale", "If-Match")
    assert len(await lotse.running.published()) == 2


@EACH_KIND
async def test_what_is_withdrawn_stays_readable_and_fixed(
    lotse: Lotse, path: str, body: dict[str, Any], field: str
) -> None:
    """A second withdrawal and a change are conflicts."""
    place = await published(lotse, path, body)
    assert (await lotse.post(f"{place}/withdraw")).status_code == 200
    assert is_problem(await lotse.post(f"{place}/withdraw"), 409, "withdrawn")
    answer = await lotse.send("PUT", place, {**body, field: "other"}, If_Match='"2"')
    assert is_problem(answer, 409, "withdrawn")
    assert (await lotse.get(place, unit=JOBCENTER)).json()["withdrawn_at"] is not None
    assert len(await lotse.running.published()) == 2


@EACH_KIND
async def test_another_partners_entry_cannot_be_changed(
    lotse: Lotse, path: str, body: dict[str, Any], field: str
) -> None:
    """404 in the same words as for one that does not exist; another unit of the same partner may."""
    place = await published(lotse, path, {**body, "unit": CARITAS_MBE})
    foreign = {**body, "unit": JOBCENTER}
    answers = [
        await lotse.send("PUT", place, foreign, unit=JOBCENTER, If_Match='"1"'),
        await lotse.post(f"{place}/withdraw", unit=JOBCENTER),
        await lotse.send("PUT", f"{path}/{a_case()}", foreign, unit=JOBCENTER, If_Match='"1"'),
        await lotse.post(f"{path}/{a_case()}/withdraw", unit=JOBCENTER),
        await lotse.get(f"{path}/{a_case()}", unit=JOBCENTER),
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    own = {**body, "unit": CARITAS_MBE, field: "by the other unit"}
    assert (await lotse.send("PUT", place, own, unit=CARITAS_JMD, If_Match='"1"')).status_code == 200
    assert await lotse.running.rows("select * from chassis.key where version = 0") == []


@EACH_KIND
async def test_the_unit_is_ones_own_and_stays(lotse: Lotse, path: str, body: dict[str, Any], field: str) -> None:
    """Another partner's, an unknown one, and a change of unit are refused by field."""
    for unit in (CITY, "awo-rheinland/unknown"):
        answer = await lotse.post(path, {**body, "unit": unit}, unit=AWO)
        assert is_problem(answer, 403, "not-your-unit", "unit")
    place = await published(lotse, path, {**body, "unit": CARITAS_MBE})
    moved = await lotse.send("PUT", place, {**body, "unit": CARITAS_JMD}, unit=CARITAS_MBE, If_Match='"1"')
    assert is_problem(moved, 422, "unit-is-fixed", "unit")
    assert len(await lotse.running.published()) == 1


@EACH_KIND
async def test_an_operator_has_no_part_in_the_directory(
    lotse: Lotse, path: str, body: dict[str, Any], field: str
) -> None:
    """It belongs to the partners."""
    place = await published(lotse, path, body)
    headers = _operator(lotse)
    client = lotse.running.client
    assert is_problem(await client.get(path, headers=headers), 403, "role-missing")
    assert is_problem(await client.get(place, headers=headers), 403, "role-missing")
    assert is_problem(await client.post(path, json=body, headers=headers), 403, "role-missing")
    assert is_problem(await client.post(f"{place}/withdraw", headers=headers), 403, "role-missing")


def _operator(lotse: Lotse) -> dict[str, str]:
    token = issuer(lotse.running.folder).issue_token("", "", ["operator"])
    return {"Authorization": f"Bearer {token}", "Idempotency-Key": "one"}


async def test_the_list_has_what_can_be_used_page_by_page(lotse: Lotse) -> None:
    """All partners' offers in the order of publication; closed and withdrawn ones only when asked for."""
    places = [await published(lotse, "/v1/offers", an_offer(unit=unit)) for unit in (AWO, CARITAS_MBE, CARITAS_JMD)]
    closed = await published(lotse, "/v1/offers", an_offer(status="inactive"))
    gone = await published(lotse, "/v1/offers", an_offer())
    await lotse.post(f"{gone}/withdraw")
    first = (await lotse.get("/v1/offers", unit=JOBCENTER, limit=2)).json()
    rest = (await lotse.get("/v1/offers", unit=JOBCENTER, limit=2, after=first["next"])).json()
    assert [_place(item) for item in first["items"] + rest["items"]] == places
    assert rest["next"] is None
    everything = (await lotse.get("/v1/offers", include_inactive=True)).json()["items"]
    assert [_place(item) for item in everything] == [*places, closed, gone]


async def test_a_notice_is_listed_until_its_last_day_is_over(lotse: Lotse) -> None:
    """By the calendar of Koblenz; later only with what is over."""
    today = local_day(datetime.now(UTC))
    until = {"valid_from": "2026-01-01", "valid_until": today.isoformat()}
    await published(lotse, "/v1/change-notices", a_notice(**until))
    await published(lotse, "/v1/change-notices", a_notice())

    async def count(**query: bool) -> int:
        return len((await lotse.get("/v1/change-notices", unit=CITY, **query)).json()["items"])

    assert await count() == 2
    await lotse.running.move_clock(local_midnight(today + timedelta(days=1)) - datetime.now(UTC))
    assert await count() == 1
    assert await count(include_inactive=True) == 2


def _place(item: dict[str, Any]) -> str:
    return f"/v1/offers/{item['offer_id']}"


async def test_the_lists_filter(lotse: Lotse) -> None:
    """By unit and service type, or level."""
    await published(lotse, "/v1/offers", an_offer())
    await published(lotse, "/v1/offers", an_offer(unit=CARITAS_JMD, service_type="JMD"))
    for level in ("operational", "coordinating"):
        await published(lotse, "/v1/contacts", a_contact(level=level))
    await published(lotse, "/v1/contacts", a_contact(unit=CITY))
    await lotse.post(f"{await published(lotse, '/v1/contacts', a_contact(unit=CITY))}/withdraw", unit=CITY)

    async def count(path: str, **query: str) -> int:
        headers = lotse.running.headers(JOBCENTER, "clerk")
        answer = await lotse.running.client.get(path, params=query, headers=headers)
        assert answer.status_code == 200, answer.text
        return len(answer.json()["items"])

    assert await count("/v1/offers", service_type="JMD") == 1
    assert await count("/v1/offers", service_type="MFD") == 0
    assert await count("/v1/offers", unit=AWO) == 1
    assert await count("/v1/offers", unit=AWO, service_type="JMD") == 0
    assert await count("/v1/contacts", level="operational") == 2
    assert await count("/v1/contacts", unit=CITY) == 1
    assert await count("/v1/contacts", unit=CITY, include_inactive="true") == 2
    await published(lotse, "/v1/materials", a_material(languages=["de", "ti"]))
    await published(lotse, "/v1/materials", a_material(languages=["de"]))
    assert await count("/v1/materials", language="ti") == 1
    assert await count("/v1/materials", language="de") == 2
    for category in ("moved", "closed"):
        await published(lotse, "/v1/change-notices", a_notice(category=category))
    assert await count("/v1/change-notices", category="closed") == 1


async def test_a_wrong_query_is_named(lotse: Lotse) -> None:
    """A NUL too, which the database could not compare."""
    headers = lotse.running.headers(AWO, "clerk")
    wrong = [("unit", "a/b\0"), ("unit", "x"), ("service_type", "unknown"), ("after", "1"), ("limit", "1000")]
    for name, value in wrong:
        answer = await lotse.running.client.get("/v1/offers", params={name: value}, headers=headers)
        assert is_problem(answer, 422, "not-valid", name)
    answer = await lotse.running.client.get("/v1/contacts", params={"level": "unknown"}, headers=headers)
    assert is_problem(answer, 422, "not-valid", "level")
    assert is_problem(await lotse.get("/v1/offers/not-an-id"), 422, "not-valid", "offer_id")
    assert is_problem(await lotse.get("/v1/change-notices/not-an-id"), 422, "not-valid", "notice_id")
    assert is_problem(await lotse.get("/v1/materials", language="arabic!"), 422, "not-valid", "language")


WRONG_OFFERS: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "name"),
    ({"name": None}, "name"),
    ({"name": 7}, "name"),
    ({"name": "x" * 201}, "name"),
    ({"name": "a\x00b"}, "name"),
    ({"name": "a\nb"}, "name"),
    ({"description": "a\x00b"}, "description"),
    ({"description": "a\x1bb"}, "description"),
    ({"description": "x" * 4001}, "description"),
    ({"email": "a\x00b@awo.example"}, "email"),
    ({"email": "no address"}, "email"),
    ({"url": "javascript:alert(1)"}, "url"),
    ({"url": "https://a\x00"}, "url"),
    ({"phone": "call me"}, "phone"),
    ({"service_type": "unknown"}, "service_type"),
    ({"service_type": "mbe"}, "service_type"),
    ({"languages": ["arabic!"]}, "languages.0"),
    ({"languages": "de"}, "languages"),
    ({"languages": ["de"] * 51}, "languages"),
    ({"status": "open"}, "status"),
    ({"unit": "awo-rheinland"}, "unit"),
    ({"version": 1}, "version"),
    ({"offer_id": str(a_case())}, "offer_id"),
]


async def test_a_wrong_offer_is_refused_by_field_and_nothing_is_kept(lotse: Lotse) -> None:
    """No text of the caller comes back."""
    for changes, field in WRONG_OFFERS:
        answer = await lotse.post("/v1/offers", an_offer(**changes))
        assert is_problem(answer, 422, "not-valid", field)
        assert "javascript" not in answer.text
    wrong_contact = await lotse.post("/v1/contacts", a_contact(function="a\x00", holder="Anna Beispiel"))
    assert is_problem(wrong_contact, 422, "not-valid", "holder")
    assert "Anna" not in wrong_contact.text
    assert is_problem(wrong_contact, 422, "not-valid", "function")
    assert await _nothing_kept(lotse)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/materials", a_material(url=None), "url"),
        ("/v1/materials", a_material(languages=[]), "languages"),
        ("/v1/materials", a_material(quantity_on_hand=-1), "quantity_on_hand"),
        ("/v1/materials", a_material(quantity_on_hand="12"), "quantity_on_hand"),
        ("/v1/materials", a_material(file_name="../x.pdf"), "file_name"),
        ("/v1/materials", a_material(edition=""), "edition"),
        ("/v1/change-notices", a_notice(category="weather"), "category"),
        ("/v1/change-notices", a_notice(valid_from=1772323200), "valid_from"),
        ("/v1/change-notices", a_notice(valid_until="2026-02-28"), "valid_until"),
        ("/v1/change-notices", a_notice(valid_until="2026-02-30"), "valid_until"),
        ("/v1/change-notices", a_notice(for_roles=["mayor"]), "for_roles.0"),
        ("/v1/change-notices", a_notice(person="Anna Beispiel"), "person"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_wrong_material_and_notices_are_refused_by_field(
    lotse: Lotse, path: str, body: dict[str, Any], field: str
) -> None:
    """Also where the fields are right one by one and do not go together, when new and when changed."""
    assert is_problem(await lotse.post(path, body), 422, "not-valid", field)
    assert await _nothing_kept(lotse)
    good = a_material() if path == "/v1/materials" else a_notice()
    place = await published(lotse, path, good)
    assert is_problem(await lotse.send("PUT", place, body, If_Match='"1"'), 422, "not-valid", field)


async def test_bodies_that_are_no_offer_are_refused(lotse: Lotse) -> None:
    """Half JSON, none at all, half a character, and 10 MB."""
    client = lotse.running.client
    headers = {**lotse.running.headers(AWO, "clerk"), "Content-Type": "application/json"}
    half = await client.post("/v1/offers", content=b'{"unit": "awo', headers=headers)
    assert is_problem(half, 400, "not-json")
    assert is_problem(await client.post("/v1/offers", headers=headers), 422, "not-valid", "body")
    surrogate = await client.post("/v1/offers", content=b'{"name": "\\ud800"}', headers=headers)
    assert is_problem(surrogate, 422, "not-valid", "name")
    big = await client.post("/v1/offers", content=b'"' + b"x" * 10_000_000 + b'"', headers=headers)
    assert is_problem(big, 413, "body-too-large")
    assert await _nothing_kept(lotse)


async def test_without_a_good_token_nothing_is_done(lotse: Lotse) -> None:
    """Missing, expired, changed, and of somebody outside the agreement."""
    made = issuer(lotse.running.folder)
    good = made.issue_token("awo-rheinland", AWO, ["clerk"])
    tokens = [
        "",
        "Bearer ",
        "Bearer nonsense",
        f"Bearer {made.issue_token('awo-rheinland', AWO, ['clerk'], ttl=timedelta(hours=-1))}",
        f"Bearer {made.issue_token('partner-x', 'partner-x/unit', ['clerk'])}",
        f"Bearer {good[:-8]}AAAAAAAA",
    ]
    for token in tokens:
        headers = {"Authorization": token, "Idempotency-Key": "one"}
        for method, path in (("POST", "/v1/offers"), ("GET", "/v1/offers"), ("GET", f"/v1/referrals/{a_case()}")):
            body = an_offer() if method == "POST" else None
            answer = await lotse.running.client.request(method, path, json=body, headers=headers)
            assert is_problem(answer, 401, "not-authenticated", "Authorization")
    assert await _nothing_kept(lotse)


async def _nothing_kept(lotse: Lotse) -> bool:
    tables = ("referral.entry", "chassis.outbox", "chassis.idempotency", "chassis.key")
    return [await lotse.running.rows(f"select * from {table}") for table in tables] == [[]] * 4  # noqa: S608  # fixed names


async def test_the_same_publication_twice_is_one_offer(lotse: Lotse) -> None:
    """The repeated answer shows it as it is now."""
    first = await lotse.post("/v1/offers", an_offer(), Idempotency_Key="k")
    place = first.headers["location"]
    await lotse.send("PUT", place, an_offer(name="Neu"), If_Match='"1"')
    again = await lotse.post("/v1/offers", an_offer(), Idempotency_Key="k")
    assert (again.status_code, again.headers["location"], again.headers["etag"]) == (201, place, '"2"')
    assert again.json()["name"] == "Neu"
    assert len(await lotse.running.published()) == 2


async def test_a_row_of_newer_code_is_still_read(lotse: Lotse) -> None:
    """Old and new code run side by side: an unknown field is passed over, an unknown code becomes `other`."""
    place = await published(lotse, "/v1/offers", an_offer())
    async with lotse.running.context.database.transaction() as conn:
        await conn.execute(
            "update referral.entry set state = state || $1", {"service_type": "houseboat", "colour": "blue"}
        )
    assert (await lotse.get(place)).json()["service_type"] == "other"


async def test_an_offer_withdrawn_is_told_with_its_last_state(lotse: Lotse) -> None:
    """So that a reader needs no history."""
    place = await published(lotse, "/v1/offers", an_offer())
    await lotse.post(f"{place}/withdraw")
    gone = (await lotse.running.published())[-1]
    assert isinstance(gone, OfferWithdrawn)
    assert gone.name == an_offer()["name"]


async def test_the_interface_document_names_every_problem(lotse: Lotse) -> None:
    """OpenAPI is made without error and each route says what it may refuse."""
    document = (await lotse.running.client.get("/openapi.json")).json()
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            assert "401" in route["responses"], (method, path)
            schema = route["responses"]["401"]["content"]["application/problem+json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/ProblemDocument"}
    assert "ProblemDocument" in document["components"]["schemas"]
