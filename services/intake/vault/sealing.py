"""What a person said, sealed category by category under a key of the person's own.

AES-256-GCM with a fresh 96-bit nonce, bound to the case, the category and the version of this scheme, so that no
ciphertext can be moved to another place.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schemas import CaseId
from schemas.codes import DataCategory
from services.intake.model.persons import Sealed

VERSION = 1
KEY_BYTES = 32
NONCE_BYTES = 12

Said = Mapping[str, Any]
"""What a person said of one category, as JSON values."""


@dataclass(frozen=True)
class DataKey:
    """One person's key; never stored, logged or shown as it is."""

    key_id: UUID
    secret: bytes = field(repr=False)


def new_data_key() -> DataKey:
    """Make a key; nothing is stored yet."""
    return DataKey(uuid4(), os.urandom(KEY_BYTES))


def seal(key: DataKey, case_id: CaseId, said: Mapping[DataCategory, Said]) -> list[Sealed]:
    """Seal what a person said, category by category."""
    return [_seal_one(key, case_id, category, value) for category, value in said.items()]


def _seal_one(key: DataKey, case_id: CaseId, category: DataCategory, value: Said) -> Sealed:
    nonce = os.urandom(NONCE_BYTES)
    plaintext = json.dumps(value, ensure_ascii=False).encode()
    ciphertext = AESGCM(key.secret).encrypt(nonce, plaintext, _bound_to(case_id, category, VERSION))
    return Sealed(category, VERSION, nonce, ciphertext)


def unseal(key: DataKey, case_id: CaseId, sealed: Iterable[Sealed]) -> dict[DataCategory, Said]:
    """Open what was sealed. Raises InvalidTag when anything of it was changed or moved."""
    return {each.category: _unseal_one(key, case_id, each) for each in sealed}


def _unseal_one(key: DataKey, case_id: CaseId, sealed: Sealed) -> Said:
    bound_to = _bound_to(case_id, sealed.category, sealed.version)
    value: Said = json.loads(AESGCM(key.secret).decrypt(sealed.nonce, sealed.ciphertext, bound_to))
    return value


def _bound_to(case_id: CaseId, category: DataCategory, version: int) -> bytes:
    """The case has 16 bytes and the version one, so no two places have the same text."""
    return case_id.bytes + category.encode() + bytes([version])
