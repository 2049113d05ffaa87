"""What the consents known here allow at a moment."""

from collections.abc import Collection, Mapping
from datetime import datetime

from schemas import CaseId, ConsentId, Topic
from schemas.codes import Scope
from services.chassis import keys
from services.chassis.db import Connection
from services.chassis.keys import Key
from services.referral.model.consents import Direction
from services.referral.store import consents as store


def case_key(case_id: CaseId) -> Key:
    """What orders everything about a case."""
    return Key(Topic.CASES, str(case_id))


async def known_scopes(
    conn: Connection, directions: Collection[Direction], now: datetime
) -> Mapping[Direction, frozenset[Scope]]:
    """What is allowed in each direction; nothing in a parked case, where an unread event may have ended it."""
    readable = await _readable(conn, directions)
    return await store.held_scopes(conn, readable, now) if readable else {}


async def household_consents(
    conn: Connection, directions: Collection[Direction], scope: Scope, now: datetime
) -> Mapping[Direction, ConsentId]:
    """The consents that let it be said in each direction that the person belongs to a household; as known_scopes."""
    readable = await _readable(conn, directions)
    return await store.household_consents(conn, readable, scope, now) if readable else {}


async def _readable(conn: Connection, directions: Collection[Direction]) -> Collection[Direction]:
    if not directions:
        return []
    parked = await keys.parked_among(conn, {case_key(each.case_id) for each in directions})
    return [each for each in directions if case_key(each.case_id) not in parked]


async def known_consent(conn: Connection, direction: Direction, scope: Scope, now: datetime) -> ConsentId | None:
    """The consent that something of this scope may rest on; None in a parked case too."""
    if await keys.parked_among(conn, {case_key(direction.case_id)}):
        return None
    return await store.longest_consent(conn, direction, scope, now)
