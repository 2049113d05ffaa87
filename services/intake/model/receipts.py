"""Receipts: the paper a person takes home, and the code on it."""

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from schemas import CaseId, PartnerSlug, UnitId

CODE_BYTES = 16
MODULUS = 37
# Crockford's base32: no I, L, O, U; the five last serve as check characters only.
SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ*~$=U"
_DIGITS = 26  # of 5 bits each, for 128
_AS_READ = {"O": "0", "I": "1", "L": "1"}


@dataclass(frozen=True)
class Opening:
    """What opens the person's page, as it is kept: the code as SHA-256, the PIN under argon2id."""

    code_hash: bytes
    pin_hash: str


@dataclass(frozen=True)
class Receipt:
    """One receipt. opening: None where the person wanted no page. references: of the case, by recipient."""

    receipt_id: UUID
    case_id: CaseId
    opening: Opening | None
    language: str
    made_by: UnitId
    made_at: datetime
    blocked_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether its code opens the person's page, as far as the receipt decides."""
        return self.opening is not None and self.blocked_at is None


CaseReferences = Mapping[PartnerSlug, str]
"""How each partner's disclosure chain names a case."""


def written(code: bytes) -> str:
    """A code of 16 bytes as people copy it: groups of four and a check character at the end."""
    number = int.from_bytes(code)
    digits = [SYMBOLS[number >> shift & 31] for shift in range(5 * (_DIGITS - 1), -1, -5)]
    text = "".join(digits) + SYMBOLS[number % MODULUS]
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def read(text: str) -> bytes | None:
    """The code that somebody typed: upper or lower case, O for 0, with any spaces and hyphens; None for a slip."""
    letters = [_AS_READ.get(letter, letter) for letter in plain(text).upper() if letter not in "- "]
    if len(letters) != _DIGITS + 1 or any(letter not in SYMBOLS for letter in letters):
        return None
    values = [SYMBOLS.index(letter) for letter in letters]
    if max(values[:-1]) > 31:
        return None
    number = sum(value << 5 * place for place, value in enumerate(reversed(values[:-1])))
    if number >> 8 * CODE_BYTES or number % MODULUS != values[-1]:
        return None
    return number.to_bytes(CODE_BYTES)


def plain(text: str) -> str:
    """The same with the digits of whatever script as 0 to 9: Arabic keyboards write others."""
    digits = (unicodedata.decimal(letter, None) for letter in text.strip())
    return "".join(letter if digit is None else str(digit) for letter, digit in zip(text.strip(), digits, strict=True))


def code_hash(code: bytes) -> bytes:
    """What is kept of a code."""
    return hashlib.sha256(code).digest()
