"""The directory as HSDS 3.1: what the official schemas say, and what a reader of changes needs."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from schemas.codes import Accessibility, Concern, ServiceType
from schemas.directory import Capacity
from schemas.german import ACCESSIBILITY, CAPACITIES, NEEDS, SERVICE_TYPES
from tests.referral.builders import AWO, CARITAS_MBE, CITY, JOBCENTER, Lotse, a_contact, is_problem
from tests.referral.test_offers import HOURS, PLACE

FULL: dict[str, Any] = {
    "needs": ["housing", "work"],
    "schedules": [HOURS | {"valid_from": "2026-05-04"}, HOURS | {"freq": "MONTHLY", "byday": "1MO,-1FR"}],
    "location": PLACE | {"name": "Haus der Integration"},
    "minimum_age": 27,
    "maximum_age": 99,
    "fees_description": "kostenlos",
    "required_documents": ["Aufenthaltstitel, falls vorhanden"],
    "application_process": "Ohne Termin in der Sprechstunde",
    "url": "https://awo.example/mbe",
    "phone": "0261 1234",
}


def check(standards: Path, name: str, shown: Any) -> None:
    """Against the official schema, with the formats of ids and times."""
    folder = standards / "hsds-3.1" / "schema"
    documents = {path.name: json.loads(path.read_bytes()) for path in folder.glob("*.json")}
    registry = Registry().with_resources((each, DRAFT202012.create_resource(said)) for each, said in documents.items())
    formats = Draft202012Validator.FORMAT_CHECKER
    validator = Draft202012Validator(documents[f"{name}.json"], registry=registry, format_checker=formats)
    assert [error.message for error in validator.iter_errors(shown)] == []


async def read(lotse: Lotse, path: str, unit: str = CITY, **query: Any) -> Any:
    """As any partner."""
    answer = await lotse.get(f"/hsds/{path}", unit=unit, **query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_every_answer_is_valid_to_the_official_schemas(lotse: Lotse, standards: Path) -> None:
    """Bare offers and full ones, lists and single objects."""
    await lotse.post("/v1/contacts", a_contact(email="mbe@awo.example"))
    full, bare = await lotse.offer(**FULL), await lotse.offer(CARITAS_MBE, schedule=None)
    for offer_id in (full, bare):
        check(standards, "service", await read(lotse, f"services/{offer_id}"))
    for path, name in (
        ("services", "service"),
        ("organizations", "organization"),
        ("service_at_locations", "service_at_location"),
        ("taxonomies", "taxonomy"),
        ("taxonomy_terms", "taxonomy_term"),
    ):
        for wanted in ({}, {"full": "true"}) if name not in ("taxonomy", "taxonomy_term") else ({},):
            page = await read(lotse, path, **wanted)
            assert page["contents"], path
            for each in page["contents"]:
                check(standards, name, each)
                check(standards, name, await read(lotse, f"{path}/{each['id']}"))
    about = await read(lotse, "")
    assert about["version"] == "3.1"


async def test_a_service_says_what_the_offer_says(lotse: Lotse) -> None:
    """Nested as HSDS nests it; the function to ask for is a contact without a name."""
    await lotse.post("/v1/contacts", a_contact(function="Sekretariat MBE"))
    shown = await read(lotse, f"services/{await lotse.offer(**FULL)}")
    assert [each["byday"] for each in shown["schedules"][:2]] == ["MO,TH", "1MO,-1FR"]
    assert shown["schedules"][2]["description"] == "Mo 9-12 Uhr\nDo 14-17 Uhr"
    [place] = shown["service_at_locations"]
    assert place["location"]["addresses"][0]["postal_code"] == "56068"
    assert place["location"]["accessibility"][0]["description"] == "ohne Stufen erreichbar"
    assert [each["title"] for each in shown["contacts"]] == ["Sekretariat MBE"]
    assert {each["taxonomy_term"]["name"] for each in shown["attributes"]} == {
        "Wohnen",
        "Arbeit",
        SERVICE_TYPES[ServiceType.MBE],
        "ohne Stufen erreichbar",
    }
    assert (shown["organization"]["name"], shown["program"]["name"]) != ("", "")


async def test_whether_there_are_places_is_an_alert_a_word_and_where_there_are_none_a_number(
    standards: Path, lotse: Lotse
) -> None:
    """HSDS counts places, units do not: only none is a number. An offer of which nothing was said says nothing."""
    silent = await lotse.offer()
    said: list[tuple[dict[str, Any], str | None, list[int]]] = [
        ({"capacity": "capacity"}, None, []),
        ({"capacity": "waitlist", "expected_from": "2099-02-01"}, "Warteliste; wieder ab 01.02.2099", [0]),
        ({"capacity": "no-capacity"}, "keine Plätze frei", [0]),
        ({"capacity": "additional-assessment-required"}, "Plätze nach Klärung im Einzelfall", []),
    ]
    terms = {each["code"]: each["id"] for each in (await read(lotse, "taxonomy_terms", per_page=200))["contents"]}
    ids = []
    for body, alert, available in said:
        ids.append(await lotse.offer())
        assert (await lotse.send("PUT", f"/v1/offers/{ids[-1]}/capacity", body)).status_code == 200
        shown = await read(lotse, f"services/{ids[-1]}")
        check(standards, "service", shown)
        assert (shown.get("alert"), [each["available"] for each in shown.get("capacities", [])]) == (alert, available)
        assert body["capacity"] in {each["taxonomy_term"]["code"] for each in shown["attributes"]}
        found = await read(lotse, "services", taxonomy_term_id=terms[body["capacity"]])
        assert [each["id"] for each in found["contents"]] == [ids[-1]]
    shown = await read(lotse, f"services/{silent}")
    assert shown.keys().isdisjoint({"alert", "capacities"})
    [places] = [each["id"] for each in (await read(lotse, "taxonomies"))["contents"] if each["name"] == "Freie Plätze"]
    assert [each["id"] for each in (await read(lotse, "services", taxonomy_id=places))["contents"]] == ids


async def test_a_reader_of_changes_learns_of_withdrawals(lotse: Lotse) -> None:
    """Otherwise what is gone would stay in its copy for ever."""
    gone, stays = await lotse.offer(), await lotse.offer()
    before = datetime.now(UTC).isoformat()
    await lotse.post(f"/v1/offers/{gone}/withdraw")
    assert [each["id"] for each in (await read(lotse, "services"))["contents"]] == [stays]
    changed = (await read(lotse, "services", modified_after=before))["contents"]
    assert [(each["id"], each["status"]) for each in changed] == [(gone, "defunct")]
    short = (await read(lotse, "services", minimal="true"))["contents"]
    assert [each.keys() for each in short] == [{"id", "modified_date"}]


async def test_services_are_found_by_word_list_partner_and_text(lotse: Lotse) -> None:
    """An id that means nothing here finds nothing."""
    full, other = await lotse.offer(**FULL), await lotse.offer(CARITAS_MBE, name="Offene 100 % Sprechstunde")
    terms = {each["code"]: each["id"] for each in (await read(lotse, "taxonomy_terms", per_page=200))["contents"]}
    lists = {each["name"]: each["id"] for each in (await read(lotse, "taxonomies"))["contents"]}
    partners = {each["name"]: each["id"] for each in (await read(lotse, "organizations"))["contents"]}
    caritas = next(own for name, own in partners.items() if "Caritas" in name)
    for query, expected in (
        ({"taxonomy_term_id": terms["housing"]}, [full]),
        ({"taxonomy_term_id": terms["step-free"]}, [full]),
        ({"taxonomy_term_id": terms["MBE"]}, [full, other]),
        ({"taxonomy_term_id": terms["debts"]}, []),
        ({"taxonomy_id": lists["Was Menschen brauchen"]}, [full]),
        ({"taxonomy_id": lists["Zugänglichkeit"]}, [full]),
        ({"organization_id": caritas}, [other]),
        ({"search": "SPRECHSTUNDE"}, [other]),
        ({"search": "100 %"}, [other]),
        ({"search": "%"}, [other]),
        ({"taxonomy_term_id": str(uuid4())}, []),
        ({"taxonomy_id": str(uuid4())}, []),
        ({"organization_id": str(uuid4())}, []),
    ):
        found = (await read(lotse, "services", **query))["contents"]
        assert [each["id"] for each in found] == expected, query


async def test_pages_are_numbered_and_say_how_many_there_are(lotse: Lotse) -> None:
    """Beyond the last one there is nothing."""
    ids = [await lotse.offer() for _ in range(3)]
    first, last, beyond = [await read(lotse, "services", page=number, per_page=2) for number in (1, 2, 3)]
    assert [each["id"] for each in first["contents"] + last["contents"]] == ids
    for page in (first, last, beyond):
        assert (page["total_items"], page["total_pages"]) == (3, 2)
    assert [(each["first_page"], each["last_page"], each["empty"]) for each in (first, last, beyond)] == [
        (True, False, False),
        (False, True, False),
        (False, True, True),
    ]


async def test_what_is_not_there_or_not_served_is_named(lotse: Lotse) -> None:
    """An offer that says no place is at none."""
    offer_id = await lotse.offer()
    for path in ("services", "organizations", "service_at_locations", "taxonomies", "taxonomy_terms"):
        assert is_problem(await lotse.get(f"/hsds/{path}/{uuid4()}"), 404, "not-found")
    assert is_problem(await lotse.get(f"/hsds/service_at_locations/{offer_id}"), 404, "not-found")
    assert is_problem(await lotse.get("/hsds/services", format="ndjson"), 422, "not-valid", "format")
    assert is_problem(await lotse.get("/hsds/services", modified_after="2026-05-04"), 422, "not-valid")
    assert is_problem(await lotse.get("/hsds/services", page=0), 422, "not-valid", "page")


async def test_ids_stay_the_same(lotse: Lotse) -> None:
    """A reader meets the same partner, word and number again."""
    offer_id = await lotse.offer(**FULL)
    one, two = [await read(lotse, f"services/{offer_id}", unit) for unit in (JOBCENTER, AWO)]
    assert one == two
    assert UUID(one["phones"][0]["id"]).version == 5


def test_every_code_has_its_german_name() -> None:
    """Or a term would be missing from its list."""
    for codes, names in (
        (Concern, NEEDS),
        (ServiceType, SERVICE_TYPES),
        (Accessibility, ACCESSIBILITY),
        (Capacity, CAPACITIES),
    ):
        assert {str(each) for each in names} == set(codes.writable())  # type: ignore[attr-defined]
