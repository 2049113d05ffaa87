"""A service that only notes what it gets: the smallest thing the chassis can carry."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from schemas import (
    CaseId,
    ConsentGiven,
    ConsentId,
    ConsentWithdrawn,
    Event,
    Received,
    ReferralAccepted,
    ReferralId,
    ReferralReceived,
    Topic,
    UnitId,
    dataschema,
    event_headers,
    new_id,
)
from schemas.codes import ConsentForm, DataCategory, LanguageTag, ReferralState, Scope
from services.chassis.db import Connection
from services.chassis.handling import Handlers
from services.chassis.records import Record

CITY, AWO = UnitId("stadt-koblenz/integration"), UnitId("awo-rheinland/mbe")
SOURCE, OTHER_SOURCE = "/koblenz/intake/1", "/koblenz/referral/1"

EFFECTS = "create table if not exists public.effect (n bigserial, type text, key text, version bigint, source text)"


@dataclass
class Probe:
    """Handlers that write one row per event; `fail` makes a version fail as often as told with that error."""

    handled: tuple[type[Event], ...] = (ConsentGiven, ConsentWithdrawn, ReferralReceived)
    as_run: bool = False
    fail: dict[int, list[Exception]] = field(default_factory=dict)

    @property
    def handlers(self) -> Handlers:
        """The table for the inbox."""
        topics = frozenset({str(Topic.CASES)})
        if self.as_run:
            return Handlers(topics, run=self._run, run_types=frozenset(self.handled))
        return Handlers(topics, each=dict.fromkeys(self.handled, self._each))

    async def _run(self, conn: Connection, events: Sequence[Received[Event]], now: datetime) -> None:
        for event in events:
            await self._each(conn, event, now)

    async def _each(self, conn: Connection, event: Received[Any], _now: datetime) -> None:
        await conn.execute(
            "insert into public.effect (type, key, version, source) values ($1, $2, $3, $4)",
            event.type.split(".")[2],
            event.key,
            event.version,
            event.source,
        )
        errors = self.fail.get(event.version)
        if errors:
            raise errors.pop(0) if len(errors) > 1 else errors[0]


def given(case_id: UUID) -> ConsentGiven:
    """A transfer consent from the City to AWO."""
    return ConsentGiven(
        consent_id=ConsentId(uuid4()),
        case_id=CaseId(case_id),
        from_unit=CITY,
        to_unit=AWO,
        scope=Scope.TRANSFER,
        data_categories=(DataCategory.IDENTITY,),
        valid_until=datetime.now(UTC) + timedelta(days=30),
        notice_version="1",
        notice_language=LanguageTag("ar"),
        form=ConsentForm.PAPER,
    )


def withdrawn(case_id: UUID) -> ConsentWithdrawn:
    """The end of one."""
    return ConsentWithdrawn(
        consent_id=ConsentId(uuid4()), case_id=CaseId(case_id), from_unit=CITY, to_unit=AWO, scope=Scope.TRANSFER
    )


def referral_received(case_id: UUID) -> ReferralReceived:
    """A referral reached its service."""
    return ReferralReceived(**_referral(case_id, ReferralState.RECEIVED))


def accepted(case_id: UUID) -> ReferralAccepted:
    """An event the probe does not handle unless told to."""
    return ReferralAccepted(**_referral(case_id, ReferralState.ACCEPTED))


def _referral(case_id: UUID, state: ReferralState) -> dict[str, Any]:
    return {
        "referral_id": ReferralId(uuid4()),
        "case_id": CaseId(case_id),
        "from_unit": CITY,
        "to_unit": AWO,
        "state": state,
    }


def record(
    event: Event,
    version: int,
    offset: int,
    *,
    source: str = SOURCE,
    partition: int = 0,
    value: bytes | None = None,
    **changed: bytes | None,
) -> Record:
    """The event as Kafka would hold it; `changed`: headers to replace, by name, None to leave one out."""
    headers = event_headers(
        id=new_id(),
        source=source,
        type=event.event_type,
        time=datetime.now(UTC),
        subject=event.subject,
        dataschema=dataschema(type(event), partner=False),
        sequence=version,
        key=event.key,
        correlation_id=str(new_id()),
        causation_id=None,
    )
    final = [(name, changed.get(name, raw)) for name, raw in headers]
    body = event.encode() if value is None else value
    kept = tuple((name, raw) for name, raw in final if raw is not None)
    return Record(str(event.topic), partition, offset, event.key.encode(), body, kept)
