"""Requests and events with sane defaults, and a desk that says them to intake."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2

from schemas import CaseId, OfferId, ReferralEnded, ReferralEvent, ReferralId, ReferralRequested, UnitId, partner_of
from schemas.codes import EndMode, EndReason, ReferralState
from schemas.ids import ConsentId
from tests.harness import REFERRAL, Running

CITY, JOBCENTER = "stadt-koblenz/integration", "jobcenter-koblenz/jobcenter"
CARITAS_MBE, CARITAS_JMD, AWO = "caritas-koblenz/mbe", "caritas-koblenz/jmd", "awo-rheinland/mbe"
ALL_CATEGORIES = ["identity", "contact", "language", "age"]
NAME, PHONE, BIRTH_DATE = "Zaynab Al-Qudsi", "+49 170 5550123", "1991-04-17"


def a_person(**differences: Any) -> dict[str, Any]:
    """The body of a registration."""
    person: dict[str, Any] = {
        "name": NAME,
        "channel": {"kind": "phone", "value": PHONE},
        "language": "ar",
        "interpreter": True,
        "birth_date": BIRTH_DATE,
    }
    return {key: value for key, value in (person | differences).items() if value is not None}


def in_days(days: float) -> str:
    """A time that many days from now, as one writes it in a body."""
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


def a_consent(**differences: Any) -> dict[str, Any]:
    """One consent in a body: the City may transfer everything to AWO for half a year."""
    consent = {
        "from_unit": CITY,
        "to_unit": AWO,
        "scope": "transfer",
        "data_categories": ALL_CATEGORIES,
        "valid_until": in_days(180),
    }
    return consent | differences


NOTICE = {"version": "2026-01", "language": "de"}
INTERPRETER = {"kind": "professional", "language": "ar"}


def signature(**differences: Any) -> dict[str, Any]:
    """How a person says yes: on paper, the German text interpreted into Arabic."""
    return {"notice": NOTICE, "form": "paper", "interpreter": INTERPRETER} | differences


def signed(*consents: dict[str, Any], **differences: Any) -> dict[str, Any]:
    """The body of what one signature allows."""
    return {"consents": list(consents) or [a_consent()], **signature(**differences)}


def asked_for(*consents: dict[str, Any]) -> dict[str, Any]:
    """The body of what a person is asked for and has not answered."""
    return {"consents": list(consents) or [a_consent()], "notice": NOTICE, "interpreter": INTERPRETER}


@dataclass
class Desk:
    """Says things to intake as the partners' people and systems would."""

    intake: Running = field(repr=False)

    async def post(self, unit: str, path: str, body: Any = None, *, role: str = "clerk", key: str | None = None) -> Any:
        """A POST of somebody of that unit."""
        headers = self.intake.headers(unit, role, key=key)
        return await self.intake.client.post(path, json={} if body is None else body, headers=headers)

    async def get(self, unit: str, path: str, *, role: str = "counsellor") -> httpx2.Response:
        """A GET of somebody of that unit."""
        return await self.intake.client.get(path, headers=self.intake.headers(unit, role))

    async def register(self, unit: str = CITY, **differences: Any) -> str:
        """Register a person; returns the unit's reference of the case."""
        response = await self.post(unit, "/v1/persons", a_person(**differences))
        assert response.status_code == 201, response.text
        return str(response.json()["case_ref"])

    async def consent(self, case_ref: str, *consents: dict[str, Any], unit: str = CITY) -> list[str]:
        """Record consents; returns the unit's references of them."""
        response = await self.post(unit, f"/v1/persons/{case_ref}/consents", signed(*consents))
        assert response.status_code == 201, response.text
        return [each["consent_ref"] for each in response.json()["consents"]]

    async def withdraw(self, consent_ref: str, unit: str = CITY) -> httpx2.Response:
        """Withdraw a consent."""
        return await self.post(unit, f"/v1/consents/{consent_ref}/withdraw")

    async def refer(self, case_ref: str, *, to_unit: str = AWO, from_unit: str = CITY) -> UUID:
        """The bus tells of a new referral."""
        event = a_referral(self.case_id(case_ref, from_unit), to_unit=to_unit, from_unit=from_unit)
        await self.intake.feed(event, source=REFERRAL)
        return event.referral_id

    async def fetch(self, referral_id: UUID, unit: str = AWO, role: str = "counsellor") -> httpx2.Response:
        """Ask at the gate."""
        return await self.get(unit, f"/v1/referrals/{referral_id}/person", role=role)

    def case_id(self, case_ref: str, unit: str = CITY) -> CaseId:
        """The case behind a reference."""
        return CaseId(self.intake.context.references.resolve(partner_of(UnitId(unit)), case_ref))

    async def a_referred_person(self, *consents: dict[str, Any]) -> tuple[str, UUID, list[str]]:
        """A person who consented and was referred to AWO: the City's case reference, referral, consent references."""
        case_ref = await self.register()
        consent_refs = await self.consent(case_ref, *consents)
        return case_ref, await self.refer(case_ref), consent_refs

    async def published_types(self, beginning: str = "lotse.") -> list[str]:
        """The types of the events in the outbox, in order, that begin like that."""
        types = [event.event_type for event in await self.intake.published()]
        return [each for each in types if each.startswith(beginning)]


def a_referral(case_id: UUID, *, to_unit: str = AWO, from_unit: str = CITY) -> ReferralRequested:
    """A new referral as referral tells of it."""
    return ReferralRequested(
        case_id=CaseId(case_id),
        referral_id=ReferralId(uuid4()),
        from_unit=UnitId(from_unit),
        to_unit=UnitId(to_unit),
        offer_id=OfferId(uuid4()),
        state=ReferralState.REQUESTED,
        consent_id=ConsentId(uuid4()),
    )


def moved(
    referral: ReferralEvent, event_class: type[ReferralEvent], state: ReferralState, **more: Any
) -> ReferralEvent:
    """The same referral a step further."""
    same = referral.model_dump(include=set(ReferralEvent.model_fields))
    return event_class(**(same | {"state": state} | more))


def ended(referral: ReferralEvent, mode: EndMode = EndMode.CANCELLED) -> ReferralEvent:
    """The same referral, ended."""
    return moved(referral, ReferralEnded, ReferralState(mode.value), mode=mode, reason=EndReason.OTHER)


def problem(response: httpx2.Response, status: int, code: str) -> Sequence[str]:
    """Check that an answer is that RFC 9457 problem; returns the fields it names."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["type"] == f"urn:lotse:problem:{code}"
    assert body["status"] == status
    return [error["field"] for error in body["errors"]]
