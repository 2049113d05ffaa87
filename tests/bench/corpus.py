"""Events as services write them: whole cases, interleaved, on a topic or in an outbox."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from schemas import (
    CaseId,
    ConsentGiven,
    ConsentId,
    ConsentWithdrawn,
    Event,
    OfferId,
    PartnerSlug,
    ReferralAccepted,
    ReferralCompleted,
    ReferralId,
    ReferralReceived,
    ReferralRequested,
    ReferralStarted,
    UnitId,
    dataschema,
    event_headers,
    new_id,
)
from schemas.codes import ConsentForm, DataCategory, Outcome, ReferralState, Scope

CITY, AWO = UnitId("stadt-koblenz/integration"), UnitId("awo-rheinland/mbe")
CITY_PARTNER, AWO_PARTNER = PartnerSlug("stadt-koblenz"), PartnerSlug("awo-rheinland")
INTAKE, REFERRAL = "/koblenz/intake/1", "/koblenz/referral/1"
CASES_AT_ONCE = 500


class Written(NamedTuple):
    """An event as it stands on the bus."""

    topic: str
    key: str
    headers: list[tuple[str, bytes]]
    value: bytes


def case(with_referral: bool) -> list[tuple[str, Event]]:
    """One person's events in order, each with its source: eight, or only the five about consents."""
    case_id = CaseId(new_id())
    transfer = {"from_unit": CITY, "to_unit": AWO, "scope": Scope.TRANSFER}
    feedback = [(AWO, CITY, Scope.FEEDBACK_STATUS), (AWO, CITY, Scope.FEEDBACK_OUTCOME)]
    consent_id, second = ConsentId(new_id()), ConsentId(new_id())
    given: list[tuple[str, Event]] = [
        (INTAKE, _given(case_id, consent_id, CITY_PARTNER, **transfer)),
        *(
            (INTAKE, _given(case_id, second, AWO_PARTNER, from_unit=source, to_unit=to, scope=scope))
            for source, to, scope in feedback[:1]
        ),
    ]
    withdrawn = ConsentWithdrawn(case_id=case_id, consent_id=consent_id, acted_by=CITY_PARTNER, **transfer)
    if with_referral:
        return [*given, *_referral(case_id, consent_id), (INTAKE, withdrawn)]
    source, to, scope = feedback[1]
    third = ConsentId(new_id())
    last = ConsentWithdrawn(
        case_id=case_id, consent_id=third, acted_by=AWO_PARTNER, from_unit=source, to_unit=to, scope=scope
    )
    more: list[tuple[str, Event]] = [
        (INTAKE, _given(case_id, third, AWO_PARTNER, from_unit=source, to_unit=to, scope=scope)),
        (INTAKE, last),
        (INTAKE, withdrawn),
    ]
    return [*given, *more]


def _given(case_id: CaseId, consent_id: ConsentId, by: PartnerSlug, **direction: Any) -> ConsentGiven:
    return ConsentGiven(
        case_id=case_id,
        consent_id=consent_id,
        acted_by=by,
        data_categories=(DataCategory.IDENTITY,) if direction["scope"] is Scope.TRANSFER else (),
        valid_until=datetime.now(UTC) + timedelta(days=90),
        notice_version="2026-01",
        notice_language="ar",
        form=ConsentForm.PAPER,
        **direction,
    )


def _referral(case_id: CaseId, consent_id: ConsentId) -> list[tuple[str, Event]]:
    common: dict[str, Any] = {
        "case_id": case_id,
        "referral_id": ReferralId(new_id()),
        "from_unit": CITY,
        "to_unit": AWO,
    }
    by_awo = {**common, "acted_by": AWO_PARTNER}
    events: list[Event] = [
        ReferralRequested(
            **common,
            acted_by=CITY_PARTNER,
            state=ReferralState.REQUESTED,
            consent_id=consent_id,
            offer_id=OfferId(new_id()),
        ),
        ReferralReceived(**by_awo, state=ReferralState.RECEIVED),
        ReferralAccepted(**by_awo, state=ReferralState.ACCEPTED),
        ReferralStarted(**by_awo, state=ReferralState.IN_PROGRESS, first_contact_on=date(2026, 1, 5)),
        ReferralCompleted(**by_awo, state=ReferralState.COMPLETED, outcome=Outcome.NEED_MET),
    ]
    return [(REFERRAL, event) for event in events]


def corpus(count: int, *, with_referral: bool = True) -> Iterator[Written]:
    """`count` events of as many cases as it takes; those of 500 cases at a time are interleaved."""
    left = count
    while left:
        cases = [case(with_referral) for _ in range(CASES_AT_ONCE)]
        versions: Counter[tuple[str, str]] = Counter()
        for events in zip(*cases, strict=True):
            for source, event in events:
                if not left:
                    return
                versions[source, event.key] += 1
                yield _written(source, event, versions[source, event.key])
                left -= 1


def _written(source: str, event: Event, version: int) -> Written:
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
    return Written(event.topic, event.key, headers, event.encode())
