"""One person's way: registered, referred to one or two services, and where the seed says so, the consent taken back."""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.faults.checker import missing
from tests.faults.client import Answer, Client, NoAnswer
from tests.faults.ears import Ears
from tests.faults.expected import OPEN, expected_of
from tests.faults.ledger import OUTCOME, STATUS, TRANSFER, Ledger, partner_of
from tests.faults.people import OFFERING, PARTNERS, PERSON, SENDING, acceptance, consent, signed

PLANS: tuple[tuple[str, ...], ...] = (
    ("accept", "start", "complete"),
    ("receive", "accept", "feedback", "start", "complete"),
    ("accept", "start", "feedback", "complete"),
    ("accept", "start", "complete", "feedback"),
    ("accept", "feedback", "take feedback back", "start", "complete"),
    ("receive", "reject"),
    ("cancel as sender",),
    ("accept", "cancel as recipient"),
    ("accept", "start", "cancel as sender"),
)
"""What becomes of a referral once it is requested."""
WITHDRAWN_SHARE, CALM_SHARE, AGAIN_SHARE, TWO_SERVICES_SHARE = 0.45, 0.6, 0.4, 0.35

PAST = {"receive": "received", "accept": "accepted", "reject": "rejected", "start": "started", "complete": "completed"}
"""How the ledger and the streams call what a unit did."""
LONGEST_PAUSE_SECONDS = 4.0


class Refused(Exception):
    """A service refused what it must take."""


@dataclass
class Walk:
    """One referral on its way. `steps`: what is still to be done; `state`: as acknowledged."""

    sender: str
    recipient: str
    consent_ref: str
    consent_id: str
    steps: list[str]
    referral_id: str = ""
    state: str = ""
    outcome: str = ""
    feedback_ref: str = ""
    feedback_id: str = ""


