"""Who may do what: one table.

Part of the contract: roles come from the token, so whoever runs a partner's issuer has to know which to put into it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from schemas.codes import Code

EVERY_SERVICE = "every service"


class Role(Code, grows=False):
    """What the claim `roles` of a token may hold; other words in it open nothing.

    An operator belongs to no partner, everybody else to one.
    """

    CLERK = "clerk"
    COUNSELLOR = "counsellor"
    COORDINATOR = "coordinator"
    COMMISSIONER = "commissioner"
    SYSTEM = "system"
    OPERATOR = "operator"


class Relation(Code, grows=False):
    """How near something is to a caller, the nearest first."""

    OWN_UNIT = "own-unit"
    """It is a matter of the unit that the caller's token names."""
    SAME_PARTNER = "same-partner"
    """It is a matter of another unit of the caller's partner."""
    OTHER_PARTNER = "other-partner"
    """It is a matter of other partners only."""

    def includes(self, other: "Relation") -> bool:
        """Whether who reaches this far reaches the other too."""
        order = list(Relation)
        return order.index(other) <= order.index(self)


@dataclass(frozen=True)
class Action:
    """Something that callers do over HTTP; one or more routes.

    widest: for each role, in the order of Role, the farthest relation in which it may do it; None: not at all.
    """

    id: str
    service: str
    widest: tuple[Relation | None, ...]
    does: str

    @cached_property
    def reach(self) -> Mapping[Role, Relation]:
        """How far each role reaches that may do it at all."""
        return {role: widest for role, widest in zip(Role, self.widest, strict=True) if widest is not None}


UNIT, PARTNER, ALL, NO = Relation.OWN_UNIT, Relation.SAME_PARTNER, Relation.OTHER_PARTNER, None

