"""The disclosure log as its readers get it: one hash chain per recipient, whose heads are signed.

A row's hash is the SHA-256 of all its other fields as canonical JSON (RFC 8785: names sorted, UTF-8, no spaces; there
are only texts, lists of texts, whole numbers and null). It names its recipient, its number and the hash of the row
before, so a row that is changed, moved, left out or put in between does not fit any more.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

HASH_BYTES = 32
NO_HASH = bytes(HASH_BYTES)
"""What the first row of a chain names as the row before it."""

HEAD_TYPE = "lotse.disclosure-head.v1"
# Between the two stand the fields that only the chain can give: number and previous_hash.
PLACED = ("number", "previous_hash")


class Kind(StrEnum):
    """How a row came into the chain; kinds may be added."""

    DISCLOSED = "disclosed"
    EARLIER = "earlier"
    ADOPTED = "adopted"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One row before it has a place in its recipient's chain.

    kind: one of `Kind`. `disclosed`: at the gate, in the transaction that disclosed; `earlier`: logged before there was
      a chain; `adopted`: taken back from the bus after a restore; `restored`: the database itself went back.
    case_ref, consent_refs: the recipient's own references; None and () in a row that discloses nothing.
    epoch: of the service since that restore; None in every other row.
    """

    recipient: str
    kind: str
    disclosure_id: UUID
    disclosed_at: datetime
    referral_id: UUID | None = None
    case_ref: str | None = None
    to_unit: str | None = None
    fetched_by: str | None = None
    consent_refs: tuple[str, ...] = ()
    data_categories: tuple[str, ...] = ()
    epoch: int | None = None

    def fields(self) -> dict[str, Any]:
        """The row as JSON values, without its place."""
        return {
            "case_ref": self.case_ref,
            "consent_refs": list(self.consent_refs),
            "data_categories": list(self.data_categories),
            "disclosed_at": timestamp(self.disclosed_at),
            "disclosure_id": str(self.disclosure_id),
            "epoch": self.epoch,
            "fetched_by": self.fetched_by,
            "kind": str(self.kind),
            "recipient": self.recipient,
            "referral_id": str(self.referral_id) if self.referral_id else None,
            "to_unit": self.to_unit,
        }


@dataclass(frozen=True, slots=True)
class ChainedDisclosure:
    """A row with its place, as it is stored."""

    disclosure: Disclosure
    number: int
    previous_hash: bytes
    row_hash: bytes

    def fields(self) -> dict[str, Any]:
        """What the recipient reads of the row and what its hash is made of."""
        return self.disclosure.fields() | {"number": self.number, "previous_hash": self.previous_hash.hex()}

    def hash_of_fields(self) -> bytes:
        """The hash that these fields should have."""
        return hashlib.sha256(canonical(self.fields())).digest()


class Head(NamedTuple):
    """The last row of a recipient's chain at the end of a day."""

    recipient: str
    day: date
    number: int
    hash: bytes

    def fields(self) -> dict[str, Any]:
        """What is signed, as JSON values."""
        day, number, last = self.day.isoformat(), self.number, self.hash.hex()
        return {"type": HEAD_TYPE, "recipient": self.recipient, "day": day, "number": number, "hash": last}

    def signed_text(self) -> bytes:
        """What the signature is over."""
        return canonical(self.fields())


def canonical(fields: Mapping[str, Any]) -> bytes:
    """Canonical JSON of texts, lists of texts, whole numbers and null."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def canonical_around_place(fields: Mapping[str, Any]) -> tuple[str, str]:
    """The canonical JSON of a row up to its number, and from behind its previous_hash on.

    Both are given by whoever holds the chain's head, and stand side by side: names are sorted.
    """
    before = canonical({name: value for name, value in fields.items() if name < PLACED[0]})
    after = canonical({name: value for name, value in fields.items() if name > PLACED[1]})
    return before.decode()[:-1] + ",", "," + after.decode()[1:]


def timestamp(at: datetime) -> str:
    """RFC 3339 in UTC, always with microseconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
