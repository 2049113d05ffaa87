"""Offers as HSDS packages: what is written is read back as it was, and an import does what its dry run says."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import OfferChanged, OfferPublished, OfferState, OfferWithdrawn
from schemas.calendar import local_day
from schemas.codes import Accessibility, Concern, OfferStatus, ServiceType
from schemas.partner_file import load_partners
from services.referral.model import hsds
from services.referral.model.directory import OFFERS, Entry
from services.referral.model.hsds_package import Package, state_of
from tests.harness import ROOT
from tests.referral.builders import AWO, CARITAS_MBE, CITY, Lotse, a_contact, an_offer, is_problem
from tests.referral.test_contact_person import is_kept
from tests.referral.test_hsds import FULL, check
from tests.referral.test_offer_hours import schedules

PARTNERS = load_partners(ROOT / "deploy" / "partners")
LINES = st.text("abcdefgäöüß 0123456789.,-/\"'<>&", min_size=1, max_size=60).map(str.strip).filter(bool)
BLOCKS = st.lists(LINES, min_size=1, max_size=3).map("\n".join)
AGES = st.none() | st.integers(0, 120)


def some(codes: Any) -> Any:
    """Words of a list, each once, in any order."""
    drawn = st.lists(st.sampled_from([*codes.writable()]), max_size=5, unique=True)
    return drawn.map(lambda each: tuple(map(codes, each)))


LOCATIONS = st.fixed_dictionaries(
    {
        "address_1": LINES,
        "postal_code": st.from_regex(r"[0-9]{5}", fullmatch=True),
        "city": LINES,
        "name": st.none() | LINES,
        "transportation": st.none() | LINES,
        "accessibility": some(Accessibility),
    }
)
STATES = (
    st.fixed_dictionaries(
        {
            "unit": st.just(AWO),
            "name": LINES,
            "service_type": st.sampled_from([*ServiceType.writable()]),
            "description": BLOCKS,
            "eligibility_description": st.none() | BLOCKS,
            "languages": st.lists(st.sampled_from(["de", "ar", "uk", "zh-Hans"]), unique=True),
            "interpretation_services": st.none() | LINES,
            "schedule": st.none() | BLOCKS,
            "address": st.none() | LINES,
            "phone": st.none() | st.just("0261 1234"),
            "email": st.none() | st.just("mbe@awo.example"),
            "url": st.none() | st.just("https://awo.example/?a=1&b=2"),
            "status": st.sampled_from(OfferStatus),
            "needs": some(Concern),
            "schedules": st.lists(schedules(), max_size=3),
            "location": st.none() | LOCATIONS,
            "minimum_age": AGES,
            "maximum_age": AGES,
            "fees_description": st.none() | LINES,
            "required_documents": st.lists(LINES, max_size=3),
            "application_process": st.none() | BLOCKS,
        }
    )
    .map(OfferState.model_validate)
    .filter(lambda state: OFFERS.fault_of(state) is None)
)


def package_of(*services: Any, **more: Any) -> dict[str, Any]:
    """A package of these services."""
    return {"version": "3.1", "services": list(services), **more}


@settings(max_examples=200, deadline=None)
@given(state=STATES)
def test_an_offer_that_was_written_is_read_as_it_was(state: OfferState) -> None:
    """Whatever the directory takes; nothing is lost, and nothing of it is unknown but what is kept elsewhere."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    offer = Entry(uuid4(), state, 1, at, at, local_day(at))
    written = hsds.service(offer, PARTNERS, full=True)
    read = Package.model_validate(package_of(written))
    assert state_of(read.services[0], AWO, state, None) == state
    assert {each.split(".")[1] for each in read.not_taken} <= {
        "assured_date",
        "last_modified",
        "organization",
        "organization_id",
        "program",
        "service_at_locations",
        "attributes",
        "languages",
    }


SERVICE: dict[str, Any] = {
    "id": "4c7f5e0e-4d0a-4d7d-8a59-8a9a51f3a001",
    "name": "Offene Sprechstunde",
    "description": "Erste Fragen ohne Termin.",
    "status": "active",
    "phones": [{"id": str(uuid4()), "number": "0261 1234"}],
    "languages": [{"id": str(uuid4()), "code": "ar"}],
    "schedules": [
        {"id": str(uuid4()), "freq": "WEEKLY", "byday": "MO", "opens_at": "09:00", "closes_at": "12:00", "wkst": "MO"}
    ],
}
OTHER = {**SERVICE, "id": "4c7f5e0e-4d0a-4d7d-8a59-8a9a51f3a002", "name": "Beratung"}


async def bring(
    lotse: Lotse, package: Any, *, unit: str = AWO, of: str = AWO, service_type: str | None = "MBE", **more: Any
) -> Any:
    """A unit's system brings a package in; for real unless told otherwise."""
    body = {"unit": of, "package": package, "dry_run": False, "service_type": service_type, **more}
    return await lotse.post("/v1/offers/import", body, unit=unit, role="system", Idempotency_Key=str(uuid4()))


