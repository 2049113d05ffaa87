"""What an answer to an access request is made of."""

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, Field

from schemas import PartnerSlug
from schemas.codes import AgeBand, ConsentForm, ConsentState, DataCategory, GivenBy
from services.intake.api.consent_views import ConsentRecord, InterpreterRecord, NoticeRecord
from services.intake.api.gate import Accessibility, Age, Contact, Identity, Language
from services.intake.api.propagation import Propagated
from services.intake.api.rights import HoldRecord
from services.intake.model.tasks import TaskKind


class Said(BaseModel):
    """What the person said; null where nothing was."""

    identity: Identity | None = None
    contact: Contact | None = None
    language: Language | None = None
    age: Age | None = None
    accessibility: Accessibility | None = None


class Happened(BaseModel):
    """One thing that happened to a consent. recorded_by: null for the clock."""

    state: ConsentState
    at: datetime
    recorded_by: str | None
    valid_until: datetime | None
    notice: NoticeRecord | None
    interpreter: InterpreterRecord | None
    form: ConsentForm | None
    given_by: GivenBy | None
    age_band: AgeBand | None
    file_ref: str | None
    channel: str | None
    reason: str | None


class ConsentInFull(ConsentRecord):
    """A consent with all that happened to it. file_ref: of what another unit recorded, ask that unit."""

    recorded_by: str
    end_channel: str | None
    end_recorded_by: str | None
    age_band: AgeBand | None
    history: list[Happened]


class Handed(BaseModel):
    """That a unit fetched something, with its place in the chain of its partner's disclosure log."""

    at: datetime
    kind: str
    number: int
    unit: str
    fetched_by: str
    referral_id: UUID
    data_categories: list[DataCategory]


class Heard(BaseModel):
    """That an event of the case was put on a partner's stream."""

    at: datetime
    partner: PartnerSlug
    type: str


class Looked(BaseModel):
    """That somebody looked at the record; 90 days are kept."""

    at: datetime
    unit: str
    subject: str
    action: str


class HandedOut(BaseModel):
    """A receipt. has_page: whether it had a code for the person's own page."""

    receipt_ref: str
    language: str
    made_by: str
    made_at: datetime
    has_page: bool
    blocked_at: datetime | None


class ToDo(BaseModel):
    """What a unit has to do, or did, about a consent."""

    consent_ref: str
    unit: str
    kind: TaskKind
    due_on: date
    done_at: datetime | None


class Referred(BaseModel):
    """A referral; how it stands the referral service says, to each of its two units as far as it may know."""

    referral_id: UUID
    from_unit: str
    to_unit: str


class AskThere(BaseModel):
    """Who else keeps something of its own about the person: each controller answers for itself."""

    partner: PartnerSlug
    name: str
    contact: str


class AccessAnswer(BaseModel):
    """Everything that intake keeps about a person, under the references of the partner that asks for the person."""

    case_ref: str
    made_at: datetime
    registered_by: str
    registered_at: datetime
    first_consent_at: datetime | None
    erase_after: datetime | None
    lost_at: datetime | None = Field(description="When a restore found that what the person said is gone.")
    version: int
    correct_again: list[DataCategory]
    said: Said
    consents: list[ConsentInFull]
    fetched: list[Handed]
    told: list[Heard]
    recalls: list[Propagated]
    looked_at: list[Looked]
    receipts: list[HandedOut]
    tasks: list[ToDo]
    referrals: list[Referred]
    holds: list[HoldRecord]
    ask_there: list[AskThere]
