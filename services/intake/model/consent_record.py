"""A person's consents as records by ISO/IEC TS 27560, in JSON-LD with the terms of the Data Privacy Vocabulary.

Source: DPV 2, guide "Implementing ISO/IEC TS 27560:2023 Consent Records and Receipts", profile record-eu-gdpr.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from schemas import UnitId, partner_of
from schemas.codes import ConsentForm, ConsentState, DataCategory, GivenBy, LegalRegime, Scope
from schemas.partner_file import PartnerFile, Partners
from services.intake.model.consents import Consent, ConsentAct

CONTEXT = {
    "dpv": "https://w3id.org/dpv#",
    "pd": "https://w3id.org/dpv/pd#",
    "loc": "https://w3id.org/dpv/loc#",
    "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
    "dct": "http://purl.org/dc/terms/",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "lotse": "urn:lotse:consent:",
}
PROFILE = "https://w3id.org/dpv/schema/dpv-27560#record-eu-gdpr"

STATES: Mapping[ConsentState, str] = {
    ConsentState.REQUESTED: "dpv:ConsentRequested",
    ConsentState.GIVEN: "dpv:ConsentGiven",
    ConsentState.RENEWED: "dpv:RenewedConsentGiven",
    ConsentState.EXPIRED: "dpv:ConsentExpired",
    ConsentState.WITHDRAWN: "dpv:ConsentWithdrawn",
    ConsentState.REVOKED: "dpv:ConsentRevoked",
    ConsentState.INVALIDATED: "dpv:ConsentInvalidated",
}
CATEGORIES: Mapping[DataCategory, str] = {
    DataCategory.IDENTITY: "pd:Name",
    DataCategory.CONTACT: "pd:Contact",
    DataCategory.LANGUAGE: "pd:Language",
    DataCategory.AGE: "pd:Age",
    DataCategory.ACCESSIBILITY: "pd:Health",
    DataCategory.HOUSEHOLD: "pd:FamilyStructure",
}
SPECIAL = frozenset({DataCategory.ACCESSIBILITY})
GIVERS: Mapping[GivenBy, str] = {
    GivenBy.SELF: "dpv:DataSubject",
    GivenBy.GUARDIAN: "dpv:GuardianOfDataSubject",
    GivenBy.LEGAL_CARER: "dpv:Representative",
}
LAWS: Mapping[LegalRegime, Sequence[str]] = {
    LegalRegime.DSGVO: ("eu-gdpr:GDPR",),
    LegalRegime.KDG: ("lotse:law-kdg",),
    LegalRegime.SGB_X: ("eu-gdpr:GDPR", "lotse:law-sgb-x"),
}
METHODS: Mapping[ConsentForm, str] = {
    ConsentForm.PAPER: "signature on paper",
    ConsentForm.SIGNATURE_PAD: "signature on a pad",
    ConsentForm.ELECTRONIC_CLICK: "click",
    ConsentForm.ORAL_DOCUMENTED: "said aloud and documented",
}
CITY_OF_LAW = "loc:DE-RP"


class Subject(NamedTuple):
    """Under which references the reader of the records knows the person and each of the consents."""

    case_ref: str
    consent_refs: Mapping[Any, str]


def consent_records(
    consents: Sequence[tuple[Consent, Sequence[ConsentAct]]], subject: Subject, partners: Partners, now: datetime
) -> dict[str, Any]:
    """All of a person's consents with everything that happened to each, as one JSON-LD document."""
    records = [_record(consent, acts, subject, partners) for consent, acts in consents]
    return {"@context": CONTEXT, "dct:created": _time(now), "@graph": records}


