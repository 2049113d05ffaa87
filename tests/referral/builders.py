"""Events and requests of one case, with sane defaults: only the difference is visible in a test."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2

from schemas import (
    CaseId,
    ConsentExpired,
    ConsentGiven,
    ConsentId,
    ConsentInvalidated,
    ConsentRenewed,
    ConsentRevoked,
    ConsentWithdrawn,
    Event,
    PersonDisclosed,
    PersonErased,
    ReferralId,
    UnitId,
    new_id,
)
from schemas.codes import (
    ConsentForm,
    DataCategory,
    ErasureReason,
    InvalidationReason,
    RevocationReason,
    Scope,
)
from services.chassis.keys import Key, lock_keys
from services.referral.handlers import ADOPTION
from tests.harness import REFERRAL, Running, received

CITY, AWO = UnitId("stadt-koblenz/integration"), UnitId("awo-rheinland/mbe")
CARITAS_MBE, CARITAS_JMD = UnitId("caritas-koblenz/mbe"), UnitId("caritas-koblenz/jmd")
JOBCENTER = UnitId("jobcenter-koblenz/jobcenter")
PROBLEM = "application/problem+json"


def a_case() -> CaseId:
    """A new case."""
    return CaseId(new_id())


def a_consent(case_id: CaseId, **changes: Any) -> ConsentGiven:
    """A consent to the transfer from the City to AWO that holds for months."""
    said: dict[str, Any] = {
        "case_id": case_id,
        "consent_id": ConsentId(new_id()),
        "from_unit": CITY,
        "to_unit": AWO,
        "scope": Scope.TRANSFER,
        "data_categories": (DataCategory.IDENTITY, DataCategory.CONTACT),
        "valid_until": datetime.now(UTC) + timedelta(days=90),
        "notice_version": "2026-1",
        "notice_language": "ar",
        "form": ConsentForm.PAPER,
    }
    return ConsentGiven(**{**said, **changes})


def a_feedback(case_id: CaseId, scope: Scope = Scope.FEEDBACK_STATUS, **changes: Any) -> ConsentGiven:
    """A consent to feedback from AWO to the City."""
    return a_consent(case_id, from_unit=AWO, to_unit=CITY, scope=scope, data_categories=(), **changes)


def withdrawn(consent: ConsentGiven) -> ConsentWithdrawn:
    """The withdrawal of a consent."""
    return ConsentWithdrawn(**_of(consent))


def expired(consent: ConsentGiven) -> ConsentExpired:
    """The end of a consent by time."""
    return ConsentExpired(**_of(consent))


def renewed(consent: ConsentGiven, valid_until: datetime) -> ConsentRenewed:
    """The renewal of a consent until then."""
    return ConsentRenewed(**consent.model_dump() | {"valid_until": valid_until})


def revoked(consent: ConsentGiven) -> ConsentRevoked:
    """The end of a consent by the unit that recorded it."""
    return ConsentRevoked(**_of(consent), reason=RevocationReason.PROTECTION)


def invalidated(consent: ConsentGiven) -> ConsentInvalidated:
    """The end of a consent that should never have counted."""
    return ConsentInvalidated(**_of(consent), reason=InvalidationReason.NOT_VOLUNTARY)


def _of(consent: ConsentGiven) -> dict[str, Any]:
    return consent.model_dump(include={"case_id", "consent_id", "from_unit", "to_unit", "scope"})


def erased(case_id: CaseId) -> PersonErased:
    """The erasure of a person."""
    return PersonErased(case_id=case_id, reason=ErasureReason.REQUESTED)


def disclosed(case_id: CaseId, referral_id: UUID, to_unit: UnitId = AWO) -> PersonDisclosed:
    """A fetch at the gate."""
    return PersonDisclosed(
        case_id=case_id,
        referral_id=ReferralId(referral_id),
        to_unit=to_unit,
        data_categories=(DataCategory.IDENTITY,),
        acted_by=to_unit.partition("/")[0],
    )


def an_offer(**changes: Any) -> dict[str, Any]:
    """The body of an offer of AWO."""
    said = {
        "unit": AWO,
        "name": "Migrationsberatung für erwachsene Zugewanderte",
        "service_type": "MBE",
        "description": "Beratung zu Aufenthalt, Sprache und Arbeit",
        "languages": ["de", "ar"],
        "schedule": "Mo 9-12 Uhr\nDo 14-17 Uhr",
        "email": "mbe@awo.example",
    }
    return {**said, **changes}


def a_contact(**changes: Any) -> dict[str, Any]:
    """The body of a contact of AWO."""
    return {"unit": AWO, "level": "operational", "function": "Leitung MBE", "phone": "0261 1234", **changes}


def a_material(**changes: Any) -> dict[str, Any]:
    """The body of a leaflet of AWO."""
    said = {"unit": AWO, "title": "Beratung in Ihrer Sprache", "languages": ["de", "ar"], "edition": "2026-03"}
    return {**said, "url": "https://awo.example/faltblatt", **changes}


def a_notice(**changes: Any) -> dict[str, Any]:
    """The body of a change notice of AWO."""
    said = {"unit": AWO, "category": "moved", "text": "Die Beratungsstelle zieht um.", "valid_from": "2026-03-01"}
    return {**said, **changes}


@dataclass
class Lotse:
    """The referral service as its callers use it."""

    running: Running

    async def post(
        self, path: str, body: Any = None, *, unit: str = AWO, role: str = "counsellor", **headers: str
    ) -> Any:
        """Send a POST; an underscore in the name of a header stands for a hyphen."""
        return await self.send("POST", path, body, unit=unit, role=role, **headers)

    async def send(
        self, method: str, path: str, body: Any = None, *, unit: str = AWO, role: str = "counsellor", **headers: str
    ) -> httpx2.Response:
        """Send a request as somebody of a unit."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {**self.running.headers(unit, role), **more}
        return await self.running.client.request(method, path, json=body, headers=sent)

    async def get(self, path: str, *, unit: str = AWO, role: str = "counsellor", **query: Any) -> httpx2.Response:
        """Read as somebody of a unit."""
        return await self.running.client.get(path, params=query, headers=self.running.headers(unit, role))

    async def offer(self, unit: str = AWO, **changes: Any) -> str:
        """Publish an offer and return its id."""
        answer = await self.post("/v1/offers", an_offer(unit=unit, **changes), unit=unit)
        assert answer.status_code == 201, answer.text
        offer_id: str = answer.json()["offer_id"]
        return offer_id

    def case_ref(self, case_id: CaseId, unit: str = CITY) -> str:
        """What a unit's partner calls the case."""
        return self.running.reference(unit.partition("/")[0], case_id)

    async def request(self, case_id: CaseId, offer_id: str, *, unit: str = CITY, **headers: str) -> httpx2.Response:
        """Refer a person."""
        body = {"case_ref": self.case_ref(case_id, unit), "offer_id": offer_id}
        return await self.post("/v1/referrals", body, unit=unit, role="clerk", **headers)

    async def referral(self, case_id: CaseId, *acts: str, consent: ConsentGiven | None = None) -> str:
        """A referral of the City to AWO with its consent, taken through these acts of AWO; returns its id."""
        await self.running.feed(consent or a_consent(case_id))
        answer = await self.request(case_id, await self.offer())
        assert answer.status_code == 201, answer.text
        referral_id: str = answer.json()["referral_id"]
        for act in acts:
            done = await self.act(referral_id, act)
            assert done.status_code == 200, done.text
        return referral_id

    async def act(self, referral_id: str, act: str, *, unit: str = AWO, **headers: str) -> httpx2.Response:
        """Do something with a referral, with sane facts."""
        return await self.post(f"/v1/referrals/{referral_id}/{act}", facts_of(act), unit=unit, **headers)

    async def seen(self, referral_id: str, unit: str = CITY) -> dict[str, Any]:
        """What a unit sees of a referral."""
        answer = await self.get(f"/v1/referrals/{referral_id}", unit=unit)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def told(self) -> list[Event]:
        """What was published about cases."""
        return await self.running.published("lotse.cases")

    async def kinds(self) -> list[str]:
        """The same, as the last words of their types."""
        return [event.event_type.removeprefix("lotse.referral.").removesuffix(".v1") for event in await self.told()]


