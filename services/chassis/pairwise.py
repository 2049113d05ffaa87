"""Each partner's own references: one AES-256 block over an id's 16 bytes, under the partner's pairwise key.

A permutation: two partners cannot join Lotse's ids of a case, and Lotse can turn a reference back when a partner
asks. One block of ECB is exactly that permutation; there is no second block that could repeat a pattern.
"""

from collections.abc import Mapping
from uuid import UUID

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from services.chassis.config import Settings, StartError, read_secret


class References:
    """Ids to references and back, for every partner."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._ciphers = {partner: Cipher(algorithms.AES256(key), modes.ECB()) for partner, key in keys.items()}  # noqa: S305  # one block only, see above
        # Kept open, because making one costs more than a block: in ECB no block depends on those before it.
        self._encryptors = {partner: cipher.encryptor() for partner, cipher in self._ciphers.items()}

    def reference(self, partner: str, value: UUID) -> str:
        """The partner's reference of an id: 32 hex digits."""
        return self._encryptors[partner].update(value.bytes).hex()

    def resolve(self, partner: str, reference: str) -> UUID:
        """The id behind a partner's reference. Any 32 hex digits give some id: whether it exists, the caller looks up.

        Raises ValueError for other text.
        """
        raw = bytes.fromhex(reference)
        if len(raw) != 16:
            raise ValueError("a reference has 32 hex digits")
        decryptor = self._ciphers[partner].decryptor()
        return UUID(bytes=decryptor.update(raw) + decryptor.finalize())


def load_references(settings: Settings, secret_names: Mapping[str, str]) -> References:
    """Read the pairwise key of each partner (partner → name of its secret). Raises StartError."""
    keys = {partner: read_secret(settings, name) for partner, name in secret_names.items()}
    for partner, key in keys.items():
        if len(key) != 32:
            raise StartError(f"Secret {secret_names[partner]} must have 64 hex digits (32 bytes).")
    return References(keys)
