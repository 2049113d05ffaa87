"""Offers read from a package of HSDS 3.1 services, strictly: what Lotse does not keep of it is named."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from schemas import OfferState, UnitId
from schemas.calendar import Day
from schemas.codes import Code, Frequency, LanguageTag, OfferStatus, ServiceType
from schemas.directory import Age
from schemas.hsds import ByDay, Clock, Location, PostalCode, Schedule
from schemas.texts import Email, LongText, Phone, ShortText, Url
from services.referral.model.directory import Fault
from services.referral.model.hsds import TERMS, Taxonomy

MOST_SERVICES = 100


class _Said(BaseModel):
    """One object of the package: fields that Lotse does not read are kept apart to be named."""

    model_config = ConfigDict(extra="allow", frozen=True)


class SaidPhone(_Said):
    """A telephone number."""

    number: Phone


class SaidLanguage(_Said):
    """A language in which advice is given."""

    code: LanguageTag


class SaidDocument(_Said):
    """Something to bring along."""

    document: ShortText


class SaidAddress(_Said):
    """Where a place is."""

    address_1: ShortText
    city: ShortText
    postal_code: PostalCode


class SaidLocation(_Said):
    """A place with its address."""

    name: ShortText | None = None
    transportation: ShortText | None = None
    addresses: Annotated[tuple[SaidAddress, ...], Field(min_length=1)]


class SaidPlace(_Said):
    """An offer at a place."""

    location: SaidLocation


class SaidAttribute(_Said):
    """A word of a list."""

    taxonomy_term_id: UUID | None = None


class SaidSchedule(_Said):
    """Hours by a rule, or, with a description alone, as people read them."""

    freq: Frequency | None = None
    byday: ByDay | None = None
    opens_at: Clock | None = None
    closes_at: Clock | None = None
    interval: int = 1
    valid_from: Day | None = None
    valid_to: Day | None = None
    description: LongText | None = None

    @property
    def text(self) -> str | None:
        """The hours as people read them, where there is no rule."""
        return self.description if self.freq is None else None

    @property
    def rule(self) -> Schedule | None:
        """The hours by a rule."""
        if self.freq is None:
            return None
        return Schedule.model_validate({name: getattr(self, name) for name in Schedule.model_fields})

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.freq is None and self.description is None:
            raise ValueError("say freq, byday, opens_at and closes_at, or a description")
        try:
            _ = self.rule
        except ValidationError as error:
            raise ValueError(_fault_of(error).sentence) from None
        return self


class SaidService(_Said):
    """An offer. Of several telephone numbers or places, the first is read."""

    id: UUID
    program_id: UUID | None = None
    name: ShortText
    description: LongText
    url: Url | None = None
    email: Email | None = None
    status: OfferStatus
    interpretation_services: ShortText | None = None
    application_process: LongText | None = None
    fees_description: ShortText | None = None
    eligibility_description: LongText | None = None
    minimum_age: Age | None = None
    maximum_age: Age | None = None
    phones: tuple[SaidPhone, ...] = ()
    languages: tuple[SaidLanguage, ...] = ()
    schedules: tuple[SaidSchedule, ...] = ()
    service_at_locations: tuple[SaidPlace, ...] = ()
    required_documents: tuple[SaidDocument, ...] = ()
    attributes: tuple[SaidAttribute, ...] = ()

    def words(self, taxonomy: Taxonomy) -> tuple[Code, ...]:
        """The words of one of Lotse's lists."""
        ids = [each.taxonomy_term_id for each in self.attributes if each.taxonomy_term_id is not None]
        terms = [TERMS[each] for each in ids if each in TERMS]
        return tuple(dict.fromkeys(term.code for term in terms if term.taxonomy is taxonomy))


class Package(_Said):
    """What `GET /hsds/package` gives, and what programs for HSDS 3 write."""

    version: Annotated[str, Field(pattern=r"^3\.[0-9]+$")]
    services: Annotated[tuple[SaidService, ...], Field(max_length=MOST_SERVICES)]

    @property
    def not_taken(self) -> list[str]:
        """Which fields stand in it that Lotse does not keep, in the order of the alphabet; places in lists left out."""
        beside = [name for name in self.model_extra or {} if name not in _ABOUT]
        return sorted({*beside, *("services." + name for each in self.services for name in _not_taken_of(each))})


def state_of(
    said: SaidService, unit: UnitId, known: OfferState | None, service_type: ServiceType | None
) -> OfferState | Fault:
    """What a unit's offer is by the package; what HSDS has no word for stays as it is known."""
    types = said.words(Taxonomy.SERVICE_TYPES)
    chosen = types[0] if types else (known.service_type if known else service_type)
    if chosen is None:
        return Fault("attributes", "Name the kind of service by a term of its list, or send service_type for all.")
    place, accessibility = _place_of(said), said.words(Taxonomy.ACCESSIBILITY)
    if accessibility and place is None:
        return Fault("service_at_locations", "Accessibility is that of a place: name the place too.")
    texts = [each.text for each in said.schedules if each.text is not None]
    state: Mapping[str, Any] = {
        "unit": unit,
        "service_type": chosen,
        **{name: getattr(said, name) for name in _SAME},
        "languages": [each.code for each in said.languages],
        "schedule": "\n".join(texts) or None,
        "schedules": [each.rule for each in said.schedules if each.rule is not None],
        "address": known.address if known else None,
        "phone": said.phones[0].number if said.phones else None,
        "needs": said.words(Taxonomy.NEEDS),
        "location": place and place.model_copy(update={"accessibility": accessibility}),
        "required_documents": [each.document for each in said.required_documents],
    }
    try:
        return OfferState.model_validate(state)
    except ValidationError as error:
        return _fault_of(error)


def _fault_of(error: ValidationError) -> Fault:
    first = error.errors()[0]
    field = ".".join(map(str, first["loc"]))
    return Fault(field, f"{field}: {first['msg']}.")


_SAME = (
    "name",
    "description",
    "url",
    "email",
    "status",
    "interpretation_services",
    "application_process",
    "fees_description",
    "eligibility_description",
    "minimum_age",
    "maximum_age",
)
_ONE_OF: Mapping[type[_Said], Sequence[str]] = {
    SaidService: ("phones", "service_at_locations"),
    SaidLocation: ("addresses",),
}
_ABOUT = frozenset({"profile", "openapi_url"})
"""Say what the package is, and nothing of the offers."""
_DERIVED = frozenset({"link_id", "link_entity", "dtstart", "until", "wkst", "id"})
"""Follow from the rest: nothing is lost without them."""


def _place_of(said: SaidService) -> Location | None:
    if not said.service_at_locations:
        return None
    location = said.service_at_locations[0].location
    address = location.addresses[0]
    return Location(
        address_1=address.address_1,
        postal_code=address.postal_code,
        city=address.city,
        name=location.name,
        transportation=location.transportation,
    )


def _not_taken_of(said: _Said) -> Iterator[str]:
    yield from (name for name in said.model_extra or {} if name not in _DERIVED)
    for name in type(said).model_fields:
        value = getattr(said, name)
        parts = value if isinstance(value, tuple) else (value,)
        if name in _ONE_OF.get(type(said), ()) and len(parts) > 1:
            yield f"{name}: all but the first"
        yield from (f"{name}.{more}" for part in parts if isinstance(part, _Said) for more in _not_taken_of(part))
    if isinstance(said, SaidAttribute) and said.taxonomy_term_id not in TERMS:
        yield "taxonomy_term_id: of other lists"
