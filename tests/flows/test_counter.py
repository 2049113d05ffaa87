"""How much a clerk has to say at the counter: giving a consent and a referral is short, and taking it back shorter."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.flows.world import AWO, CITY, World

# What a clerk says, by the words of the counter. The rest of a request is not said: the unit is the clerk's own (from
# the token and the form), the offer is picked with the recipient, references come from the answer before.
SAID = {
    "name": "name",
    "channel.kind": "one channel",
    "channel.value": "one channel",
    "language": "language",
    "interpreter": "language",
    "age_band": "age band",
    "consents.0.to_unit": "recipient",
    "consents.0.scope": "scope",
    "consents.0.data_categories": "scope",
    "consents.0.valid_until": "scope",
    "notice.version": "notice",
    "notice.language": "notice",
    "interpreter.kind": "notice",
    "interpreter.language": "notice",
    "form": "form",
    "offer_id": "recipient",
}
KNOWN = {"consents.0.from_unit", "case_ref"}
"""The clerk's own unit, and what the answer before said."""


def paths(body: Any, place: str = "") -> list[str]:
    """The paths of everything a body says; a list of codes counts as one."""
    if isinstance(body, dict):
        return [each for key, value in body.items() for each in paths(value, f"{place}.{key}".strip("."))]
    if isinstance(body, list) and body and isinstance(body[0], dict):
        return [each for index, value in enumerate(body) for each in paths(value, f"{place}.{index}")]
    return [place]


class Counter:
    """The clerk at the counter: says things, and what was said is counted."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.requests = 0
        self.inputs: list[str] = []

    async def say(self, service: str, path: str, body: Any = None) -> Any:
        """One request; every field of it is an input or known before."""
        self.requests += 1
        for each in paths(body) if body else ():
            if each not in KNOWN and SAID[each] not in self.inputs:
                self.inputs.append(SAID[each])
        return await self.world.do(service, path, CITY, body)


async def test_a_consent_and_a_referral_take_eight_inputs_and_a_withdrawal_none(world: World) -> None:
    """Name, one channel, language, age band, recipient, scope, notice, form; taking it back needs the case."""
    offer = await world.offer(AWO)
    giving = Counter(world)
    person = {
        "name": "Amal Haddad",
        "channel": {"kind": "phone", "value": "+49 261 555010"},
        "language": "ar",
        "interpreter": True,
        "age_band": "27-plus",
    }
    case_ref = (await giving.say("intake", "/v1/persons", person))["case_ref"]
    consents = [
        {
            "from_unit": CITY,
            "to_unit": AWO,
            "scope": "transfer",
            "data_categories": ["identity", "contact", "language", "age"],
            "valid_until": (datetime.now(UTC) + timedelta(days=90)).isoformat(),
        }
    ]
    signed = {
        "consents": consents,
        "notice": {"version": "2026-01", "language": "de"},
        "interpreter": {"kind": "professional", "language": "ar"},
        "form": "paper",
    }
    given = await giving.say("intake", f"/v1/persons/{case_ref}/consents", signed)
    referred = await giving.say("referral", "/v1/referrals", {"case_ref": case_ref, "offer_id": offer})
    assert referred["state"] == "requested"
    assert giving.inputs == [
        "name",
        "one channel",
        "language",
        "age band",
        "recipient",
        "scope",
        "notice",
        "form",
    ]
    withdrawing = Counter(world)
    path = f"/v1/consents/{given['consents'][0]['consent_ref']}/withdraw"
    assert (await withdrawing.say("intake", path))["state"] == "withdrawn"
    assert (withdrawing.requests, withdrawing.inputs) == (1, [])
    assert giving.requests == 3
