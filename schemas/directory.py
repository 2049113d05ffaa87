"""The directory: what the partners' units publish of themselves, as full public state and as changes.

Offers, contacts, information material and change notices. The states are declared once, here, and requests carry the
same models. Names follow HSDS 3.1.
"""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from schemas.calendar import Day
from schemas.codes import Code, Concern, ContactLevel, LanguageTag, OfferStatus, PartnerRole, ServiceType
from schemas.envelope import DirectoryEvent
from schemas.hsds import Location, Schedule
from schemas.ids import ContactId, MaterialId, NoticeId, OfferId, PartnerSlug, UnitId, partner_of
from schemas.texts import Email, FileName, LongText, Phone, ShortText, Url
from schemas.visibility import FieldChange, Party, Shared

Age = Annotated[int, Field(ge=0, le=120)]
"""In completed years."""


class Capacity(Code, grows=True, unknown="additional-assessment-required"):
    """Whether an offer has places now."""

    CAPACITY = "capacity"
    WAITLIST = "waitlist"
    NO_CAPACITY = "no-capacity"
    ADDITIONAL_ASSESSMENT_REQUIRED = "additional-assessment-required"
    """Only the unit can say, person by person."""


class AnnouncedAct(Code, grows=False):
    """What is to happen to an entry of the directory on a day to come."""

    PUBLISH = "publish"
    CHANGE = "change"
    WITHDRAW = "withdraw"


class NoticeCategory(Code, grows=True, unknown="other"):
    """What a change notice is about."""

    CLOSED = "closed"
    MOVED = "moved"
    OPENING_HOURS = "opening-hours"
    CONTACT = "contact"
    CAPACITY = "capacity"
    OFFER = "offer"
    STAFF = "staff"
    """Posts and functions of the unit, never who holds them."""
    LEGAL = "legal"
    OTHER = "other"


class PublicState(BaseModel):
    """What a unit publishes about one thing, complete."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: Annotated[UnitId, Shared]

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


class CapacityState(PublicState):
    """Whether an offer of the unit has places now; it changes more often than the offer and is told by itself."""

    capacity: Annotated[Capacity | None, Shared] = None
    """None: the unit says nothing about it."""
    expected_from: Annotated[Day | None, Shared] = None
    """The day from which there should be places again."""


class ContactState(PublicState):
    """Whom a unit names on one level: a function and its mailbox; personal names stay out of events."""

    level: Annotated[ContactLevel, Shared]
    function: Annotated[ShortText, Shared]
    deputy_function: Annotated[ShortText | None, Shared] = None
    phone: Annotated[Phone | None, Shared] = None
    email: Annotated[Email | None, Shared] = None
    """A function mailbox, not a person's."""


class MaterialState(PublicState):
    """Information material that a unit hands out: leaflets, posters, pages."""

    title: Annotated[ShortText, Shared]
    description: Annotated[LongText | None, Shared] = None
    languages: Annotated[tuple[LanguageTag, ...], Shared, Field(min_length=1, max_length=50)]
    edition: Annotated[ShortText, Shared]
    """Which state of it this is, as its publisher says, such as `2026-03` or `4th`."""
    url: Annotated[Url | None, Shared] = None
    file_name: Annotated[FileName | None, Shared] = None
    """The name under which the unit sends the file to whoever asks for it; Lotse keeps no files."""
    quantity_on_hand: Annotated[int | None, Shared, Field(strict=True, ge=0, le=1_000_000)] = None
    """Printed pieces that are there to be fetched."""


class ChangeNoticeState(PublicState):
    """A relevant change beside the other entries, such as a move; its text is about the unit, never about a person."""

    category: Annotated[NoticeCategory, Shared]
    text: Annotated[LongText, Shared]
    valid_from: Annotated[Day, Shared]
    valid_until: Annotated[Day | None, Shared] = None
    """The last day on which it holds; None: until further notice."""
    for_roles: Annotated[tuple[PartnerRole, ...], Shared, Field(max_length=len(PartnerRole))] = ()
    """Whom it concerns, by their part in the agreement; all partners are told, and nobody named means all."""


class Announcement(BaseModel):
    """What is to happen to an entry of the directory from the beginning of a day in Koblenz."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    act: Annotated[AnnouncedAct, Shared]
    effective_on: Annotated[Day, Shared]
    changes: Annotated[tuple[FieldChange, ...], Shared]
    """Of a change, what will differ from the state as it stands now."""


class Assurance(BaseModel):
    """When a unit last said that an entry is right, and by when it should say so again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    assured_on: Annotated[Day, Shared]
    due_on: Annotated[Day, Shared]


class Reminder(DirectoryEvent, PublicState, abstract=True):
    """Something that only the partner is told whose unit published the entry."""

    def parties(self) -> Mapping[Party, PartnerSlug]:
        """The owner."""
        return {Party.OWNER: partner_of(self.unit)}


class OfferEvent(DirectoryEvent, OfferState, abstract=True, key="offer_id"):
    """Something happened to one offer; the fields are its full state afterwards."""

    offer_id: Annotated[OfferId, Shared]


class ContactEvent(DirectoryEvent, ContactState, abstract=True, key="contact_id"):
    """Something happened to one contact; the fields are its full state afterwards."""

    contact_id: Annotated[ContactId, Shared]


class MaterialEvent(DirectoryEvent, MaterialState, abstract=True, key="material_id"):
    """Something happened to one piece of information material; the fields are its full state afterwards."""

    material_id: Annotated[MaterialId, Shared]


