"""Idempotency-Key: the same request twice is done once; its row is the first lock of the transaction.

Scope: partner, route, key. Only a keyed hash of the request and the ids of the result are kept, never a body.
"""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from services.chassis.db import Connection
from services.chassis.keys import Key, as_columns
from services.chassis.schedule import Job

KEPT = timedelta(days=7)
ROWS_A_BATCH = 1000


class Claim(NamedTuple):
    """An Idempotency-Key, whose it is and for what; the request's digest; the ids of what it makes or changes."""

    partner: str
    route: str
    key: str
    digest: bytes
    ids: Sequence[str]


NO_CLAIM = (None,) * len(Claim._fields)


def digest(secret: bytes, said: str, body: bytes) -> bytes:
    """A hash of the request that tells nothing about it without the secret. `said`: path, unit, If-Match."""
    return hmac.new(secret, said.encode() + b"\0" + body, hashlib.sha256).digest()


class Opened(NamedTuple):
    """How a change begins: the time of its decisions, and the ids of the same request, had it been done before."""

    now: datetime
    done_before: Sequence[str] | None


class SwappedKey(Exception):
    """The key was used before for another request."""


async def open_change(conn: Connection, claim: Claim | None, keys: Iterable[Key]) -> Opened:
    """Begin a change: take its Idempotency-Key (None: it has none), lock `keys`, read the clock; one round trip.

    Waits for another transaction that holds the Idempotency-Key; one that was used before locks no keys. Raises
    SwappedKey when it was used for another request.
    """
    row = await conn.fetchrow(
        """
        select moment, is_repeat, earlier_digest, earlier_ids
        from chassis.open_change($1, $2, $3, $4, $5, $6, $7)
        """,
        *(claim or NO_CLAIM),
        *as_columns(keys),
    )
    if claim is None or not row["is_repeat"]:
        return Opened(row["moment"], None)
    if not hmac.compare_digest(row["earlier_digest"] or b"", claim.digest):
        raise SwappedKey
    return Opened(row["moment"], row["earlier_ids"])


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
