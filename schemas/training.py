"""Trainings: what the partners' staff need to learn, what units offer for it, and how many register and attend.

People are counted, never named. The states are declared once, here, and requests carry the same models.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from schemas.calendar import Day
from schemas.codes import LanguageTag, TrainingTopic
from schemas.directory import PublicState
from schemas.envelope import DirectoryEvent
from schemas.ids import PartnerSlug, TrainingId, TrainingNeedId, UnitId
from schemas.texts import LongText, ShortText, Url
from schemas.times import Instant
from schemas.visibility import FieldChange, Party, Shared

Headcount = Annotated[StrictInt, Field(ge=1, le=1000)]
"""A number of people."""


class TrainingNeedState(PublicState):
    """What a unit's staff need to learn."""

    training_topic: Annotated[TrainingTopic, Shared]
    description: Annotated[ShortText, Shared]
    functions: Annotated[tuple[ShortText, ...], Shared, Field(min_length=1, max_length=20)]
    """Whose work needs it: functions, not people."""
    people: Annotated[Headcount, Shared]


class TrainingSession(BaseModel):
    """When people meet, once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    starts_at: Instant
    ends_at: Instant


class TrainingState(PublicState):
    """A training that a unit offers to the staff of all partners."""

    title: Annotated[ShortText, Shared]
    training_topic: Annotated[TrainingTopic, Shared]
    description: Annotated[LongText, Shared]
    needs: Annotated[tuple[TrainingNeedId, ...], Shared, Field(min_length=1, max_length=20)]
    """The needs that it answers, of whichever partners."""
    sessions: Annotated[tuple[TrainingSession, ...], Shared, Field(min_length=1, max_length=50)]
    """One after the other."""
    place: Annotated[ShortText | None, Shared] = None
    url: Annotated[Url | None, Shared] = None
    """Where people take part online. Either this or a place is given, or both."""
    languages: Annotated[tuple[LanguageTag, ...], Shared, Field(max_length=50)] = ()
    seats: Annotated[Headcount, Shared]
    registration_until: Annotated[Day, Shared]
    """The last day, in Koblenz, on which units register; at the latest that of the first session, until it begins."""


class UnitRegistered(BaseModel):
    """How many people of a unit are registered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: UnitId
    people: Headcount


class PartnerAttended(BaseModel):
    """How many people of a partner were there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    partner: PartnerSlug
    people: Headcount


class TrainingNeedEvent(DirectoryEvent, TrainingNeedState, abstract=True, key="training_need_id"):
    """Something happened to one need; the fields are its full state afterwards."""

    training_need_id: Annotated[TrainingNeedId, Shared]


class TrainingNeedStated(TrainingNeedEvent, type="lotse.training_need.stated.v1", audience={Party.OTHERS}):
    """A unit said what its staff need to learn."""


class TrainingNeedChanged(TrainingNeedEvent, type="lotse.training_need.changed.v1", audience={Party.OTHERS}):
    """A unit changed a need."""

    changes: Annotated[tuple[FieldChange, ...], Shared]


class TrainingNeedClosed(TrainingNeedEvent, type="lotse.training_need.closed.v1", audience={Party.OTHERS}):
    """A need is answered or gone; the fields are its last state."""


class TrainingEvent(DirectoryEvent, TrainingState, abstract=True, key="training_id"):
    """A training was put up, changed or called off; the fields are its full state afterwards."""

    training_id: Annotated[TrainingId, Shared]


class TrainingOffered(TrainingEvent, type="lotse.training.offered.v1", audience={Party.OTHERS}):
    """A unit offers a training."""


class TrainingChanged(TrainingEvent, type="lotse.training.changed.v1", audience={Party.OTHERS}):
    """A unit changed a training."""

    changes: Annotated[tuple[FieldChange, ...], Shared]


class TrainingCancelled(TrainingEvent, type="lotse.training.cancelled.v1", audience={Party.OTHERS}):
    """A training does not take place; the fields are its last state."""


class TrainingCountEvent(DirectoryEvent, abstract=True, key="training_id"):
    """People were counted for a training of this unit."""

    training_id: Annotated[TrainingId, Shared]
    unit: Annotated[UnitId, Shared]


class TrainingRegistrationsChanged(
    TrainingCountEvent, type="lotse.training.registrations_changed.v1", audience={Party.OTHERS}
):
    """A unit registered people, or took some back; here are all units that have registered some."""

    seats: Annotated[Headcount, Shared]
    registrations: Annotated[tuple[UnitRegistered, ...], Shared]


class TrainingAttended(TrainingCountEvent, type="lotse.training.attended.v1", audience={Party.OTHERS}):
    """The offering unit counted who was there; a later event of the same training corrects it."""

    needs: Annotated[tuple[TrainingNeedId, ...], Shared]
    ended_at: Annotated[Instant, Shared]
    """When the last session ended."""
    attendance: Annotated[tuple[PartnerAttended, ...], Shared]
    """By partner; empty: nobody came, or it was entered in error."""