@dataclass
class CaseWorker:
    """Plays one case. `keys` gives the Idempotency-Keys: how often something is asked must not change the story."""

    client: Client
    ledger: Ledger
    ears: Ears
    resolve: Callable[[str, str], str]
    offers: Mapping[str, str]
    rng: random.Random
    keys: random.Random
    think_seconds: float
    case_id: str = ""
    case_ref: str = ""

    async def run(self) -> None:
        """From the registration to the end of the last referral."""
        sender = self.rng.choice(SENDING)
        others = [unit for unit in OFFERING if partner_of(unit) != partner_of(sender)]
        count = 2 if self.rng.random() < TWO_SERVICES_SHARE else 1
        recipients = self.rng.sample(others, min(count, len(others)))
        await self.register(sender)
        walks = await self.allow(sender, recipients)
        while walks:
            await self.think()
            walk = self.rng.choice(walks)
            if walk.steps:
                await self.step(walk, walk.steps.pop(0))
            else:
                walks.remove(walk)

    async def think(self) -> None:
        await asyncio.sleep(self.rng.uniform(0, self.think_seconds))

    async def register(self, sender: str) -> None:
        """The person's record."""
        answer = await self.do(sender, "intake", "/v1/persons", PERSON)
        self.case_ref = str(answer.body["case_ref"])
        self.case_id = self.resolve(partner_of(sender), self.case_ref)
        self.ledger.note("person.registered", self.case_id, sender)

    async def allow(self, sender: str, recipients: list[str]) -> list[Walk]:
        """One signature for all services the person is to be referred to."""
        body = signed(*(consent(sender, recipient, TRANSFER) for recipient in recipients))
        answer = await self.do(sender, "intake", f"/v1/persons/{self.case_ref}/consents", body)
        given = {each["to_unit"]: each["consent_ref"] for each in answer.body["consents"]}
        walks = []
        for recipient in recipients:
            ref = str(given[recipient])
            consent_id = self.note_consent(sender, ref, sender, recipient, TRANSFER)
            walks.append(Walk(sender, recipient, ref, consent_id, self.plan()))
        return walks

    def note_consent(self, by: str, ref: str, from_unit: str, to_unit: str, scope: str, **more: Any) -> str:
        """Write a consent down under its id, and return that."""
        consent_id = self.resolve(partner_of(by), ref)
        said = {"consent_id": consent_id, "from_unit": from_unit, "to_unit": to_unit, "scope": scope}
        self.ledger.note("consent.given", self.case_id, by, **said, **more)
        return consent_id

    def plan(self, may_be_withdrawn: bool = True) -> list[str]:
        """What is to happen; a withdrawal cuts it short, and now and then somebody acts although it is too late."""
        steps = ["request", *self.rng.choice(PLANS)]
        if not may_be_withdrawn or self.rng.random() > WITHDRAWN_SHARE:
            return steps
        cut = self.rng.randint(0, len(steps))
        how = "withdraw calmly" if self.rng.random() < CALM_SHARE else "withdraw"
        rest = steps[cut : cut + 1] if cut and self.rng.random() < 0.5 else []
        again = ["again"] if self.rng.random() < AGAIN_SHARE else []
        return [*steps[:cut], how, *(f"late {step}" for step in rest if step in PAST), *again]

    async def step(self, walk: Walk, step: str) -> None:
        """Do the next thing."""
        if step == "request":
            await self.request(walk)
        elif step == "feedback":
            await self.give_feedback(walk)
        elif step == "take feedback back":
            await self.take_feedback_back(walk)
        elif step.startswith("withdraw"):
            await self.withdraw(walk, calmly=step.endswith("calmly"))
        elif step.startswith("cancel as "):
            await self.cancel(walk, walk.sender if step.endswith("sender") else walk.recipient)
        elif step == "again":
            await self.begin_again(walk)
        else:
            await self.act(walk, step.removeprefix("late "), is_late=step.startswith("late "))

    async def request(self, walk: Walk) -> None:
        """Refer the person; the consent may still be on its way to the referral service."""
        body = {"case_ref": self.case_ref, "offer_id": self.offers[walk.recipient]}
        answer = await self.once_known(walk.sender, "referral", "/v1/referrals", body, "no-consent")
        walk.referral_id, walk.state = str(answer.body["referral_id"]), "requested"
        said = {"referral_id": walk.referral_id, "consent_id": walk.consent_id, "offer_id": body["offer_id"]}
        self.ledger.note("referral.requested", self.case_id, walk.sender, to_unit=walk.recipient, **said)

    async def act(self, walk: Walk, verb: str, *, is_late: bool = False) -> None:
        """What the service does with the referral; after a withdrawal it may be refused."""
        said = self.said(verb)
        answer = await self.ask(walk.recipient, "referral", f"/v1/referrals/{walk.referral_id}/{verb}", said)
        if is_late and answer.status == 409:
            return
        _require_done(answer, f"{verb} of {walk.referral_id}")
        walk.state, walk.outcome = PAST[verb], str(said.get("outcome", ""))
        self.ledger.note(f"referral.{walk.state}", self.case_id, walk.recipient, referral_id=walk.referral_id, **said)

    def said(self, verb: str) -> dict[str, Any]:
        """What goes with an act."""
        if verb == "start":
            return {"first_contact_on": datetime.now(UTC).date().isoformat()}
        if verb == "accept":
            return acceptance()
        if verb == "complete":
            return {"outcome": self.rng.choice(("need-met", "advised-once", "enrolled"))}
        return {"reason": self.rng.choice(("no-capacity", "out-of-area"))} if verb == "reject" else {}

    async def cancel(self, walk: Walk, unit: str) -> None:
        """One of the two ends it early."""
        path = f"/v1/referrals/{walk.referral_id}/cancel"
        await self.do(unit, "referral", path, {"reason": "recalled"})
        walk.state = "ended"
        self.ledger.note("referral.ended", self.case_id, unit, referral_id=walk.referral_id)

    async def give_feedback(self, walk: Walk) -> None:
        """The person lets the service tell the sender; go on when the referral service knows it.

        The outcome is signed first: whoever has heard of the second consent has heard of both.
        """
        scopes = [OUTCOME, STATUS] if self.rng.random() < 0.5 else [STATUS]
        body = signed(*(consent(walk.recipient, walk.sender, scope) for scope in scopes))
        path = f"/v1/referrals/{walk.referral_id}/consents"
        answer = await self.once_known(walk.recipient, "intake", path, body, "not-found")
        given = {each["scope"]: each["consent_ref"] for each in answer.body["consents"]}
        for scope in scopes:
            more = {"referral_id": walk.referral_id}
            ref = str(given[scope])
            consent_id = self.note_consent(walk.recipient, ref, walk.recipient, walk.sender, scope, **more)
            if scope == STATUS:
                walk.feedback_ref, walk.feedback_id = ref, consent_id
        await self.until(lambda: self.sender_knows(walk), f"the sender may see how {walk.referral_id} goes")

    async def sender_knows(self, walk: Walk) -> bool:
        """Whether the referral service shows the sender the true state."""
        path = f"/v1/referrals/{walk.referral_id}"
        answer = await self.client.ask(None, walk.sender, "referral", "GET", path)
        _require_done(answer, f"GET {path}")
        return bool(answer.body["state"] == ("in-progress" if walk.state == "started" else walk.state))

    async def take_feedback_back(self, walk: Walk) -> None:
        """The sender shall hear no more; go on when both have heard of it."""
        await self.settled()
        await self.do(walk.recipient, "intake", f"/v1/consents/{walk.feedback_ref}/withdraw")
        self.ledger.note(
            "consent.withdrawn", self.case_id, walk.recipient, consent_id=walk.feedback_id, scope=STATUS, calm=True
        )
        await self.settled()

    async def withdraw(self, walk: Walk, *, calmly: bool) -> None:
        """The person takes the consent to the transfer back: calmly, when all before it has arrived, or at once."""
        if calmly:
            await self.settled()
        await self.do(walk.sender, "intake", f"/v1/consents/{walk.consent_ref}/withdraw")
        said = {"consent_id": walk.consent_id, "scope": TRANSFER, "calm": calmly}
        self.ledger.note("consent.withdrawn", self.case_id, walk.sender, **said)
        if walk.referral_id:
            await self.fetch_in_vain(walk)

    async def fetch_in_vain(self, walk: Walk) -> None:
        """The gate is live: nothing that begins after the withdrawal's answer gets the person's data."""
        path = f"/v1/referrals/{walk.referral_id}/person"
        if await self.client.is_given(walk.recipient, "intake", path):
            raise Refused(f"GET {path} gave the person's data after the withdrawal was answered")

    async def begin_again(self, walk: Walk) -> None:
        """A new consent to the same service, once the old referral has ended for everybody."""
        if walk.state not in OPEN:
            return
        await self.settled()
        [new] = await self.allow(walk.sender, [walk.recipient])
        walk.consent_ref, walk.consent_id, walk.referral_id, walk.state = new.consent_ref, new.consent_id, "", ""
        walk.steps = [
            # What the person allowed the service to tell still holds, if it was not taken back.
            step
            for step in self.plan(may_be_withdrawn=False)
            if not (walk.feedback_ref and "feedback" in step)
        ]

    async def settled(self) -> None:
        """Wait until everything about this case that must have arrived has."""

        async def has_arrived() -> bool:
            return not missing(expected_of(self.ledger.of(self.case_id), PARTNERS), self.ears.seen)

        await self.until(has_arrived, f"all of case {self.case_id} has arrived")

    async def until(self, condition: Callable[[], Any], claim: str) -> None:
        """Ask now and then until it holds. Raises NoAnswer when patience ends."""
        pause, waited = 0.05, 0.0
        while not await condition():
            if waited > self.client.patience_seconds:
                raise NoAnswer(f"not in {waited:.0f} s: {claim}")
            await asyncio.sleep(pause)
            waited, pause = waited + pause, min(pause * 1.5, LONGEST_PAUSE_SECONDS)

    async def once_known(self, unit: str, service: str, path: str, body: Any, unknown: str) -> Answer:
        """Ask until the service has heard on the bus of what the request speaks of."""
        found: list[Answer] = []

        async def is_known() -> bool:
            answer = await self.ask(unit, service, path, body)
            if answer.code == unknown:
                return False
            found.append(answer)
            return True

        await self.until(is_known, f"POST {path} is answered with something else than {unknown}")
        _require_done(found[0], f"POST {path}")
        return found[0]

    async def ask(self, unit: str, service: str, path: str, body: Any = None) -> Answer:
        return await self.client.ask(self.keys, unit, service, "POST", path, body or {})

    async def do(self, unit: str, service: str, path: str, body: Any = None) -> Answer:
        answer = await self.ask(unit, service, path, body)
        _require_done(answer, f"POST {path}")
        return answer


def _require_done(answer: Answer, what: str) -> None:
    if not answer.is_done:
        raise Refused(f"{what}: {answer.status} {answer.body}")
