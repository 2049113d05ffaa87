"""The agreement as a file: who owes what to whom, what counts as done, and how it is counted from events."""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from schemas.codes import ContactLevel, PartnerRole
from schemas.envelope import EVENTS
from schemas.partner_file import Name, Slug
from schemas.toml_file import FileError, FileModel, read_toml

ClauseId = Annotated[str, StringConstraints(pattern=r"^K[1-9][0-9]?$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]

_TEXT_RULE = "a text of 1 to 500 characters"
_TYPES_RULE = 'a list of event types, for instance ["lotse.offer.published.v1"]'
_ROLE_RULE = f"one of {', '.join(PartnerRole.writable())}"
_REASON_RULE = f"{_TEXT_RULE}, in German, for the report"
_COUNTS_RULE = "a table of the kind sum-information, events, events-told, trainings-attended, not-measured or not-yet"


class AgreementFileError(FileError):
    """The agreement's file is wrong."""


def _is_event_type(event_type: str) -> str:
    if event_type not in EVENTS:
        raise ValueError(f'there is no event of the type "{event_type}"')
    return event_type


EventTypes = Annotated[tuple[Annotated[str, AfterValidator(_is_event_type)], ...], Field(min_length=1)]


class SumInformation(FileModel):
    """Counted: the people told, summed over `lotse.information.counted` of the units with the role `by`."""

    kind: Literal["sum-information"]
    by: PartnerRole = Field(description=_ROLE_RULE)


class Events(FileModel):
    """Counted: each event of these types.

    `sent_by`, `sent_to`: only those whose sender, or whose recipient, is a partner with that role.
    """

    kind: Literal["events"]
    types: EventTypes = Field(description=_TYPES_RULE)
    sent_by: PartnerRole | None = Field(default=None, description=_ROLE_RULE)
    sent_to: PartnerRole | None = Field(default=None, description=_ROLE_RULE)


class EventsTold(FileModel):
    """Counted: each time such an event was numbered for a partner's stream.

    `by`: only events a partner with that role caused; `to`: only streams of partners with that role;
    `level`: only contacts of that level.
    """

    kind: Literal["events-told"]
    types: EventTypes = Field(description=_TYPES_RULE)
    by: PartnerRole | None = Field(default=None, description=_ROLE_RULE)
    to: PartnerRole | None = Field(default=None, description=_ROLE_RULE)
    level: ContactLevel | None = Field(default=None, description=f"one of {', '.join(ContactLevel.writable())}")


class TrainingsAttended(FileModel):
    """Counted: each training that somebody attended, in the year in which it ended; each answers a need."""

    kind: Literal["trainings-attended"]


class NotMeasured(FileModel):
    """Never counted, on purpose; the reason is shown."""

    kind: Literal["not-measured"]
    reason: Text = Field(description=_REASON_RULE)


class NotYet(FileModel):
    """Not counted so far; the reason is shown."""

    kind: Literal["not-yet"]
    reason: Text = Field(description=_REASON_RULE)


Counts = SumInformation | Events | EventsTold | TrainingsAttended | NotMeasured | NotYet


class Clause(FileModel):
    """One duty of the agreement; the texts are German, as people read them."""

    id: ClauseId = Field(description='"K" and a number, for instance "K1"')
    from_: Text = Field(alias="from", description=f"{_TEXT_RULE}: who owes the duty")
    to: Text | None = Field(default=None, description=f"{_TEXT_RULE}: to whom it is owed")
    duty: Text = Field(description=_TEXT_RULE)
    counts_as_done: Text = Field(description=_TEXT_RULE)
    counts: Counts = Field(discriminator="kind", description=_COUNTS_RULE)
    due: Literal["yearly"] | None = Field(
        default=None, description='"yearly", or left out without a date in the source'
    )


class Recall(FileModel):
    """What happens after a consent has ended or a record was erased."""

    acknowledge_within_days: Annotated[int, Field(ge=1, le=90)] = Field(
        default=7, description="a number of days from 1 to 90"
    )


class Retention(FileModel):
    """How long what is kept of a person; the law names no periods, so the partners agree on them."""

    months_after_closing: Annotated[int, Field(ge=1, le=12)] = Field(
        default=6, description="a number of months from 1 to 12"
    )
    """What a person said, after the last referral closed and the last consent ended."""
    years_of_proof: Annotated[int, Field(ge=1, le=10)] = Field(default=3, description="a number of years from 1 to 10")
    """Consents without what the person said, until 31 December of that many years after their end."""


WorkingDays = Annotated[int, Field(ge=1, le=90)]
_WORKING_DAYS_RULE = "a number of working days from 1 to 90"


class Deadlines(FileModel):
    """By when a service answers a referral and meets the person, in working days; proposed until the circle decides.

    A proposal is shown and nothing else: nobody is reminded, nothing is late and nothing expires.
    """

    decided_on: date | None = Field(
        default=None, description="the day the circle decided it, for instance 2026-03-02, or left out while proposed"
    )
    answer_within: WorkingDays = Field(default=2, description=_WORKING_DAYS_RULE)
    """After the request; then the service is reminded."""
    escalate_after: WorkingDays = Field(default=2, description=_WORKING_DAYS_RULE)
    """After a reminder that nothing followed; then those who coordinate are reminded."""
    expire_after: WorkingDays = Field(default=14, description=_WORKING_DAYS_RULE)
    """After the request; then it is the sender's again."""
    first_contact_within: WorkingDays = Field(default=10, description=_WORKING_DAYS_RULE)
    """After the acceptance."""

    @model_validator(mode="after")
    def _expires_last(self) -> Self:
        if self.expire_after <= self.answer_within + self.escalate_after:
            raise ValueError(
                "expire_after must be more than answer_within and escalate_after together: "
                "a referral expires after those who coordinate were reminded"
            )
        return self


class Freshness(FileModel):
    """How long what a unit publishes counts as right without its saying so again."""

    assured_for_months: Annotated[int, Field(ge=1, le=24)] = Field(
        default=6, description="a number of months from 1 to 24"
    )


class AgreementFile(FileModel):
    """An integration agreement between partners."""

    slug: Slug = Field(description="lower-case letters, digits and single hyphens")
    name: Name = Field(description="a name of 1 to 200 characters")
    concluded_on: date = Field(description="a date, for instance 2014-01-08")
    jobcenter_referrals: bool = Field(
        default=False, description="true or false: whether people are referred to and from the Jobcenter"
    )
    recall: Recall = Field(default=Recall(), description="a table [recall]")
    retention: Retention = Field(default=Retention(), description="a table [retention]")
    deadlines: Deadlines = Field(default=Deadlines(), description="a table [deadlines]")
    freshness: Freshness = Field(default=Freshness(), description="a table [freshness]")
    clauses: tuple[Clause, ...] = Field(alias="clause", min_length=1, description="one table [[clause]] or more")

    @model_validator(mode="after")
    def _clauses_differ(self) -> Self:
        ids = [clause.id for clause in self.clauses]
        if doubled := {clause_id for clause_id in ids if ids.count(clause_id) > 1}:
            raise ValueError(f"the clause {min(doubled)} is there twice; each needs an id of its own")
        return self


def load_agreement(path: Path) -> AgreementFile:
    """Read the agreement. Raises AgreementFileError."""
    return read_toml(path, AgreementFile, AgreementFileError)
