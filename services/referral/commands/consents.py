"""What a consent, its end and a person's erasure mean for referrals; the case is locked by the consumer."""

from collections.abc import Collection, Mapping
from datetime import datetime

from schemas import CaseId, ConsentEvent, ConsentGiven, ConsentId, Received, Topic
from schemas.codes import ConsentState, Scope
from services.chassis import identity, keys, outbox
from services.chassis.db import Connection
from services.chassis.keys import Key
from services.referral.model.consents import Direction
from services.referral.model.referrals import newly_shared, status_of
from services.referral.store import consents as store
from services.referral.store import referrals

FEEDBACK = frozenset({Scope.FEEDBACK_STATUS, Scope.FEEDBACK_OUTCOME})


def case_key(case_id: CaseId) -> Key:
    """What orders everything about a case."""
    return Key(Topic.CASES, str(case_id))


async def note_given(conn: Connection, cause: Received[ConsentGiven], now: datetime) -> None:
    """Keep a consent; when it is to feedback given late, tell the sender once where its referrals stand."""
    given = cause.data
    direction = Direction(given.case_id, given.from_unit, given.to_unit)
    # Not `known_scopes`: while a parked case is replayed it still counts as parked.
    held = (await store.held_scopes(conn, [direction], now)).get(direction, frozenset())
    is_kept = await store.insert_given(conn, given)
    if is_kept and given.valid_until > now and given.scope in FEEDBACK and given.scope not in held:
        await _share(conn, cause, held | {given.scope}, now)


async def _share(conn: Connection, cause: Received[ConsentGiven], held: frozenset[Scope], now: datetime) -> None:
    """Tell the sender of each referral of which it may know more than a moment ago."""
    given = cause.data
    transfer = Direction(given.case_id, given.to_unit, given.from_unit)
    # While a restored database catches up, states that came after the consent were told by their own events.
    is_catching_up = await identity.recovery(conn) is not None
    for referral in await referrals.referrals_between(conn, transfer, cause.time if is_catching_up else None):
        shared = newly_shared(referral, given.scope, held)
        if shared is not None:
            await referrals.note_shared(conn, referral.referral_id, shared)
            await outbox.publish(conn, status_of(referral, shared), at=now, cause=cause)


async def note_ended(conn: Connection, ended: ConsentEvent, state: ConsentState) -> None:
    """Keep that a consent is over for good, known before or not."""
    await store.end_consent(conn, ended, state)


async def forget(conn: Connection, case_id: CaseId, now: datetime) -> None:
    """Drop what is known of an erased person's consents."""
    await store.forget_consents(conn, case_id, now)


async def known_scopes(
    conn: Connection, directions: Collection[Direction], now: datetime
) -> Mapping[Direction, frozenset[Scope]]:
    """What is allowed in each direction; nothing in a parked case, where an unread event may have ended it."""
    if not directions:
        return {}
    parked = await keys.parked_among(conn, {case_key(each.case_id) for each in directions})
    return await store.held_scopes(conn, [each for each in directions if case_key(each.case_id) not in parked], now)


async def known_transfer(conn: Connection, direction: Direction, now: datetime) -> ConsentId | None:
    """The consent that a transfer may rest on; None in a parked case too."""
    if await keys.parked_among(conn, {case_key(direction.case_id)}):
        return None
    return await store.transfer_consent(conn, direction, now)
