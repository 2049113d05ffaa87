"""Idempotency-Key: the same request twice is done once; its row is the first lock of the transaction.

Scope: partner, route, key. Only a keyed hash of the request and the ids of the result are kept, never a body.
"""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from services.chassis.db import Connection
from services.chassis.forgetting import forget_old
from services.chassis.keys import Key, as_columns

KEPT = timedelta(days=7)


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


FORGET_OLD_KEYS = forget_old("forget-idempotency-keys", "chassis.idempotency", "created_at", KEPT)
