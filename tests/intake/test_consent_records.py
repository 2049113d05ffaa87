"""The export of a person's consents by ISO/IEC TS 27560."""

from typing import Any

from schemas.codes import ConsentForm, ConsentState, DataCategory, GivenBy
from services.intake.model.consent_record import CATEGORIES, CONTEXT, GIVERS, METHODS, STATES
from tests.intake.builders import AWO, CARITAS_MBE, CITY, NAME, PHONE, Desk, a_consent, problem, signature, signed

# What the technical specification calls mandatory, by the property of the vocabulary.
MANDATORY = (
    "dct:identifier",
    "dct:conformsTo",
    "dpv:hasDataSubject",
    "dpv:hasDataController",
    "dpv:hasJurisdiction",
    "dpv:hasProcess",
    "dpv:hasNotice",
    "dpv:hasConsentControl",
    "dpv:hasConsentStatus",
)
OF_PROCESS = ("dpv:hasPurpose", "dpv:hasPersonalData", "dpv:hasRecipient", "dpv:hasStorageCondition")
OF_PARTY = ("@id", "dct:identifier", "dpv:hasName", "dpv:hasAddress", "dpv:hasContact")


async def exported(desk: Desk, case_ref: str) -> dict[str, Any]:
    """The document."""
    answer = await desk.get(CITY, f"/v1/persons/{case_ref}/consent-records")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/ld+json"
    assert answer.headers["cache-control"] == "no-store"
    document: dict[str, Any] = answer.json()
    return document


def prefixes(value: Any) -> set[str]:
    """The prefix of every name in a document."""
    if isinstance(value, dict):
        keys = {key.partition(":")[0] for key in value if ":" in key}
        return keys.union(*map(prefixes, value.values()))
    return set().union(*map(prefixes, value)) if isinstance(value, list) else set()


async def test_an_export_has_every_mandatory_field_and_all_that_happened(desk: Desk) -> None:
    """Given, renewed, withdrawn, each with its time and who said it."""
    case_ref = await desk.register()
    transfer, _ = await desk.consent(case_ref, a_consent(), a_consent(to_unit=CARITAS_MBE, scope="cooperation"))
    await desk.post(CITY, f"/v1/consents/{transfer}/renew", signature(valid_until=a_consent()["valid_until"]))
    await desk.withdraw(transfer)
    first, second = (await exported(desk, case_ref))["@graph"]
    for record in (first, second):
        assert [name for name in MANDATORY if not record.get(name)] == []
        assert [name for name in OF_PROCESS if name not in record["dpv:hasProcess"]] == []
        for party in record["dpv:hasDataController"]:
            assert [name for name in OF_PARTY if not party.get(name)] == []
    assert first["dct:identifier"] == transfer
    assert [each["@type"] for each in first["dpv:hasConsentStatus"]] == [
        "dpv:ConsentGiven",
        "dpv:RenewedConsentGiven",
        "dpv:ConsentWithdrawn",
    ]
    assert {each["dpv:isIndicatedBy"] for each in first["dpv:hasConsentStatus"]} == {"dpv:DataSubject"}
    assert second["dpv:hasApplicableLaw"] == ["eu-gdpr:GDPR", "lotse:law-kdg"]


async def test_an_export_names_no_prefix_it_does_not_explain_and_nothing_that_was_said(desk: Desk) -> None:
    """Name and telephone number stay in the vault; the subject is the unit's own reference."""
    case_ref = await desk.register()
    await desk.consent(case_ref)
    document = await exported(desk, case_ref)
    assert prefixes(document["@graph"]) <= CONTEXT.keys()
    assert NAME not in str(document)
    assert PHONE not in str(document)
    assert document["@graph"][0]["dpv:hasDataSubject"]["dct:identifier"] == case_ref


async def test_health_data_are_marked_as_a_special_category(desk: Desk) -> None:
    """And a guardian as the one who said yes."""
    case_ref = await desk.register(birth_date=None, age_band="12-14", accessibility=["hearing"])
    body = signed(a_consent(data_categories=["accessibility"]), given_by="guardian")
    assert (await desk.post(CITY, f"/v1/persons/{case_ref}/consents", body)).status_code == 201
    (record,) = (await exported(desk, case_ref))["@graph"]
    (category,) = record["dpv:hasProcess"]["dpv:hasPersonalData"]
    assert category["@type"] == ["dpv:PersonalData", "dpv:SpecialCategoryPersonalData"]
    assert record["dpv:hasConsentStatus"][0]["dpv:isIndicatedBy"] == "dpv:GuardianOfDataSubject"


async def test_nobody_else_exports_a_persons_consents(desk: Desk) -> None:
    """Neither a partner that a consent names nor another."""
    case_ref = await desk.register()
    await desk.consent(case_ref)
    at_awo = desk.intake.reference("awo-rheinland", desk.case_id(case_ref))
    for unit, reference in ((AWO, at_awo), (CARITAS_MBE, case_ref)):
        for place in ("consents", "consent-records"):
            problem(await desk.get(unit, f"/v1/persons/{reference}/{place}"), 404, "not-found")


def test_every_code_has_its_term() -> None:
    """A code that is added to a list needs one here."""
    for table, codes in ((STATES, ConsentState), (CATEGORIES, DataCategory), (GIVERS, GivenBy), (METHODS, ConsentForm)):
        assert {str(each) for each in table} == set(codes.writable())  # type: ignore[attr-defined]
