"""The blind index: by which a unit finds a person again without the vault being opened, and nobody else can.

HMAC-SHA-256 under a key of each unit's own over a pair of names and the year of birth. Whoever has the database and
not the key can tell nothing from it, and two units' entries of the same person have nothing in common. Whoever has
both can try names: the key belongs with the vault's.
"""

import hmac
from collections.abc import Sequence

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from schemas import UnitId
from services.chassis.config import Settings, StartError, read_secret
from services.intake.model.names import name_pairs
from services.intake.vault.sealing import KEY_BYTES

INDEX_KEY = "blind-index-key"


class BlindIndex:
    """Makes what stands in the index, and what is looked for there."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def entries(self, unit: UnitId, name: str, birth_year: int | None) -> Sequence[bytes]:
        """What a person is found by in a unit's index, 32 bytes each; birth_year None: only an age band is known."""
        key = HKDF(SHA256(), KEY_BYTES, salt=None, info=f"lotse blind index {unit}".encode()).derive(self._secret)
        year = "" if birth_year is None else str(birth_year)
        # There are only letters in names, so no two entries are of the same text.
        texts = ["\0".join([*pair, year]).encode() for pair in name_pairs(name)]
        return [hmac.digest(key, text, "sha256") for text in texts]


def load_blind_index(settings: Settings) -> BlindIndex:
    """The index of this installation. Raises StartError when its key is missing or too short."""
    secret = read_secret(settings, INDEX_KEY)
    if len(secret) != KEY_BYTES:
        raise StartError(f"Secret {INDEX_KEY} must have 64 hex digits (32 bytes).")
    return BlindIndex(secret)
