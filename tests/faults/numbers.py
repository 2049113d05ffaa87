"""Reporting's numbers against the ledger's: what each counted clause of the agreement must have grown by."""

from collections.abc import Mapping
from typing import Any

from tests.faults.checker import Fault, Finding
from tests.faults.ledger import Ledger, partner_of
from tests.faults.people import CITY, OFFERING, PARTNERS

Numbers = Mapping[str, int]
"""Times done, by clause. K1: people told by the City. K2: referrals of the City received by a migration service.
K4: offers told to the City by migration services. K8: offers told to anybody."""

COUNTED = ("K1", "K2", "K4", "K8")


def numbers_of(ledger: Ledger) -> Numbers:
    """What the ledger's changes amount to."""
    offers = [change for change in ledger.changes if change.what.startswith("offer.")]
    informed = [change for change in ledger.changes if change.what == "information.counted"]
    return {
        "K1": sum(change.data["count"] for change in informed if change.by == CITY),
        "K2": _received(ledger),
        "K4": sum(1 for change in offers if change.by in OFFERING),
        "K8": len(offers) * (len(PARTNERS) - 1),
    }


def _received(ledger: Ledger) -> int:
    """Who accepts or rejects has received, whether or not it said so before."""
    mine = {
        change.data["referral_id"]
        for change in ledger.changes
        if change.what == "referral.requested"
        and partner_of(change.by) == partner_of(CITY)
        and change.data["to_unit"] in OFFERING
    }
    done = {
        change.data["referral_id"]
        for change in ledger.changes
        if change.what in ("referral.received", "referral.accepted", "referral.rejected")
    }
    return len(mine & done)


def numbers_in(compliance: Mapping[str, Any]) -> Numbers:
    """The same of reporting's answer."""
    done = {clause["id"]: clause["done"] for clause in compliance["clauses"]}
    return {clause: int(done[clause]) for clause in COUNTED}


def check_numbers(before: Numbers, after: Numbers, ledger: Ledger) -> list[Finding]:
    """Each clause that has not grown by what the ledger says."""
    return [
        Finding(Fault.NUMBERS, "reporting", f"{clause} grew by {after[clause] - before[clause]} instead of {wanted}")
        for clause, wanted in numbers_of(ledger).items()
        if after[clause] - before[clause] != wanted
    ]