def _record(consent: Consent, acts: Sequence[ConsentAct], subject: Subject, partners: Partners) -> dict[str, Any]:
    reference = subject.consent_refs[consent.consent_id]
    sender, recipient = (partners.partner(partner_of(unit)) for unit in _units(consent))
    laws = {law for unit in _units(consent) for law in LAWS[partners.unit(unit).regime]}
    return {
        "@id": f"lotse:{reference}",
        "@type": "dpv:ConsentRecord",
        "dct:identifier": reference,
        "dct:conformsTo": PROFILE,
        "dpv:hasDataSubject": {"@id": f"urn:lotse:case:{subject.case_ref}", "dct:identifier": subject.case_ref},
        "dpv:hasDataController": [_party(sender), _party(recipient)],
        "dpv:hasJurisdiction": CITY_OF_LAW,
        "dpv:hasApplicableLaw": sorted(laws),
        "dpv:hasAuthority": sorted({sender.complaint_authority, recipient.complaint_authority}),
        "dpv:hasLegalBasis": "dpv:ExplicitlyExpressedConsent",
        "dpv:hasProcess": _process(consent, partners),
        "dpv:hasNotice": _notice(consent),
        "dpv:hasConsentControl": {
            "@type": "dpv:WithdrawConsent",
            "dpv:isExercisedAt": "at any unit named here, at any time, or on the person's own page",
        },
        "dpv:hasRight": [{"@type": "dpv:DataSubjectRight", "@id": f"eu-gdpr:{right}"} for right in _RIGHTS],
        "dpv:hasConsentStatus": [_status(act) for act in acts],
    }


_RIGHTS = ("A7-3", "A15", "A16", "A17", "A18", "A20", "A77")


def _units(consent: Consent) -> tuple[UnitId, UnitId]:
    return consent.wanted.from_unit, consent.wanted.to_unit


def _party(file: PartnerFile) -> dict[str, Any]:
    return {
        "@id": f"urn:lotse:partner:{file.slug}",
        "@type": "dpv:LegalEntity",
        "dct:identifier": file.slug,
        "dpv:hasName": file.legal_name,
        "dpv:hasAddress": file.contact,
        "dpv:hasContact": file.contact,
    }


def _process(consent: Consent, partners: Partners) -> dict[str, Any]:
    wanted = consent.wanted
    return {
        "@type": "dpv:Process",
        "dpv:hasPurpose": {"@id": f"urn:lotse:purpose:{wanted.scope.value}", "skos:broader": "dpv:ServiceProvision"},
        "dpv:hasProcessing": "dpv:Transfer" if wanted.scope is Scope.TRANSFER else "dpv:Disclose",
        "dpv:hasPersonalData": [_category(each) for each in DataCategory if each in wanted.data_categories],
        "dpv:hasRecipient": {
            "@id": f"urn:lotse:unit:{wanted.to_unit}",
            "dpv:hasName": partners.unit(wanted.to_unit).name,
        },
        "dpv:hasStorageCondition": [
            {"@type": "dpv:StorageLocation", "dpv:hasLocation": "loc:DE"},
            {
                "@type": "dpv:StorageDuration",
                "dpv:hasDuration": {"@type": "dpv:UntilTimeDuration", "dct:valid": _time(wanted.valid_until)},
            },
        ],
    }


def _category(category: DataCategory) -> dict[str, Any]:
    kinds = ["dpv:PersonalData", "dpv:SpecialCategoryPersonalData"] if category in SPECIAL else ["dpv:PersonalData"]
    return {"@id": CATEGORIES[category], "@type": kinds, "dct:identifier": category.value}


def _notice(consent: Consent) -> dict[str, Any]:
    signature = consent.signature
    notice: dict[str, Any] = {
        "@type": "dpv:ConsentNotice",
        "dct:hasVersion": signature.notice.version,
        "dct:language": signature.notice.language,
    }
    if signature.notice.sha256:
        notice["@id"] = f"urn:sha256:{signature.notice.sha256}"
    if signature.interpreted:
        notice["lotse:interpretedBy"] = signature.interpreted.kind.value
        notice["lotse:interpretedInto"] = signature.interpreted.language
    return notice


def _status(act: ConsentAct) -> dict[str, Any]:
    status: dict[str, Any] = {
        "@type": STATES[act.state],
        "dpv:isIndicatedAtTime": _time(act.at),
        "dpv:isIndicatedBy": _indicated_by(act),
        "lotse:recordedBy": act.by,
        "dct:valid": _time(act.valid_until) if act.valid_until else None,
        "dpv:hasIndicationMethod": METHODS[act.signature.form] if act.signature and act.signature.form else act.channel,
        "lotse:reason": act.reason,
    }
    return {key: value for key, value in status.items() if value is not None}


def _indicated_by(act: ConsentAct) -> str | None:
    if act.signature is not None:
        return GIVERS[act.signature.given_by]
    return "dpv:DataSubject" if act.state is ConsentState.WITHDRAWN else act.by


def _time(moment: datetime) -> dict[str, str]:
    return {"@type": "xsd:dateTime", "@value": moment.isoformat()}
