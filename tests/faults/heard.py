"""What a partner got: one record of its stream, and which fact it tells."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

Resolve = Callable[[str, str], str]
"""Turns a partner's own reference back into the id: `resolve(partner, reference)`."""

CLOSING = frozenset({"consent.withdrawn", "consent.expired", "referral.ended", "person.erased"})
"""What is told although the consent is over; from the partner guide, not from the code."""


class Fact(NamedTuple):
    """One thing a partner can be told, the same in the ledger and on a stream.

    about: the id of the referral, consent or offer. detail: what tells two of the same kind apart.
    """

    what: str
    about: str
    detail: str = ""

    @property
    def closes(self) -> bool:
        """Whether it ends something."""
        return self.what in CLOSING

    def __str__(self) -> str:
        return " ".join(part for part in self if part)


@dataclass(frozen=True)
class Heard:
    """One record of a partner's stream. position: its place among the records read, from 0.

    digest: over everything the partner sees of it, so that a repeat can be told from another record of that number.
    """

    partner: str
    position: int
    at: float
    number: int
    ce_id: str
    fact: Fact
    case: str
    data: Mapping[str, Any]
    digest: str


def heard(
    partner: str,
    position: int,
    at: float,
    key: bytes,
    headers: Sequence[tuple[str, bytes]],
    value: bytes,
    resolve: Resolve,
) -> Heard:
    """Read one record as a partner does, its references turned back into ids."""
    said = {name: text.decode() for name, text in headers}
    data = json.loads(value)
    what = ".".join(said["ce_type"].split(".")[1:3])
    case = resolve(partner, data["case_ref"]) if "case_ref" in data else ""
    digest = hashlib.sha256(repr((key, sorted(headers), value)).encode()).hexdigest()
    return Heard(
        partner,
        position,
        at,
        int(said["ce_sequence"]),
        said["ce_id"],
        _fact(partner, what, data, resolve),
        case,
        data,
        digest,
    )


def _fact(partner: str, what: str, data: Mapping[str, Any], resolve: Resolve) -> Fact:
    kind = what.partition(".")[0]
    if what == "referral.status_shared":
        return Fact(what, data["referral_id"], f"{data['status']} {data.get('outcome') or ''}".strip())
    if kind == "referral":
        return Fact(what, data["referral_id"])
    if kind == "consent":
        return Fact(what, resolve(partner, data["consent_ref"]))
    if kind == "offer":
        return Fact(what, data["offer_id"], data["description"])
    return Fact(what, json.dumps(data, sort_keys=True))
