"""The data keys in a database of their own, one a person, each wrapped by the operator's key or by a KMS.

Without the data key what is sealed is noise, in every backup.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple
from uuid import UUID

import asyncpg
import structlog
from cryptography.exceptions import InvalidTag

from services.chassis import db
from services.chassis.config import Settings, StartError, read_secret, read_text_secret
from services.chassis.context import Context
from services.chassis.db import Database
from services.chassis.log import describe
from services.chassis.migrate import check_migrated
from services.intake.vault.kms import TransitKms
from services.intake.vault.sealing import KEY_BYTES, VERSION, DataKey
from services.intake.vault.wrapping import KeyWrapper, OperatorKeys, Wrapped, WrappingKeyLost, split_keys

log = structlog.get_logger()

OPERATOR_KEY, FORMER_KEYS, KMS_TOKEN = "vault-operator-key", "vault-operator-key-former", "vault-kms-token"
FIRST = UUID(int=0)


class Rewrapped(NamedTuple):
    """What one step of a rotation did. stuck: keys that nobody here can unwrap. last: where the next step begins."""

    done: int
    stuck: int
    last: UUID | None


class Vault:
    """The data keys: made, opened, wrapped anew, destroyed."""

    def __init__(self, keys: Database, wrapper: KeyWrapper) -> None:
        self._keys = keys
        self.wrapper = wrapper

    async def keep(self, key: DataKey) -> None:
        """Store a key, wrapped. A key is kept before its person is. Raises WrapperAway."""
        wrapped = await self.wrapper.wrap(key.secret, key.key_id.bytes)
        async with self._keys.transaction() as conn:
            await conn.execute(
                "insert into vault.data_key (key_id, version, wrapped_by, nonce, wrapped) values ($1, $2, $3, $4, $5)",
                key.key_id,
                VERSION,
                *wrapped,
            )

    async def open(self, key_id: UUID) -> DataKey | None:
        """A key, unwrapped; None when it was destroyed. Raises what `KeyWrapper.unwrap` does.

        Asks other machines, so never within a transaction on intake's database.
        """
        async with self._keys.reading() as conn:
            row = await conn.fetchrow("select wrapped_by, nonce, wrapped from vault.data_key where key_id = $1", key_id)
        return DataKey(key_id, await self.wrapper.unwrap(Wrapped(*row), key_id.bytes)) if row else None

    async def destroy(self, key_id: UUID) -> None:
        """Delete a key for good; one that is gone already is no error."""
        async with self._keys.transaction() as conn:
            await conn.execute("delete from vault.data_key where key_id = $1", key_id)

    async def rewrap(self, after: UUID, limit: int) -> Rewrapped:
        """Wrap up to `limit` keys behind `after` anew that are not under the current key, in the order of their ids.

        Each is replaced only as it was read: one that was destroyed meanwhile does not come back.
        """
        async with self._keys.reading() as conn:
            rows = await conn.fetch(
                """
                select key_id, wrapped_by, nonce, wrapped from vault.data_key
                where key_id > $1 and wrapped_by is distinct from $2 order by key_id limit $3
                """,
                after,
                self.wrapper.current,
                limit,
            )
        results = [await self._rewrap(row["key_id"], Wrapped(*list(row)[1:])) for row in rows]
        last = rows[-1]["key_id"] if len(rows) == limit else None
        return Rewrapped(results.count(True), results.count(False), last)

    async def _rewrap(self, key_id: UUID, before: Wrapped) -> bool:
        try:
            secret = await self.wrapper.unwrap(before, key_id.bytes)
        except (WrappingKeyLost, InvalidTag):
            return False
        after = await self.wrapper.wrap(secret, key_id.bytes)
        async with self._keys.transaction() as conn:
            await conn.execute(
                """
                update vault.data_key set wrapped_by = $3, nonce = $4, wrapped = $5
                where key_id = $1 and wrapped = $2
                """,
                key_id,
                before.wrapped,
                *after,
            )
        return True

    async def count(self) -> Mapping[str | None, int]:
        """How many keys there are by the id of what wraps them; None: from before keys had ids."""
        async with self._keys.reading() as conn:
            rows = await conn.fetch("select wrapped_by, count(*) as keys from vault.data_key group by 1 order by 1")
        return {row["wrapped_by"]: row["keys"] for row in rows}

    def state_of(self, wrapped_by: str | None) -> str:
        """current, former, unknown; unnamed: opened by trying, until a rotation names what wraps it."""
        if wrapped_by is None:
            return "unnamed"
        if wrapped_by == self.wrapper.current:
            return "current"
        return "former" if wrapped_by in self.wrapper.former else "unknown"


@asynccontextmanager
async def open_vault(context: Context) -> AsyncIterator[Vault]:
    """The vault of this process. Raises StartError when a setting, the operator's key or a migration is missing.

    A keys database or a KMS that is down does not keep intake from starting: withdrawals need no key.
    """
    url = context.settings.keys_database_url
    if url is None:
        raise StartError(
            "Setting LOTSE_KEYS_DATABASE_URL is not set; the vault's data keys have a database of their own."
        )
    wrapper = _wrapper(context.settings)
    keys = await Database.open(str(url), "lotse-intake-keys", min_size=0, max_size=8)
    try:
        await _check(keys)
        yield Vault(keys, wrapper)
    finally:
        await wrapper.close()
        await keys.close()


def _wrapper(settings: Settings) -> KeyWrapper:
    if settings.kms_url is None:
        return _operator_keys(settings)
    if not settings.kms_key:
        raise StartError("Setting LOTSE_KMS_KEY is not set; it names the key of the KMS that wraps data keys.")
    own = settings.vault_operator_key is not None or (settings.secrets_dir / OPERATOR_KEY).exists()
    before = _operator_keys(settings) if own else None
    return TransitKms(str(settings.kms_url), settings.kms_key, read_text_secret(settings, KMS_TOKEN), before)


def _operator_keys(settings: Settings) -> OperatorKeys:
    return OperatorKeys(_current_key(settings), _former_keys(settings))


def _current_key(settings: Settings) -> bytes:
    given = settings.vault_operator_key
    try:
        key = bytes.fromhex(given.get_secret_value()) if given else read_secret(settings, OPERATOR_KEY)
    except ValueError:
        raise StartError("Setting LOTSE_VAULT_OPERATOR_KEY must hold hex digits only.") from None
    if len(key) != KEY_BYTES:
        raise StartError(f"Secret {OPERATOR_KEY} must have 64 hex digits (32 bytes).")
    return key


def _former_keys(settings: Settings) -> Sequence[bytes]:
    if not (settings.secrets_dir / FORMER_KEYS).exists():
        return []
    try:
        return split_keys(read_secret(settings, FORMER_KEYS))
    except ValueError:
        raise StartError(f"Secret {FORMER_KEYS} must have 64 hex digits (32 bytes) in each line.") from None


async def _check(keys: Database) -> None:
    try:
        async with keys.reading() as conn:
            await check_migrated(conn, "intake", folder="sql_keys", with_chassis=False)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        if not db.is_transient(error):
            raise StartError(f"The keys database refuses the connection ({type(error).__name__}).") from None
        log.warning("keys_database_not_reachable_yet", error=describe(error))