class ChangeNoticeEvent(DirectoryEvent, ChangeNoticeState, abstract=True, key="notice_id"):
    """Something happened to one change notice; the fields are its full state afterwards."""

    notice_id: Annotated[NoticeId, Shared]


class OfferPublished(OfferEvent, type="lotse.offer.published.v1", audience={Party.OTHERS}):
    """A unit made an offer known."""


class OfferChanged(OfferEvent, type="lotse.offer.changed.v1", audience={Party.OTHERS}):
    """A unit changed an offer."""

    changes: Annotated[tuple[FieldChange, ...], Shared]


class OfferWithdrawn(OfferEvent, type="lotse.offer.withdrawn.v1", audience={Party.OTHERS}):
    """A unit no longer makes an offer; the fields are its last state."""


class OfferCapacityChanged(
    DirectoryEvent, CapacityState, key="offer_id", type="lotse.offer.capacity_changed.v1", audience={Party.OTHERS}
):
    """A unit said whether an offer has places; the offer itself is as it was."""

    offer_id: Annotated[OfferId, Shared]
    changes: Annotated[tuple[FieldChange, ...], Shared]


class ContactPublished(ContactEvent, type="lotse.contact.published.v1", audience={Party.OTHERS}):
    """A unit named a contact."""


class ContactChanged(ContactEvent, type="lotse.contact.changed.v1", audience={Party.OTHERS}):
    """A unit changed a contact."""

    changes: Annotated[tuple[FieldChange, ...], Shared]


class ContactWithdrawn(ContactEvent, type="lotse.contact.withdrawn.v1", audience={Party.OTHERS}):
    """A contact is no longer to be used; the fields are its last state."""


class MaterialPublished(MaterialEvent, type="lotse.material.published.v1", audience={Party.OTHERS}):
    """A unit made information material known."""


class MaterialChanged(MaterialEvent, type="lotse.material.changed.v1", audience={Party.OTHERS}):
    """A unit changed information material, or how much of it there is."""

    changes: Annotated[tuple[FieldChange, ...], Shared]


class MaterialWithdrawn(MaterialEvent, type="lotse.material.withdrawn.v1", audience={Party.OTHERS}):
    """Information material is no longer handed out; the fields are its last state."""


class ChangeNoticePublished(ChangeNoticeEvent, type="lotse.notice.published.v1", audience={Party.OTHERS}):
    """A unit gave notice of a relevant change."""


class ChangeNoticeChanged(ChangeNoticeEvent, type="lotse.notice.changed.v1", audience={Party.OTHERS}):
    """A unit put a notice right."""

    changes: Annotated[tuple[FieldChange, ...], Shared]


class ChangeNoticeWithdrawn(ChangeNoticeEvent, type="lotse.notice.withdrawn.v1", audience={Party.OTHERS}):
    """A notice does not hold any more; the fields are its last state."""


class OfferAnnounced(OfferEvent, Announcement, type="lotse.offer.announced.v1", audience={Party.OTHERS}):
    """What a unit will do with an offer on a day to come, instead of what it announced before."""


class OfferAnnouncementRetracted(
    OfferEvent, Announcement, type="lotse.offer.announcement_retracted.v1", audience={Party.OTHERS}
):
    """What was announced of an offer will not happen."""


class ContactAnnounced(ContactEvent, Announcement, type="lotse.contact.announced.v1", audience={Party.OTHERS}):
    """What a unit will do with a contact on a day to come, instead of what it announced before."""


class ContactAnnouncementRetracted(
    ContactEvent, Announcement, type="lotse.contact.announcement_retracted.v1", audience={Party.OTHERS}
):
    """What was announced of a contact will not happen."""


class MaterialAnnounced(MaterialEvent, Announcement, type="lotse.material.announced.v1", audience={Party.OTHERS}):
    """What a unit will do with information material on a day to come, instead of what it announced before."""


class MaterialAnnouncementRetracted(
    MaterialEvent, Announcement, type="lotse.material.announcement_retracted.v1", audience={Party.OTHERS}
):
    """What was announced of information material will not happen."""


class ChangeNoticeAnnounced(ChangeNoticeEvent, Announcement, type="lotse.notice.announced.v1", audience={Party.OTHERS}):
    """What a unit will do with a change notice on a day to come, instead of what it announced before."""


class ChangeNoticeAnnouncementRetracted(
    ChangeNoticeEvent, Announcement, type="lotse.notice.announcement_retracted.v1", audience={Party.OTHERS}
):
    """What was announced of a change notice will not happen."""


class OfferAssured(OfferEvent, Assurance, type="lotse.offer.assured.v1", audience={Party.OTHERS}):
    """A unit said that an offer is still right as it stands."""


class OfferAssuranceDue(Reminder, OfferEvent, Assurance, type="lotse.offer.assurance_due.v1", audience={Party.OWNER}):
    """A unit should look whether an offer is still right, and say so or change it."""


class ContactAssured(ContactEvent, Assurance, type="lotse.contact.assured.v1", audience={Party.OTHERS}):
    """A unit said that a contact is still right as it stands."""


class ContactAssuranceDue(
    Reminder, ContactEvent, Assurance, type="lotse.contact.assurance_due.v1", audience={Party.OWNER}
):
    """A unit should look whether a contact is still right, and say so or change it."""
