"""The directory in the words of HSDS 3.1 (Open Referral): partners are organizations, units programs, offers services.

Ids that Lotse does not have, such as those of a telephone number, follow from what they stand for, so that a reader
meets the same id again. Fields without a value are left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from schemas import ContactState, OfferState, UnitId, partner_of
from schemas.codes import Code, OfferStatus
from schemas.directory import Capacity
from schemas.german import ACCESSIBILITY, CAPACITIES, NEEDS, SERVICE_TYPES
from schemas.hsds import Location, Schedule
from schemas.partner_file import PartnerFile, Partners
from services.referral.model.directory import WITHOUT_PLACES, Entry

VERSION = "3.1"
STATE_PROVINCE, COUNTRY = "RP", "DE"
_NAMESPACE = UUID("6f2c7f0e-6d0b-5a3e-9a0e-6a4c1f0d9b57")

Json = dict[str, Any]


class Taxonomy(StrEnum):
    """The lists whose words offers are found by."""

    NEEDS = "needs"
    SERVICE_TYPES = "service-types"
    ACCESSIBILITY = "accessibility"
    CAPACITY = "capacity"


class Term(NamedTuple):
    """A word of a list."""

    taxonomy: Taxonomy
    code: Code
    name: str

    @property
    def id(self) -> UUID:
        """Follows from the word."""
        return made_id("taxonomy_term", self.taxonomy, self.code)


_TAXONOMIES: Mapping[Taxonomy, tuple[str, Mapping[Any, str]]] = {
    Taxonomy.NEEDS: ("Was Menschen brauchen", NEEDS),
    Taxonomy.SERVICE_TYPES: ("Art des Dienstes", SERVICE_TYPES),
    Taxonomy.ACCESSIBILITY: ("Zugänglichkeit", ACCESSIBILITY),
    Taxonomy.CAPACITY: ("Freie Plätze", CAPACITIES),
}


def made_id(*parts: object) -> UUID:
    """The id of something that has none of its own."""
    return uuid5(_NAMESPACE, "/".join(map(str, parts)))


def taxonomy_id(taxonomy: Taxonomy) -> UUID:
    """Follows from its name."""
    return made_id("taxonomy", taxonomy)


def organization_id(partner: str) -> UUID:
    """Follows from the partner's slug."""
    return made_id("organization", partner)


def _terms() -> Iterator[Term]:
    for taxonomy, (_, words) in _TAXONOMIES.items():
        yield from (Term(taxonomy, code, name) for code, name in words.items())


TERMS: Mapping[UUID, Term] = {term.id: term for term in _terms()}


def taxonomies() -> list[Json]:
    """The lists, with their German names."""
    return [
        {"id": str(taxonomy_id(each)), "name": name, "description": f"{name}: Wörterliste „{each}“ von Lotse"}
        for each, (name, _) in _TAXONOMIES.items()
    ]


def taxonomy_term(term: Term) -> Json:
    """One word."""
    return {
        "id": str(term.id),
        "code": term.code.value,
        "name": term.name,
        "description": term.name,
        "taxonomy": term.taxonomy.value,
        "taxonomy_id": str(taxonomy_id(term.taxonomy)),
        "language": "de",
    }


def organization(file: PartnerFile, *, full: bool) -> Json:
    """A partner."""
    own = organization_id(file.slug)
    said: Json = {"id": str(own), "name": file.legal_name, "description": file.controller}
    if full:
        said["programs"] = [_program(own, unit_id, unit.name) for unit_id, unit in file.by_id.items()]
    return said


def service(
    offer: Entry[OfferState], partners: Partners, *, full: bool, contacts: Sequence[Entry[ContactState]] = ()
) -> Json:
    """An offer; a withdrawn one is defunct. full: with all that HSDS nests."""
    said, partner = offer.state, partner_of(offer.unit)
    shown: Json = {
        "id": str(offer.id),
        "organization_id": str(organization_id(partner)),
        "program_id": str(made_id("program", offer.unit)),
        "name": said.name,
        "description": said.description,
        "url": said.url,
        "email": said.email,
        "status": OfferStatus.DEFUNCT.value if offer.withdrawn_at else said.status.value,
        "interpretation_services": said.interpretation_services,
        "application_process": said.application_process,
        "fees_description": said.fees_description,
        "eligibility_description": said.eligibility_description,
        "minimum_age": said.minimum_age,
        "maximum_age": said.maximum_age,
        "alert": _alert(offer),
        "assured_date": offer.assured_on.isoformat(),
        "last_modified": offer.changed_at.isoformat(),
    }
    if full:
        shown |= _nested(offer, partners, contacts)
    return _without_gaps(shown)


def minimal(offer: Entry[OfferState]) -> Json:
    """What a reader asks for to learn what has changed."""
    return {"id": str(offer.id), "modified_date": offer.changed_at.isoformat()}


def service_at_location(offer: Entry[OfferState], partners: Partners, *, full: bool) -> Json | None:
    """Where an offer is; None where it says no place. It is at one place at most, whose id is the offer's."""
    place = offer.state.location
    if place is None:
        return None
    location_id = made_id("location", place.address_1, place.postal_code, place.city, place.name)
    shown: Json = {
        "id": str(offer.id),
        "service_id": str(offer.id),
        "location_id": str(location_id),
        "description": place.name,
    }
    if full:
        shown |= {"location": _location(location_id, place), "schedules": _schedules(offer)}
        shown["service"] = service(offer, partners, full=False)
    return _without_gaps(shown)


