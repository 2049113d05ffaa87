"""What the operator's routes take and answer. No field holds an event's value or a header's."""

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, Field

from schemas import EVENTS
from services.chassis.api import Body
from services.chassis.parking import LetGo, Stuck

# A record's key can be any text but NUL, which PostgreSQL cannot keep.
TopicName: TypeAlias = Annotated[str, Field(min_length=1, max_length=249, pattern=r"^[a-zA-Z0-9._-]+$")]
KeyText: TypeAlias = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^[^\x00]+$")]
PartitionNumber: TypeAlias = Annotated[int, Field(ge=0, le=2**31 - 1)]
OffsetNumber: TypeAlias = Annotated[int, Field(ge=0, le=2**63 - 1)]
ReasonText: TypeAlias = Annotated[
    str, Field(min_length=3, max_length=500, pattern=r"^[^\x00-\x1f]+$", description="In one line, naming no person.")
]


class FirstWaiting(BaseModel):
    """Why a key is parked: its first record that could not be applied."""

    type: str | None
    code: str
    reason: str


class ParkedKey(BaseModel):
    """A key that waits for new code or for you."""

    topic: str
    key: str
    parked_at: datetime
    waiting: int
    first: FirstWaiting | None


class WithoutKey(BaseModel):
    """Records of a topic that have no usable key, and so park nothing."""

    topic: str
    records: int
    oldest: datetime


class ParkedKeys(BaseModel):
    """A page, the longest parked first; `next` goes into `after`, null on the last page."""

    parked: list[ParkedKey]
    without_key: list[WithoutKey]
    next: str | None


class WaitingRecord(BaseModel):
    """One record that waits. `terminal`: it ends something for good, a consent for instance."""

    partition: int
    offset: int
    source: str | None
    version: int | None
    type: str | None
    terminal: bool
    code: str
    reason: str
    header_names: list[str]
    value_bytes: int | None
    since: datetime


class WaitingRecords(BaseModel):
    """What waits behind a key in the order of the bus; `next` goes into `after`, null on the last page."""

    topic: str
    key: str | None
    records: list[WaitingRecord]
    next: str | None


class Place(BaseModel):
    """One record, by its place on the bus, and why it could not be applied."""

    partition: int
    offset: int
    source: str | None
    version: int | None
    type: str | None
    code: str
    reason: str


class Discarded(Place):
    """What was let go. `dropped`: the record itself; else the versions that are missing before it were given up.

    `goes_on_from`: the last version of its source that counts as applied now.
    """

    dropped: bool
    goes_on_from: int | None


class Outcome(BaseModel):
    """What came of an act. `left`: records that left the queue; `stuck`: the first that still cannot be applied."""

    left: int
    discarded: Discarded | None
    stuck: Place | None
    waiting: int


class OperatorAct(BaseModel):
    """What an operator did, when and why."""

    act_id: UUID
    at: datetime
    author: str
    act: Literal["retry", "discard"]
    topic: str
    key: str | None
    reason: str
    outcome: Outcome


class OperatorActs(BaseModel):
    """A page, the latest first; `next` goes into `before`, null on the last page."""

    acts: list[OperatorAct]
    next: UUID | None


class Retry(Body):
    """Try a parked key again."""

    topic: TopicName
    key: KeyText
    reason: ReasonText = "tried again"


class Discard(Body):
    """Let go of one record, the first of its key that cannot be applied; without a key, of any record that has none.

    `even_terminal`: also when it ends something for good, which then never takes effect in this service.
    """

    topic: TopicName
    key: KeyText | None = None
    partition: PartitionNumber
    offset: OffsetNumber
    reason: ReasonText
    even_terminal: bool = False


def parked_key(row: Any) -> ParkedKey:
    """A row of `parked_page`; a key may be parked with nothing waiting behind it."""
    first = None if row["code"] is None else FirstWaiting(type=row["type"], code=row["code"], reason=row["reason"])
    named = {name: row[name] for name in ("topic", "key", "parked_at", "waiting")}
    return ParkedKey(**named, first=first)


def waiting_record(row: Any) -> WaitingRecord:
    """A row of `waiting_page`."""
    fields = {name: value for name, value in row.items() if name not in ("record_offset", "parked_at")}
    terminal = is_terminal(row["type"])
    return WaitingRecord(**fields, offset=row["record_offset"], since=row["parked_at"], terminal=terminal)


def is_terminal(type_: str | None) -> bool:
    """Whether events of that type end something for good, as far as this code knows the type."""
    known = EVENTS.get(type_ or "")
    return known is not None and known.terminal


def stuck_record(stuck: Stuck | None) -> Place | None:
    """Where a queue stopped; None when it did not."""
    return None if stuck is None else Place(**_place(stuck))


def discarded(stuck: Stuck, let_go: LetGo) -> Discarded:
    """What was let go of a key's queue."""
    return Discarded(**_place(stuck), dropped=let_go.dropped, goes_on_from=let_go.goes_on_from)


def discarded_row(row: Any) -> Discarded:
    """A row of `delete_without_key`."""
    fields = {name: value for name, value in row.items() if name != "record_offset"}
    return Discarded(**fields, offset=row["record_offset"], dropped=True, goes_on_from=None)


def _place(stuck: Stuck) -> dict[str, Any]:
    incoming, record = stuck.incoming, stuck.incoming.record
    return {
        "partition": record.partition,
        "offset": record.offset,
        "source": incoming.source,
        "version": incoming.version,
        "type": incoming.type,
        "code": stuck.fault.code,
        "reason": stuck.fault.reason,
    }