async def found(answer: Any) -> dict[str, Any]:
    """What is answered to something that is taken."""
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


async def test_a_dry_run_says_what_would_change_and_changes_nothing(lotse: Lotse) -> None:
    """Then the same with what was seen does it, and once more does nothing at all."""
    gone = await lotse.offer(name="gone")
    kept = await lotse.offer(CARITAS_MBE, name="another unit's")
    dry = await found(await bring(lotse, package_of(SERVICE, OTHER), dry_run=True, withdraw_missing=True))
    assert [each["name"] for each in dry["new"]] == ["Offene Sprechstunde", "Beratung"]
    assert [each["offer_id"] for each in dry["missing"]] == [gone]
    assert len(await lotse.running.published()) == 2
    done = await found(await bring(lotse, package_of(SERVICE, OTHER), withdraw_missing=True, seen=dry["seen"]))
    assert {**done, "dry_run": True} == dry
    told = (await lotse.running.published())[2:]
    assert [type(each) for each in told] == [OfferPublished, OfferPublished, OfferWithdrawn]
    shown = (await lotse.get(f"/v1/offers/{SERVICE['id']}", unit=CITY, role="clerk")).json()
    assert (shown["service_type"], shown["languages"], shown["phone"]) == ("MBE", ["ar"], "0261 1234")
    again = await found(await bring(lotse, package_of(SERVICE, OTHER), withdraw_missing=True))
    assert (again["new"], again["changed"], again["missing"]) == ([], [], [])
    assert again["unchanged"] == [SERVICE["id"], OTHER["id"]]
    assert len(await lotse.running.published()) == 5
    assert (await lotse.get(f"/v1/offers/{kept}")).json()["withdrawn_at"] is None


async def test_a_change_is_told_by_its_fields_and_what_is_missing_stays(lotse: Lotse) -> None:
    """Withdrawing is asked for, or it is not done."""
    await found(await bring(lotse, package_of(SERVICE, OTHER)))
    said = await found(await bring(lotse, package_of({**SERVICE, "name": "Neu"}), service_type=None))
    changes = [{"field": "name", "previous": "Offene Sprechstunde", "new": "Neu"}]
    assert said["changed"] == [{"offer_id": SERVICE["id"], "name": "Neu", "changes": changes}]
    assert [each["offer_id"] for each in said["missing"]] == [OTHER["id"]]
    *_, told = await lotse.running.published()
    assert isinstance(told, OfferChanged)
    assert [(each.field, each.new) for each in told.changes] == [("name", "Neu")]
    assert (await lotse.get(f"/v1/offers/{OTHER['id']}")).json()["withdrawn_at"] is None


async def test_what_lotse_gives_it_takes_back_unchanged(lotse: Lotse, standards: Path) -> None:
    """Each service as the official schema wants it; those of other units are passed over."""
    full, bare = await lotse.offer(**FULL), await lotse.offer(address="Musterstraße 1", schedule=None)
    other = await lotse.offer(CARITAS_MBE)
    await lotse.send("PUT", f"/v1/offers/{full}/capacity", {"capacity": "waitlist"})
    await lotse.post("/v1/contacts", a_contact())
    written = (await lotse.get("/hsds/package")).json()
    for each in written["services"]:
        check(standards, "service", each)
    assert [each["id"] for each in written["services"]] == [full, bare, other]
    said = await found(await bring(lotse, written, service_type=None))
    assert (said["unchanged"], said["of_others"]) == ([full, bare], [other])
    assert (said["new"], said["changed"], said["missing"]) == ([], [], [])
    assert {"services.alert", "services.capacities", "services.contacts"} <= set(said["not_taken"])
    headers = lotse.running.headers(CITY, "clerk")
    own = await lotse.running.client.get("/hsds/package", params={"unit": AWO}, headers=headers)
    assert [each["id"] for each in own.json()["services"]] == [full, bare]


async def test_what_is_not_kept_is_named(lotse: Lotse) -> None:
    """Fields of HSDS that Lotse has no place for, second numbers, and words of other lists."""
    service = {
        **SERVICE,
        "cost_options": [{"id": str(uuid4()), "amount": 5}],
        "phones": [{"number": "0261 1234", "type": "fax"}, {"number": "0261 5678"}],
        "attributes": [{"link_id": SERVICE["id"], "taxonomy_term_id": str(uuid4()), "value": "x"}],
    }
    said = await found(await bring(lotse, package_of(service), dry_run=True))
    assert said["not_taken"] == [
        "services.attributes.taxonomy_term_id: of other lists",
        "services.attributes.value",
        "services.cost_options",
        "services.phones.type",
        "services.phones: all but the first",
    ]


async def test_what_is_not_kept_stands_nowhere(lotse: Lotse) -> None:
    """Neither in a table nor in an event, whatever it is called."""
    secret = "Samira Al-Beispiel"
    service = {**SERVICE, "contacts": [{"id": str(uuid4()), "name": secret}], "person": {"name": secret}}
    said = await found(await bring(lotse, package_of(service, made_by=secret)))
    assert said["not_taken"] == ["made_by", "services.contacts", "services.person"]
    assert secret not in str(await lotse.running.published())
    assert not await is_kept(lotse, secret)