def _nested(offer: Entry[OfferState], partners: Partners, contacts: Sequence[Entry[ContactState]]) -> Json:
    said, partner = offer.state, partner_of(offer.unit)
    known, unit = partner in partners.slugs, partners.units.get(offer.unit)
    place = service_at_location(offer, partners, full=False)
    if place is not None and said.location is not None:
        place["location"] = _location(UUID(place["location_id"]), said.location)
    documents = enumerate(said.required_documents)
    return {
        "organization": organization(partners.partner(partner), full=False) if known else None,
        "program": _program(organization_id(partner), offer.unit, unit.name) if unit else None,
        "phones": _phones(offer.id, said.phone),
        "languages": [{"id": str(made_id(offer.id, "language", each)), "code": each} for each in said.languages],
        "schedules": _schedules(offer),
        "service_at_locations": [place] if place else [],
        "contacts": [_contact(each) for each in contacts],
        "capacities": list(_capacities(offer)),
        "required_documents": [
            {"id": str(made_id(offer.id, "document", number)), "document": each} for number, each in documents
        ],
        "attributes": list(_attributes(offer)),
    }


def _program(organization: UUID, unit: UnitId, name: str) -> Json:
    own = str(made_id("program", unit))
    return {"id": own, "organization_id": str(organization), "name": name, "description": name}


def _phones(of: UUID, number: str | None) -> list[Json]:
    return [{"id": str(made_id(of, "phone", number)), "number": number}] if number else []


def _schedules(offer: Entry[OfferState]) -> list[Json]:
    """The hours for programs; where there are none, what people read."""
    said = offer.state
    rules = [_schedule(made_id(offer.id, "schedule", number), each) for number, each in enumerate(said.schedules)]
    if said.schedule:
        rules.append({"id": str(made_id(offer.id, "schedule")), "description": said.schedule})
    return [_without_gaps(each) for each in rules]


def _schedule(own: UUID, rule: Schedule) -> Json:
    said = rule.model_dump(mode="json")
    return {"id": str(own), **said, "dtstart": said["valid_from"], "until": said["valid_to"], "wkst": "MO"}


def _location(own: UUID, place: Location) -> Json:
    address = {
        "id": str(made_id(own, "address")),
        "address_1": place.address_1,
        "city": place.city,
        "postal_code": place.postal_code,
        "state_province": STATE_PROVINCE,
        "country": COUNTRY,
        "address_type": "physical",
    }
    shown: Json = {
        "id": str(own),
        "location_type": "physical",
        "name": place.name,
        "transportation": place.transportation,
        "addresses": [address],
        "accessibility": [
            {"id": str(made_id(own, "accessibility", each)), "description": ACCESSIBILITY[each]}
            for each in place.accessibility
        ],
    }
    return _without_gaps(shown)


def _contact(contact: Entry[ContactState]) -> Json:
    """A function: no name is published."""
    said = contact.state
    shown: Json = {"id": str(contact.id), "title": said.function, "email": said.email}
    return _without_gaps(shown | {"phones": _phones(contact.id, said.phone)})


def _alert(offer: Entry[OfferState]) -> str | None:
    """That there are no places, or not without more ado; None where there are, or where the unit has not said."""
    said = offer.capacity
    if said is None or said.capacity in (None, Capacity.CAPACITY):
        return None
    word = CAPACITIES[said.capacity]
    return word if said.expected_from is None else f"{word}; wieder ab {said.expected_from:%d.%m.%Y}"


def _capacities(offer: Entry[OfferState]) -> Iterator[Json]:
    """HSDS counts places. Units say whether there are any, so that only none is a number."""
    said = offer.capacity
    if said is not None and said.capacity in WITHOUT_PLACES:
        yield {
            "id": str(made_id(offer.id, "capacity")),
            "unit": {"id": str(made_id("unit", "places")), "name": "Plätze"},
            "available": 0,
            "description": CAPACITIES[said.capacity],
            "updated": offer.changed_at.isoformat(),
        }


def _attributes(offer: Entry[OfferState]) -> Iterator[Json]:
    said = offer.state
    words = [(Taxonomy.SERVICE_TYPES, said.service_type), *((Taxonomy.NEEDS, each) for each in said.needs)]
    words += [(Taxonomy.ACCESSIBILITY, each) for each in (said.location.accessibility if said.location else ())]
    if offer.capacity is not None and offer.capacity.capacity is not None:
        words.append((Taxonomy.CAPACITY, offer.capacity.capacity))
    for taxonomy, code in words:
        term = TERMS[made_id("taxonomy_term", taxonomy, code)]
        yield {
            "id": str(made_id(offer.id, "attribute", taxonomy, code)),
            "link_id": str(offer.id),
            "link_entity": "service",
            "taxonomy_term_id": str(term.id),
            "taxonomy_term": taxonomy_term(term),
        }


def _without_gaps(said: Json) -> Json:
    return {name: value for name, value in said.items() if value is not None and value != []}
