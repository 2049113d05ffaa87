"""What each partner must know, worked out from the ledger alone: who acted, who is named, what the person allowed.

Nothing of the notifier is used here. Three kinds of expectation:

- MUST: it arrives.
- MAY: the change was acknowledged while a withdrawal was on its way, or right before it. Intake and referral write to
  the bus independently, so either can be first. What one service said keeps its order: with a later one of these,
  every earlier one has arrived too.
- WITH: it arrives exactly when another fact does: who never heard of a referral does not hear of its end.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from tests.faults.heard import Fact
from tests.faults.ledger import OUTCOME, STATUS, TRANSFER, Change, Ledger, partner_of

OPEN = frozenset({"requested", "received", "accepted", "started"})
TOLD_WITH_FEEDBACK = frozenset({"accepted", "started", "completed"})


class Rule(StrEnum):
    """How certain it is that a fact arrives."""

    MUST = "must"
    MAY = "may"
    WITH = "with"


@dataclass(frozen=True)
class Expected:
    """One fact that a partner is to hear.

    number: the change of the ledger it comes from. chain: facts of one chain arrive in the order of `number`, then of
    `step` (one change can tell two). group: of the MAYs of one group the later ones prove the earlier ones.
    given: with which fact it arrives (WITH). after: facts that stand before it in the stream if they are there.
    ends: facts after which it must not come any more. data: values it has; absent: fields it lacks.
    """

    partner: str
    fact: Fact
    number: int
    rule: Rule = Rule.MUST
    chain: str = ""
    step: int = 0
    group: str = ""
    given: Fact | None = None
    after: tuple[Fact, ...] = ()
    ends: tuple[Fact, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    absent: tuple[str, ...] = ()

    @property
    def place(self) -> tuple[int, int]:
        """Where it stands in its chain or group."""
        return self.number, self.step


@dataclass
class Consent:
    """One consent while its case is gone through; `withdrawn`: the change that ended it."""

    consent_id: str
    from_unit: str
    to_unit: str
    scope: str
    withdrawn: Change | None = None

    def tells(self, referral: "Referral") -> bool:
        """Whether it is about telling the sender of that referral how it goes."""
        return (self.from_unit, self.to_unit) == (referral.to_unit, referral.from_unit)


@dataclass
class Referral:
    """One referral while its case is gone through."""

    referral_id: str
    consent: Consent
    from_unit: str
    to_unit: str
    requested: Fact
    state: str = "requested"
    outcome: str = ""
    recipient_acted: bool = False
    untold: list[Change] = field(default_factory=list)
    """What its service did while the sender was not to hear of it."""

    @property
    def sender(self) -> str:
        return partner_of(self.from_unit)

    @property
    def recipient(self) -> str:
        return partner_of(self.to_unit)


def expectations(ledger: Ledger, partners: Sequence[str]) -> list[Expected]:
    """Everything the partners are to hear of what stands in the ledger."""
    return [each for about in ledger.subjects for each in expected_of(ledger.of(about), partners)]


def expected_of(changes: Sequence[Change], partners: Sequence[str]) -> list[Expected]:
    """What is to be heard of one case, or of one offer."""
    if not changes:
        return []
    if changes[0].what.startswith("offer."):
        return [each for change in changes for each in _of_offer(change, partners)]
    if changes[0].what == "information.counted":
        return []
    return _Case(changes[0].about).go_through(changes)


def _of_offer(change: Change, partners: Iterable[str]) -> Iterable[Expected]:
    """Every partner but the acting one hears of an offer."""
    fact = Fact(change.what, change.about, change.data["description"])
    for partner in partners:
        if partner != partner_of(change.by):
            changes = {"changes": change.data["changes"]} if "changes" in change.data else {}
            yield Expected(partner, fact, change.number, chain=f"offer {change.about}", data=changes)


class _Case:
    """Goes through the changes of one case and collects what its partners are to hear."""

    def __init__(self, case: str) -> None:
        self._case = case
        self._consents: dict[str, Consent] = {}
        self._referrals: dict[str, Referral] = {}
        self._found: list[tuple[Referral | None, Expected]] = []
        self._is_silent = False

    def go_through(self, changes: Sequence[Change]) -> list[Expected]:
        """The expectations of all changes, in their order."""
        for change in changes:
            kind, _, verb = change.what.partition(".")
            if change.what == "case.poisoned":
                self._is_silent = True
            elif change.what == "consent.given":
                self._give(change)
            elif change.what == "consent.withdrawn":
                self._withdraw(change)
            elif change.what == "referral.requested":
                self._request(change)
            elif kind == "referral":
                self._act(change, verb)
        for consent in self._consents.values():
            if consent.withdrawn is not None and consent.scope == TRANSFER:
                self._end_what_rested_on(consent, consent.withdrawn)
        return [self._as_certain_as_it_is(referral, each) for referral, each in self._found]

    def _tell(self, partner: str, fact: Fact, change: Change, referral: Referral | None = None, **more: Any) -> None:
        """Note a fact; with a `referral` it is one that nothing may follow which ends that referral."""
        if self._is_silent and fact.what != "consent.withdrawn":
            self._tell_of_parked(partner, fact, change)
            return
        more.setdefault("chain", f"{fact.what.partition('.')[0]} {self._case}")
        if referral is not None:
            withdrawn = Fact("consent.withdrawn", referral.consent.consent_id)
            more["ends"] = (withdrawn, Fact("referral.ended", referral.referral_id))
            more.setdefault("group", f"referral {referral.referral_id}")
        self._found.append((referral, Expected(partner, fact, change.number, **more)))

    def _tell_of_parked(self, partner: str, fact: Fact, change: Change) -> None:
        """Of a parked case nothing is told but what closes it, and an end that is not for good may wait as well."""
        if fact.closes:
            self._found.append((None, Expected(partner, fact, change.number, Rule.MAY)))

    def _give(self, change: Change) -> None:
        data = change.data
        given = Consent(data["consent_id"], data["from_unit"], data["to_unit"], data["scope"])
        self._consents[given.consent_id] = given
        if given.scope == STATUS:
            self._share(change, self._referrals[data["referral_id"]])

    def _share(self, change: Change, referral: Referral) -> None:
        """A consent to feedback that comes late tells the sender where the referral stands.

        What the referral service said just before may reach the bus behind it, and is then told as well.
        """
        for earlier in referral.untold:
            told = Fact(earlier.what, referral.referral_id)
            self._tell(referral.sender, told, earlier, referral, step=1, rule=Rule.MAY, group="")
        referral.untold.clear()
        status = "in-progress" if referral.state == "started" else referral.state
        outcome = referral.outcome if self._feedback(referral, OUTCOME) else ""
        fact = Fact("referral.status_shared", referral.referral_id, f"{status} {outcome}".strip())
        self._tell(referral.sender, fact, change, referral)

    def _request(self, change: Change) -> None:
        data = change.data
        consent = self._consents[data["consent_id"]]
        fact = Fact("referral.requested", data["referral_id"])
        referral = Referral(data["referral_id"], consent, change.by, data["to_unit"], fact)
        self._referrals[referral.referral_id] = referral
        self._tell(referral.recipient, fact, change, referral, data={"offer_id": data["offer_id"]})

    def _act(self, change: Change, verb: str) -> None:
        referral = self._referrals[change.data["referral_id"]]
        if verb == "ended":
            self._cancel(change, referral)
            return
        referral.recipient_acted = True
        if verb in ("accepted", "rejected") and referral.state == "requested":
            self._tell(referral.sender, Fact("referral.received", referral.referral_id), change, referral)
        referral.state, referral.outcome = verb, change.data.get("outcome", "")
        if verb in TOLD_WITH_FEEDBACK and not self._feedback(referral, STATUS):
            referral.untold.append(change)
            return
        fact, hidden = Fact(change.what, referral.referral_id), tuple[str, ...]()
        said = {name: change.data[name] for name in ("reason", "first_contact_on", "outcome") if name in change.data}
        if "outcome" in said and not self._feedback(referral, OUTCOME):
            said, hidden = {}, ("outcome",)
        self._tell(referral.sender, fact, change, referral, step=1, data=said, absent=hidden)

    def _cancel(self, change: Change, referral: Referral) -> None:
        """One of the parties ends it; the other hears of it."""
        acting = partner_of(change.by)
        referral.recipient_acted = referral.recipient_acted or acting == referral.recipient
        referral.state = "ended"
        fact = Fact("referral.ended", referral.referral_id)
        if acting == referral.sender:
            self._tell_if_it_knows(referral, fact, change)
        else:
            self._tell(referral.sender, fact, change, None, **self._seen_by_sender(referral))

    def _withdraw(self, change: Change) -> None:
        consent = self._consents[change.data["consent_id"]]
        consent.withdrawn = change
        fact = Fact("consent.withdrawn", consent.consent_id)
        self._tell(partner_of(consent.from_unit), fact, change)
        if consent.scope != TRANSFER:
            self._tell(partner_of(consent.to_unit), fact, change)
            return
        for referral in self._referrals.values():
            if referral.consent is consent:
                self._tell(referral.recipient, fact, change, None, rule=Rule.WITH, given=referral.requested)

    def _end_what_rested_on(self, consent: Consent, change: Change) -> None:
        """What was still open when the referral service heard of the withdrawal is ended by it."""
        for referral in self._referrals.values():
            if referral.consent is not consent or referral.state not in OPEN:
                continue
            fact = Fact("referral.ended", referral.referral_id)
            # Other referrals of the case go on meanwhile: it has no place in the chain of the case.
            before = (
                Fact("consent.withdrawn", consent.consent_id),
                *(each.fact for of, each in self._found if of is referral),
            )
            more: dict[str, Any] = {"chain": "", "after": before}
            self._tell(referral.sender, fact, change, None, **more, **self._seen_by_sender(referral))
            self._tell_if_it_knows(referral, fact, change, **more)

    def _tell_if_it_knows(self, referral: Referral, fact: Fact, change: Change, **more: Any) -> None:
        """The recipient knows of a referral when it was told of the request, or when it has acted on it."""
        if not referral.recipient_acted:
            more |= {"rule": Rule.WITH, "given": referral.requested}
        self._tell(referral.recipient, fact, change, None, **more)

    def _seen_by_sender(self, referral: Referral) -> dict[str, Any]:
        """Without any consent to feedback a sender does not learn how it ended."""
        was_allowed = any(each.scope == STATUS and each.tells(referral) for each in self._consents.values())
        return {} if was_allowed else {"absent": ("mode", "reason")}

    def _feedback(self, referral: Referral, scope: str) -> bool:
        return any(
            each.scope == scope and each.withdrawn is None and each.tells(referral) for each in self._consents.values()
        )

    def _as_certain_as_it_is(self, referral: Referral | None, told: Expected) -> Expected:
        """A withdrawal makes uncertain what came after it, and before it what nobody had waited for."""
        withdrawn = referral.consent.withdrawn if referral else None
        if withdrawn is None or told.rule is not Rule.MUST:
            return told
        was_heard = withdrawn.data["calm"] and told.number < withdrawn.number
        return told if was_heard else replace(told, rule=Rule.MAY)