def facts_of(act: str) -> dict[str, Any]:
    """A body that the act takes."""
    today = datetime.now(UTC).date()
    soon = (today + timedelta(days=7)).isoformat()
    return {
        "accept": {"responsible": "Beratung MBE", "first_contact_planned_on": soon},
        "reject": {"reason": "no-capacity"},
        "take-back": {"reason": "accepted-by-mistake"},
        "start": {"first_contact_on": today.isoformat()},
        "hold": {"reason": "awaiting-documents", "review_on": soon},
        "complete": {"outcome": "need-met"},
        "fail": {"reason": "could-not-contact"},
        "cancel": {"reason": "person-declined"},
        "annul": {"reason": "wrong-person"},
    }.get(act, {})


async def adopt(lotse: Lotse, events: list[Event]) -> list[bool]:
    """Hand a service its own events, as the recovery does."""
    taken = []
    for event in events:
        async with lotse.running.context.database.transaction() as conn:
            await lock_keys(conn, [Key(event.topic, event.key)])
            adopting = ADOPTION.events[type(event)]
            taken.append(await adopting(conn, received(event, source=REFERRAL), datetime.now(UTC)))
    return taken


def is_problem(answer: httpx2.Response, status: int, code: str, field: str | None = None) -> bool:
    """Whether an answer is that RFC 9457 problem, naming that field."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert answer.headers["content-type"] == PROBLEM
    assert body["status"] == status
    assert body["type"] == f"urn:lotse:problem:{code}", body
    assert field is None or field in [error["field"] for error in body["errors"]], body
    return True
