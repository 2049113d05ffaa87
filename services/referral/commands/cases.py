"""A run of events about cases: what is known of them is read at once, what became of them is written at once."""

from collections.abc import Sequence
from datetime import datetime

from schemas import CaseEvent, ConsentSigned, Event, Received
from services.chassis import identity, outbox
from services.chassis.db import Connection
from services.referral.model.cases import FEEDBACK, Cases
from services.referral.store import consents, cooperations, drafts, households, referrals


async def load(conn: Connection, events: Sequence[Received[Event]]) -> Cases:
    """Read what judging these events takes: consents where one is signed, else what may be touched by them."""
    said = [event.data for event in events if isinstance(event.data, CaseEvent)]
    gifts = [each for each in said if isinstance(each, ConsentSigned)]
    known, erased = await consents.known_of(conn, {each.case_id for each in gifts}) if gifts else ([], [])
    acting = {each.case_id for each in said if not isinstance(each, ConsentSigned) or each.scope in FEEDBACK}
    found = await referrals.referrals_of(conn, acting) if acting else []
    ending = {each.case_id for each in said if each.terminal}
    together = await cooperations.open_cooperations_of(conn, ending) if ending else []
    is_catching_up = bool(gifts and found) and await identity.recovery(conn) is not None
    return Cases(known, erased, found, together, is_catching_up=is_catching_up)


async def save(conn: Connection, cases: Cases, now: datetime) -> None:
    """Write what the run made of the cases, and tell it."""
    # First what is dropped: a consent that ended after the erasure leaves its tombstone all the same.
    if cases.newly_erased:
        await consents.forget_consents(conn, cases.newly_erased, now)
        await drafts.forget_drafts(conn, cases.newly_erased)
        await households.forget_members(conn, cases.newly_erased)
    if cases.changed_consents:
        await consents.save_consents(conn, cases.changed_consents)
    if cases.moved_referrals:
        await referrals.update_referrals(conn, cases.moved_referrals, now)
    if cases.moved_cooperations:
        await cooperations.save_cooperations(conn, cases.moved_cooperations, now)
    if cases.shared_referrals:
        await referrals.note_shared(conn, cases.shared_referrals)
    await outbox.publish_all(conn, cases.told, at=now)
