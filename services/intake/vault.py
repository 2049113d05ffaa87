"""The vault: what a person said, sealed category by category, and the data keys in a database of their own.

One 256-bit data key a person. Each data category is sealed by itself (AES-256-GCM, fresh 96-bit nonce), bound to
its case, its category and the version of this scheme, so that no ciphertext can be moved to another place. The data
key is wrapped by the operator's key, bound to its id. Without the data key what is sealed is noise, in every backup.
"""

import json
import os
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import structlog
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schemas import CaseId
from schemas.codes import DataCategory
from services.chassis import db
from services.chassis.config import StartError, read_secret
from services.chassis.context import Context
from services.chassis.db import Database
from services.chassis.log import describe
from services.chassis.migrate import check_migrated
from services.intake.model.persons import Sealed

log = structlog.get_logger()

OPERATOR_KEY = "vault-operator-key"
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


@dataclass(frozen=True)
class WrappedKey:
    """A data key as it is stored."""

    key_id: UUID
    nonce: bytes
    wrapped: bytes


class Vault:
    """The data keys: made, fetched, destroyed."""

    def __init__(self, keys: Database, operator_key: bytes) -> None:
        self._keys = keys
        self._operator = AESGCM(operator_key)

    async def keep(self, key: DataKey) -> None:
        """Store a key, wrapped. A key is kept before its person is."""
        nonce = os.urandom(NONCE_BYTES)
        wrapped = self._operator.encrypt(nonce, key.secret, key.key_id.bytes)
        async with self._keys.transaction() as conn:
            await conn.execute(
                "insert into vault.data_key (key_id, version, nonce, wrapped) values ($1, $2, $3, $4)",
                key.key_id,
                VERSION,
                nonce,
                wrapped,
            )

    async def fetch(self, key_id: UUID) -> WrappedKey | None:
        """A key as it is stored; None when it was destroyed."""
        async with self._keys.reading() as conn:
            row = await conn.fetchrow("select nonce, wrapped from vault.data_key where key_id = $1", key_id)
        return WrappedKey(key_id, row["nonce"], row["wrapped"]) if row else None

    def unwrap(self, key: WrappedKey) -> DataKey:
        """The key itself. Raises InvalidTag when it was wrapped by another operator's key or for another id."""
        return DataKey(key.key_id, self._operator.decrypt(key.nonce, key.wrapped, key.key_id.bytes))

    async def destroy(self, key_id: UUID) -> None:
        """Delete a key for good; one that is gone already is no error."""
        async with self._keys.transaction() as conn:
            await conn.execute("delete from vault.data_key where key_id = $1", key_id)


@asynccontextmanager
async def open_vault(context: Context) -> AsyncIterator[Vault]:
    """The vault of this process. Raises StartError when a setting, the operator's key or a migration is missing.

    A keys database that is down does not keep intake from starting: withdrawals need no key and are always taken.
    """
    url = context.settings.keys_database_url
    if url is None:
        raise StartError(
            "Setting LOTSE_KEYS_DATABASE_URL is not set; the vault's data keys have a database of their own."
        )
    operator_key = read_secret(context.settings, OPERATOR_KEY)
    if len(operator_key) != KEY_BYTES:
        raise StartError(f"Secret {OPERATOR_KEY} must have 64 hex digits (32 bytes).")
    keys = await Database.open(str(url), "lotse-intake-keys", min_size=0, max_size=8)
    try:
        await _check(keys)
        yield Vault(keys, operator_key)
    finally:
        await keys.close()


async def _check(keys: Database) -> None:
    try:
        async with keys.reading() as conn:
            await check_migrated(conn, "intake", folder="sql_keys", with_chassis=False)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        if not db.is_transient(error):
            raise StartError(f"The keys database refuses the connection ({type(error).__name__}).") from None
        log.warning("keys_database_not_reachable_yet", error=describe(error))
