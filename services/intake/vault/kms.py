"""Data keys wrapped by a KMS that speaks the Transit API of OpenBao and HashiCorp Vault.

POST /v1/transit/encrypt/<key> and /v1/transit/decrypt/<key>; the key must be an AEAD key (aes256-gcm96), because the
id of a data key goes along as associated data. The KMS never hands its key out, and keeps its own versions of it.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
from cryptography.exceptions import InvalidTag

from services.intake.vault.wrapping import KeyWrapper, Wrapped, WrapperAway, WrappingKeyLost

SECONDS = 3.0
PREFIX = "kms:"


class TransitKms:
    """One key of a KMS; data keys that the operator's own keys still wrap are opened with those.

    url: of the KMS. key: its name there. token: what logs in. before: the operator's keys, until rotation has emptied
    them.
    """

    def __init__(self, url: str, key: str, token: str, before: KeyWrapper | None = None) -> None:
        self._url, self._key, self._token, self._before = url.rstrip("/"), key, token, before
        self._session: aiohttp.ClientSession | None = None

    @property
    def current(self) -> str:
        return f"{PREFIX}{self._key}"

    @property
    def former(self) -> Sequence[str]:
        return [self._before.current, *self._before.former] if self._before else []

    async def wrap(self, secret: bytes, bound_to: bytes) -> Wrapped:
        said = {"plaintext": _text(secret), "associated_data": _text(bound_to)}
        data = await self._ask("encrypt", self._key, said)
        return Wrapped(self.current, b"", str(data["ciphertext"]).encode())

    async def unwrap(self, wrapped: Wrapped, bound_to: bytes) -> bytes:
        if wrapped.by is None or not wrapped.by.startswith(PREFIX):
            if self._before is None:
                raise WrappingKeyLost(wrapped.by or "unnamed")
            return await self._before.unwrap(wrapped, bound_to)
        said = {"ciphertext": wrapped.wrapped.decode(), "associated_data": _text(bound_to)}
        data = await self._ask("decrypt", wrapped.by.removeprefix(PREFIX), said)
        return b64decode(data["plaintext"])

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _ask(self, act: str, key: str, said: Mapping[str, str]) -> Mapping[str, Any]:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=SECONDS)
            self._session = aiohttp.ClientSession(timeout=timeout, headers={"X-Vault-Token": self._token})
        try:
            async with self._session.post(f"{self._url}/v1/transit/{act}/{key}", json=said) as answer:
                return await _data(answer, key)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise WrapperAway(f"the KMS does not answer ({type(error).__name__})") from None


async def _data(answer: aiohttp.ClientResponse, key: str) -> Mapping[str, Any]:
    """What an answer holds. Of a refusal only the status is repeated: its text may quote what was sent."""
    if answer.status == 200:
        data: Mapping[str, Any] = (await answer.json())["data"]
        return data
    if answer.status == 404:
        raise WrappingKeyLost(f"{PREFIX}{key}")
    if answer.status == 400:
        raise InvalidTag
    raise WrapperAway(f"the KMS answers {answer.status}")


def _text(secret: bytes) -> str:
    return b64encode(secret).decode()