# A matter of a person is the unit's that registered it; of a consent, both units' that it names; of a referral, both
# parties'. Which of two parties may do what when is a rule of referrals, not of permissions.
# fmt: off
TABLE = (
    #                                                   clerk    counsellor coordinator commissioner system operator
    Action("count-information",        "intake",        (UNIT,    UNIT,    NO,      UNIT,    UNIT,    NO),
           "Count people told of the offers, without saying whom."),
    Action("count-refusal",            "intake",        (UNIT,    UNIT,    NO,      UNIT,    UNIT,    NO),
           "Count people who refused a consent, without saying whom."),
    Action("read-notices",             "intake",        (ALL,     ALL,     ALL,     ALL,     ALL,     NO),
           "Look at the texts that people are shown before a consent."),
    Action("work-on-tasks",            "intake",        (UNIT,    UNIT,    UNIT,    NO,      UNIT,    NO),
           "See what the unit has to do about its consents, and say that it is done."),
    Action("register-person",          "intake",        (UNIT,    UNIT,    NO,      NO,      UNIT,    NO),
           "Register a person."),
    Action("read-person",              "intake",        (UNIT,    UNIT,    NO,      NO,      UNIT,    NO),
           "Look at a person's record, without what the person said."),
    Action("search-persons",           "intake",        (UNIT,    UNIT,    NO,      NO,      UNIT,    NO),
           "Find a person again whom the unit registered, by name and year of birth."),
    Action("record-consent",           "intake",        (UNIT,    UNIT,    NO,      NO,      UNIT,    NO),
           "Ask a person whom the unit registered for consents, record what the person says, and renew it."),
    Action("end-consent",              "intake",        (UNIT,    UNIT,    UNIT,    UNIT,    UNIT,    NO),
           "End a consent the unit recorded for another reason than that the person takes it back."),
    Action("record-feedback-consent",  "intake",        (UNIT,    UNIT,    NO,      NO,      UNIT,    NO),
           "Record that a service may tell the sender of a referral how it goes."),
    Action("record-cooperation-consent", "intake",      (UNIT,    UNIT,    NO,      NO,      UNIT,    NO),
           "Record that the unit may tell others with whom it works together on a case."),
    Action("withdraw-consent",         "intake",        (PARTNER, PARTNER, PARTNER, PARTNER, PARTNER, NO),
           "Take a consent back for the person."),
    Action("read-consent",             "intake",        (UNIT,    UNIT,    UNIT,    UNIT,    UNIT,    NO),
           "Look at a consent."),
    Action("hand-out-receipt",         "intake",        (UNIT,    UNIT,    NO,      NO,      UNIT,    NO),
           "Hand a person a receipt with a code for the person's own page, and block it."),
    Action("answer-access-request",    "intake",        (UNIT,    UNIT,    NO,      NO,      UNIT,    NO),
           "Give a person all that is kept about the person (Art. 15 and 20 DSGVO)."),
    Action("correct-person",           "intake",        (UNIT,    UNIT,    NO,      NO,      UNIT,    NO),
           "Put right what a person said."),
    Action("erase-person",             "intake",        (UNIT,    UNIT,    NO,      UNIT,    UNIT,    NO),
           "Erase a person who asks for it."),
    Action("hold-person",              "intake",        (NO,      NO,      UNIT,    UNIT,    UNIT,    NO),
           "Keep a person's data from being erased, and release it."),
    Action("fetch-person",             "intake",        (NO,      UNIT,    NO,      NO,      UNIT,    NO),
           "Fetch at the gate what the person of a received referral allows to be known."),
    Action("read-own-disclosures",     "intake",        (PARTNER, PARTNER, PARTNER, PARTNER, PARTNER, NO),
           "Read and check the chain of what the partner fetched."),
    Action("publish-offers",           "referral",      (PARTNER, PARTNER, PARTNER, PARTNER, PARTNER, NO),
           "Publish, change and withdraw offers, and say whether they have places."),
    Action("read-offers",              "referral",      (ALL,     ALL,     ALL,     ALL,     ALL,     NO),
           "Look at offers."),
    Action("publish-contacts",         "referral",      (PARTNER, PARTNER, PARTNER, PARTNER, PARTNER, NO),
           "Publish, change and withdraw contacts."),
    Action("read-contacts",            "referral",      (ALL,     ALL,     ALL,     ALL,     ALL,     NO),
           "Look at contacts."),
    Action("publish-materials",        "referral",      (PARTNER, PARTNER, PARTNER, PARTNER, PARTNER, NO),
           "Publish, change and withdraw information material."),
    Action("read-materials",           "referral",      (ALL,     ALL,     ALL,     ALL,     ALL,     NO),
           "Look at information material."),
    Action("publish-change-notices",   "referral",      (PARTNER, PARTNER, PARTNER, PARTNER, PARTNER, NO),
           "Give notice of relevant changes, put notices right and withdraw them."),
    Action("read-change-notices",      "referral",      (ALL,     ALL,     ALL,     ALL,     ALL,     NO),
           "Look at notices of relevant changes."),
    Action("state-training-needs",     "referral",      (PARTNER, PARTNER, PARTNER, PARTNER, PARTNER, NO),
           "State, change and close what the staff of the partner's units need to learn."),
    Action("offer-trainings",          "referral",      (PARTNER, PARTNER, PARTNER, PARTNER, PARTNER, NO),
           "Offer, change and cancel trainings, and count who was there."),
    Action("register-for-trainings",   "referral",      (UNIT,    UNIT,    UNIT,    UNIT,    UNIT,    NO),
           "Say how many people of the unit come to a training."),
    Action("read-trainings",           "referral",      (ALL,     ALL,     ALL,     ALL,     ALL,     NO),
           "Look at trainings, how many people they are counted for, and the needs that they answer."),
    Action("ask-for-routing",          "referral",      (ALL,     ALL,     ALL,     ALL,     ALL,     NO),
           "Ask which services fit a person; nothing of the question is kept."),
    Action("hand-out-slip",            "referral",      (UNIT,    UNIT,    NO,      UNIT,    UNIT,    NO),
           "Print where a person may go alone, which counts as one person told."),
    Action("request-referral",         "referral",      (UNIT,    UNIT,    NO,      NO,      UNIT,    NO),
           "Refer a person to an offer of another partner."),
    Action("read-referrals",           "referral",      (UNIT,    UNIT,    NO,      NO,      UNIT,    NO),
           "Look at referrals that were sent or received."),
    Action("act-on-received-referral", "referral",      (NO,      UNIT,    NO,      NO,      UNIT,    NO),
           "Answer a referral and say how the work on it goes, from its receipt to its end."),
    Action("cancel-referral",          "referral",      (UNIT,    UNIT,    NO,      NO,      UNIT,    NO),
           "End a referral early, as its sender or its recipient."),
    Action("annul-referral",           "referral",      (UNIT,    UNIT,    UNIT,    NO,      UNIT,    NO),
           "Say that a referral the unit sent should never have existed; it takes two persons."),
    Action("number-referral",          "referral",      (UNIT,    UNIT,    NO,      NO,      UNIT,    NO),
           "Write the unit's own number of a referral."),
    Action("dismiss-referral",         "referral",      (UNIT,    UNIT,    NO,      NO,      UNIT,    NO),
           "Take a referral the unit sent off the unit's worklists."),
    Action("link-household",           "referral",      (UNIT,    UNIT,    NO,      NO,      UNIT,    NO),
           "Say which persons that the unit has referred are one household."),
    Action("read-household",           "referral",      (UNIT,    UNIT,    NO,      NO,      UNIT,    NO),
           "Look up who belongs to a household, as far as the unit may know."),
    Action("propose-cooperation",      "referral",      (UNIT,    UNIT,    NO,      NO,      UNIT,    NO),
           "Ask units of other partners to work together on a person's case."),
    Action("read-cooperations",        "referral",      (UNIT,    UNIT,    NO,      NO,      UNIT,    NO),
           "Look at cooperations in which the unit has a part."),
    Action("take-part-in-cooperation", "referral",      (UNIT,    UNIT,    NO,      NO,      UNIT,    NO),
           "Agree to a cooperation or decline it, name a case lead, plan steps and meetings, end it."),
    Action("read-own-stream",          "notifier",      (PARTNER, PARTNER, PARTNER, PARTNER, PARTNER, NO),
           "Ask where the partner's stream is, and what was told on it."),
    Action("answer-recalls",           "notifier",      (PARTNER, PARTNER, PARTNER, NO,      PARTNER, NO),
           "See what the partner is asked after a consent ended or a person was erased, and answer it."),
    Action("read-compliance",          "reporting",     (ALL,     ALL,     ALL,     ALL,     ALL,     NO),
           "Look at the agreement clause by clause."),
    Action("look-at-vault-keys",       "intake",        (NO,      NO,      NO,      NO,      NO,      ALL),
           "See which keys wrap the data keys, and how many."),
    Action("rotate-vault-keys",        "intake",        (NO,      NO,      NO,      NO,      NO,      ALL),
           "Wrap the data keys anew under the current key."),
    Action("look-at-parked-keys",      EVERY_SERVICE,   (NO,      NO,      NO,      NO,      NO,      ALL),
           "See what could not be applied, and what operators did about it; never an event's contents."),
    Action("mend-parked-keys",         EVERY_SERVICE,   (NO,      NO,      NO,      NO,      NO,      ALL),
           "Try parked keys again, and let go of what is beyond help."),
)
# fmt: on

ACTIONS: Mapping[str, Action] = {action.id: action for action in TABLE}