HOURS = SERVICE["schedules"][0]
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"id": "one"}, "id"),
    ({"id": SERVICE["id"]}, "id"),
    ({"name": ""}, "name"),
    ({"description": None}, "description"),
    ({"status": "open"}, "status"),
    ({"url": "awo.example"}, "url"),
    ({"minimum_age": 30, "maximum_age": 20}, "maximum_age"),
    ({"phones": [{"number": "call me"}]}, "phones.0.number"),
    ({"languages": [{"name": "Arabisch"}]}, "languages.0.code"),
    ({"schedules": [{**HOURS, "freq": "DAILY"}]}, "schedules.0.freq"),
    ({"schedules": [{**HOURS, "closes_at": "08:00"}]}, "schedules.0.closes_at"),
    ({"schedules": [{**HOURS, "byday": None}]}, "schedules.0"),
    ({"schedules": [{}]}, "schedules.0"),
    ({"service_at_locations": [{"location": {"addresses": []}}]}, "service_at_locations.0.location.addresses"),
    (
        {"attributes": [{"taxonomy_term_id": str(hsds.made_id("taxonomy_term", "accessibility", "step-free"))}]},
        "service_at_locations",
    ),
    ({"required_documents": [{"document": "x"}] * 21}, "required_documents"),
]


@pytest.mark.parametrize(("wrong", "field"), WRONG, ids=[field for _, field in WRONG])
async def test_one_fault_keeps_everything_out_and_names_its_place(
    lotse: Lotse, wrong: dict[str, Any], field: str
) -> None:
    """In a dry run as in a real one."""
    for dry_run in (True, False):
        answer = await bring(lotse, package_of(SERVICE, {**OTHER, **wrong}), dry_run=dry_run)
        assert is_problem(answer, 422, "not-valid", f"package.services.1.{field}")
    assert await lotse.running.published() == []


async def test_ids_of_other_things_are_not_taken_over(lotse: Lotse) -> None:
    """Another unit's offer, a withdrawn one, a contact; and an offer that has no kind."""
    of_caritas = await lotse.offer(CARITAS_MBE)
    withdrawn = await lotse.offer()
    await lotse.post(f"/v1/offers/{withdrawn}/withdraw")
    contact = (await lotse.post("/v1/contacts", a_contact())).json()["contact_id"]
    for taken in (of_caritas, withdrawn, contact):
        answer = await bring(lotse, package_of({**SERVICE, "id": taken}))
        assert is_problem(answer, 422, "not-valid", "package.services.0.id"), taken
    kindless = await bring(lotse, package_of(SERVICE), service_type=None)
    assert is_problem(kindless, 422, "not-valid", "package.services.0.attributes")


async def test_only_a_partner_brings_in_its_own_units_offers(lotse: Lotse) -> None:
    """Nobody else's, nor a package of another version or of too many services."""
    assert is_problem(await bring(lotse, package_of(SERVICE), unit=CARITAS_MBE), 403, "not-your-unit", "unit")
    assert is_problem(await bring(lotse, package_of(version="2.0")), 422, "not-valid", "package.version")
    many = [{**SERVICE, "id": str(uuid4())} for _ in range(101)]
    assert is_problem(await bring(lotse, package_of(*many)), 422, "not-valid", "package.services")
    assert await lotse.running.published() == []


async def test_what_changed_since_the_dry_run_is_looked_at_again(lotse: Lotse) -> None:
    """And an announced change stands in the way of another, as it does one by one."""
    offer_id = await lotse.offer()
    dry = await found(await bring(lotse, package_of({**SERVICE, "id": offer_id}), dry_run=True))
    await lotse.send("PUT", f"/v1/offers/{offer_id}/capacity", {"capacity": "waitlist"})
    late = await bring(lotse, package_of({**SERVICE, "id": offer_id}), seen=dry["seen"])
    assert is_problem(late, 409, "directory-changed", "seen")
    later = {**an_offer(name="Später"), "effective_on": "2099-01-01"}
    announced = await lotse.send("PUT", f"/v1/offers/{offer_id}", later, If_Match='"2"')
    assert announced.status_code == 200, announced.text
    stuck = await bring(lotse, package_of({**SERVICE, "id": offer_id}))
    assert is_problem(stuck, 409, "change-announced", "package.services.0.id")
    assert len(await lotse.running.published()) == 3


async def test_a_package_sent_again_with_its_key_is_done_once(lotse: Lotse) -> None:
    """The answer then says how it stands now: nothing is left to do."""
    body = {"unit": AWO, "package": package_of(SERVICE), "dry_run": False, "service_type": "MBE"}
    key = str(uuid4())
    first, second = [await lotse.post("/v1/offers/import", body, Idempotency_Key=key) for _ in range(2)]
    assert (len(first.json()["new"]), len(second.json()["new"])) == (1, 0)
    assert second.json()["unchanged"] == [SERVICE["id"]]
    assert len(await lotse.running.published()) == 1
