"""The directory: offers and contacts of the partners' units, as full public state and as changes.

The states are declared once, here, and requests carry the same models. Names follow HSDS 3.1.
"""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.codes import Concern, ContactLevel, LanguageTag, OfferStatus, ServiceType
from schemas.envelope import DirectoryEvent
from schemas.hsds import Location, Schedule
from schemas.ids import ContactId, OfferId, UnitId
from schemas.texts import Email, LongText, Phone, ShortText, Url
from schemas.visibility import FieldChange, Party, Shared

Age = Annotated[int, Field(ge=0, le=120)]
"""In completed years."""


class PublicState(BaseModel):
    """What a partner publishes about one thing, complete."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def changes_to(self, new: Self) -> tuple[FieldChange, ...]:
        """Name the fields that differ in the newer state, with both values, in the order of declaration."""
        old_values, new_values = self.model_dump(mode="json"), new.model_dump(mode="json")
        return tuple(
            FieldChange(field=name, previous=old_values[name], new=value)
            for name, value in new_values.items()
            if value != old_values[name]
        )


class OfferState(PublicState):
    """An offer of help."""

    unit: Annotated[UnitId, Shared]
    name: Annotated[ShortText, Shared]
    service_type: Annotated[ServiceType, Shared]
    description: Annotated[LongText, Shared]
    eligibility_description: Annotated[LongText | None, Shared] = None
    languages: Annotated[tuple[LanguageTag, ...], Shared, Field(max_length=50)] = ()
    interpretation_services: Annotated[ShortText | None, Shared] = None
    schedule: Annotated[LongText | None, Shared] = None
    """The opening hours, as people read them."""
    address: Annotated[ShortText | None, Shared] = None
    phone: Annotated[Phone | None, Shared] = None
    email: Annotated[Email | None, Shared] = None
    """A function mailbox, not a person's."""
    url: Annotated[Url | None, Shared] = None
    status: Annotated[OfferStatus, Shared] = OfferStatus.ACTIVE
    needs: Annotated[tuple[Concern, ...], Shared, Field(max_length=30)] = ()
    """What it helps with, by the words in which people are asked what they need."""
    schedules: Annotated[tuple[Schedule, ...], Shared, Field(max_length=20)] = ()
    """The opening hours for programs; `schedule` says the same for people."""
    location: Annotated[Location | None, Shared] = None
    minimum_age: Annotated[Age | None, Shared] = None
    maximum_age: Annotated[Age | None, Shared] = None
    fees_description: Annotated[ShortText | None, Shared] = None
    required_documents: Annotated[tuple[ShortText, ...], Shared, Field(max_length=20)] = ()
    application_process: Annotated[LongText | None, Shared] = None

    @model_validator(mode="after")
    def _ages_are_in_order(self) -> Self:
        if self.minimum_age is not None and self.maximum_age is not None and self.maximum_age < self.minimum_age:
            raise ValueError("maximum_age must not be less than minimum_age")
        return self


class ContactState(PublicState):
    """Whom a unit names on one level: a function and its mailbox; personal names stay out of events."""

    unit: Annotated[UnitId, Shared]
    level: Annotated[ContactLevel, Shared]
    function: Annotated[ShortText, Shared]
    deputy_function: Annotated[ShortText | None, Shared] = None
    phone: Annotated[Phone | None, Shared] = None
    email: Annotated[Email | None, Shared] = None
    """A function mailbox, not a person's."""


class OfferEvent(DirectoryEvent, OfferState, abstract=True, key="offer_id"):
    """Something happened to one offer; the fields are its full state afterwards."""

    offer_id: Annotated[OfferId, Shared]


class ContactEvent(DirectoryEvent, ContactState, abstract=True, key="contact_id"):
    """Something happened to one contact; the fields are its full state afterwards."""

    contact_id: Annotated[ContactId, Shared]


class OfferPublished(OfferEvent, type="lotse.offer.published.v1", audience={Party.OTHERS}):
    """A unit made an offer known."""


class OfferChanged(OfferEvent, type="lotse.offer.changed.v1", audience={Party.OTHERS}):
    """A unit changed an offer."""

    changes: Annotated[tuple[FieldChange, ...], Shared]


class OfferWithdrawn(OfferEvent, type="lotse.offer.withdrawn.v1", audience={Party.OTHERS}):
    """A unit no longer makes an offer; the fields are its last state."""


class ContactPublished(ContactEvent, type="lotse.contact.published.v1", audience={Party.OTHERS}):
    """A unit named a contact."""


class ContactChanged(ContactEvent, type="lotse.contact.changed.v1", audience={Party.OTHERS}):
    """A unit changed a contact."""

    changes: Annotated[tuple[FieldChange, ...], Shared]


class ContactWithdrawn(ContactEvent, type="lotse.contact.withdrawn.v1", audience={Party.OTHERS}):
    """A contact is no longer to be used; the fields are its last state."""
