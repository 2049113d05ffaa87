"""Cooperations in tests: AWO proposes, the Jobcenter and Caritas are asked."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import httpx2

from schemas import CaseId, ConsentGiven, UnitId
from schemas.codes import Scope
from tests.referral.builders import AWO, CARITAS_MBE, JOBCENTER, Lotse, a_case, a_consent

SOON = (datetime.now(UTC).date() + timedelta(days=7)).isoformat()
PART = {"responsible": "Fallmanagement"}


def together(case_id: CaseId, from_unit: UnitId, to_unit: UnitId, **changes: Any) -> ConsentGiven:
    """A consent to work together, from the one to the other."""
    changes = {"scope": Scope.COOPERATION, "data_categories": (), **changes}
    return a_consent(case_id, from_unit=from_unit, to_unit=to_unit, **changes)


def a_step(unit: UnitId = JOBCENTER, **changes: Any) -> dict[str, Any]:
    """The Jobcenter takes an application."""
    return {"kind": "benefit-application", "unit": unit, "due_on": SOON, **changes}


@dataclass
class Table:
    """One case at which units sit together, and the consents they have."""

    lotse: Lotse
    case_id: CaseId = field(default_factory=a_case)
    consents: dict[tuple[UnitId, UnitId], ConsentGiven] = field(default_factory=dict)
    cooperation_id: str = ""

    async def allow(self, *ways: tuple[UnitId, UnitId], **changes: Any) -> None:
        """The person says yes to these directions."""
        given = {way: together(self.case_id, *way, **changes) for way in ways}
        self.consents |= given
        await self.lotse.running.feed(*given.values())

    async def propose(self, *units: UnitId, by: UnitId = AWO, **more: Any) -> httpx2.Response:
        """Ask units; the Jobcenter unless others are named."""
        said = {"case_ref": self.lotse.case_ref(self.case_id, by), "units": list(units or (JOBCENTER,)), **PART}
        answer: httpx2.Response = await self.lotse.post("/v1/cooperations", said | more, unit=by)
        if answer.status_code == 201:
            self.cooperation_id = answer.json()["cooperation_id"]
        return answer

    async def act(self, act: str, body: Any = None, *, unit: str = AWO, **headers: str) -> httpx2.Response:
        """Do something in it."""
        answer: httpx2.Response = await self.lotse.post(
            f"/v1/cooperations/{self.cooperation_id}/{act}", body or {}, unit=unit, **headers
        )
        return answer

    async def done(self, act: str, body: Any = None, *, unit: str = AWO) -> dict[str, Any]:
        """Do something that is taken."""
        answer = await self.act(act, body, unit=unit)
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    async def seen(self, unit: str = AWO) -> dict[str, Any]:
        """What a unit sees of it."""
        answer = await self.lotse.get(f"/v1/cooperations/{self.cooperation_id}", unit=unit)
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    async def standing(self, unit: str = AWO) -> dict[str, str]:
        """What a unit sees of where each stands."""
        return {each["unit"]: each["state"] for each in (await self.seen(unit))["participants"]}

    async def kinds(self) -> list[str]:
        """What was told of it."""
        told = [each.event_type for each in await self.lotse.told()]
        return [each.removeprefix("lotse.cooperation.").removesuffix(".v1") for each in told]


async def agreed(lotse: Lotse, *units: UnitId, everybody_hears: bool = False, **changes: Any) -> Table:
    """A cooperation of AWO with these units (the Jobcenter), agreed by all of them; changes: of the consents."""
    others = units or (JOBCENTER,)
    table = Table(lotse)
    pairs = permutations((AWO, *others), 2) if everybody_hears else [w for o in others for w in ((AWO, o), (o, AWO))]
    await table.allow(*pairs, **changes)
    assert (await table.propose(*others)).status_code == 201
    for unit in others:
        await table.done("agree", PART, unit=unit)
    return table


async def all_three(lotse: Lotse, **more: Any) -> Table:
    """AWO, the Jobcenter and Caritas."""
    return await agreed(lotse, JOBCENTER, CARITAS_MBE, **more)
