"""What data keys are wrapped with: the operator's own keys, or a KMS (kms.py) behind the same small interface."""

import hmac
import os
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.intake.vault.sealing import KEY_BYTES, NONCE_BYTES


class Wrapped(NamedTuple):
    """A data key as it is stored.

    by: the id of the wrapping key; None: written before keys had ids. nonce: empty where the wrapped bytes need none.
    """

    by: str | None
    nonce: bytes
    wrapped: bytes


class WrappingKeyLost(Exception):
    """Nobody here has the key that a data key is wrapped under. The text names its id."""


class WrapperAway(Exception):
    """The wrapping key is elsewhere, and nobody answers there now."""


class KeyWrapper(Protocol):
    """Wraps and unwraps data keys. `current`: the id of the key that new data keys are wrapped under."""

    @property
    def current(self) -> str: ...

    @property
    def former(self) -> Sequence[str]:
        """Ids of keys that still unwrap."""

    async def wrap(self, secret: bytes, bound_to: bytes) -> Wrapped:
        """Wrap under the current key, so that it opens only together with `bound_to`."""

    async def unwrap(self, wrapped: Wrapped, bound_to: bytes) -> bytes:
        """The secret. Raises WrappingKeyLost, WrapperAway, and InvalidTag when it was changed or moved."""

    async def close(self) -> None:
        """Let go of what is open."""


class OperatorKeys:
    """The operator's own keys, 32 bytes each: the current one, and former ones that rotation has not emptied yet."""

    def __init__(self, current: bytes, former: Sequence[bytes] = ()) -> None:
        self._keys = {key_id_of(key): AESGCM(key) for key in (current, *former)}
        self._current = key_id_of(current)

    @property
    def current(self) -> str:
        return self._current

    @property
    def former(self) -> Sequence[str]:
        return [each for each in self._keys if each != self._current]

    async def wrap(self, secret: bytes, bound_to: bytes) -> Wrapped:
        nonce = os.urandom(NONCE_BYTES)
        return Wrapped(self._current, nonce, self._keys[self._current].encrypt(nonce, secret, bound_to))

    async def unwrap(self, wrapped: Wrapped, bound_to: bytes) -> bytes:
        if wrapped.by is None:
            return self._tried(wrapped, bound_to)
        key = self._keys.get(wrapped.by)
        if key is None:
            raise WrappingKeyLost(wrapped.by)
        return key.decrypt(wrapped.nonce, wrapped.wrapped, bound_to)

    async def close(self) -> None:
        return None

    def _tried(self, wrapped: Wrapped, bound_to: bytes) -> bytes:
        """One from before keys had ids opens with one of them, or with none that is known."""
        for key in self._keys.values():
            try:
                return key.decrypt(wrapped.nonce, wrapped.wrapped, bound_to)
            except InvalidTag:
                continue
        raise WrappingKeyLost("unnamed")


def key_id_of(key: bytes) -> str:
    """A short name of a key that tells nothing about it."""
    return hmac.digest(key, b"lotse vault operator key", "sha256")[:6].hex()


def split_keys(text: bytes) -> list[bytes]:
    """Several keys that stand one behind the other. Raises ValueError when one is cut short."""
    if len(text) % KEY_BYTES:
        raise ValueError("a key has 64 hex digits")
    return [text[start : start + KEY_BYTES] for start in range(0, len(text), KEY_BYTES)]
