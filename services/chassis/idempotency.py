"""Idempotency-Key: the same request twice is done once; its row is the first lock of the transaction.

Scope: partner, route, key. Only a keyed hash of the request and the ids of the result are kept, never a body.
"""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from services.chassis.db import Connection
from services.chassis.keys import Key
from services.chassis.schedule import Job

KEPT = timedelta(days=7)
ROWS_A_BATCH = 1000


class Scope(NamedTuple):
    """Whose key it is, and for what."""

    partner: str
    route: str
    key: str


def digest(secret: bytes, said: str, body: bytes) -> bytes:
    """A hash of the request that tells nothing about it without the secret. `said`: path, unit, If-Match."""
    return hmac.new(secret, said.encode() + b"\0" + body, hashlib.sha256).digest()


class SwappedKey(Exception):
    """The key was used before for another request."""


async def claim(conn: Connection, scope: Scope, request_digest: bytes) -> list[str] | None:
    """Take the key for this transaction, or return the ids of the request that used it before.

    Waits for another transaction that holds it. Raises SwappedKey when the earlier request was another one.
    """
    fresh = await conn.fetchval(
        """
        insert into chassis.idempotency (partner, route, key, digest, created_at)
        values ($1, $2, $3, $4, chassis.lotse_now())
        on conflict do nothing returning 1
        """,
        *scope,
        request_digest,
    )
    if fresh:
        return None
    row = await conn.fetchrow(
        "select digest, ids from chassis.idempotency where partner = $1 and route = $2 and key = $3", *scope
    )
    if row is None or not hmac.compare_digest(row["digest"], request_digest):
        raise SwappedKey
    return list(row["ids"])


async def store(conn: Connection, scope: Scope, ids: Sequence[str]) -> None:
    """Remember what the request made."""
    await conn.execute(
        "update chassis.idempotency set ids = $4 where partner = $1 and route = $2 and key = $3",
        *scope,
        list(ids),
    )


async def _find(conn: Connection, now: datetime, limit: int) -> Sequence[int]:
    """One item for each batch that is due."""
    old: int = await conn.fetchval(
        "select count(*) from (select 1 from chassis.idempotency where created_at < $1 limit $2) as counted",
        now - KEPT,
        limit * ROWS_A_BATCH,
    )
    return range(-(-old // ROWS_A_BATCH))


def _no_keys(_item: int) -> Sequence[Key]:
    return []


async def _forget(conn: Connection, _item: int, now: datetime) -> None:
    """A small batch: one statement for a week's rows would hold its locks for long and leave as many dead at once."""
    await conn.execute(
        """
        delete from chassis.idempotency where ctid = any(array(
            select ctid from chassis.idempotency where created_at < $1
            order by created_at limit $2 for update skip locked))
        """,
        now - KEPT,
        ROWS_A_BATCH,
    )


FORGET_OLD_KEYS = Job("forget-idempotency-keys", timedelta(hours=1), _find, _no_keys, _forget)
