"""The disclosure log beyond the gate: rows that enter their chain later, restores, and the signed heads."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from schemas import PersonDisclosed, Received, UnitId, new_id, partner_of
from schemas.calendar import local_day
from schemas.disclosure_chain import Disclosure, Kind
from services.chassis import identity
from services.chassis.db import Connection
from services.chassis.pairwise import References
from services.chassis.signing import SigningKey
from services.intake.store import disclosures

UNKNOWN_SUBJECT = "unknown since a restore"
# The chain's head is locked meanwhile, and the gate for that recipient waits.
ROWS_AT_ONCE = 500


async def log_adopted(
    conn: Connection, references: References, received: Received[PersonDisclosed], now: datetime
) -> None:
    """Log a disclosure that only the bus still knew of, under the id of its event and behind the restore itself."""
    fetched = received.data
    recipient = partner_of(fetched.to_unit)
    if await disclosures.is_logged(conn, received.id):
        return
    await mark_restored(conn, [recipient], now)
    adopted = Disclosure(
        recipient=recipient,
        kind=Kind.ADOPTED,
        disclosure_id=received.id,
        disclosed_at=received.time,
        referral_id=fetched.referral_id,
        case_ref=references.reference(recipient, fetched.case_id),
        to_unit=fetched.to_unit,
        fetched_by=UNKNOWN_SUBJECT,
        data_categories=tuple(fetched.data_categories),
    )
    await disclosures.append(conn, adopted)


async def mark_all_restored(conn: Connection, partners: Iterable[str], now: datetime) -> None:
    """Say in every chain that the database went back, also where the chain itself is what was lost."""
    await mark_restored(conn, {*partners, *await disclosures.recipients(conn)}, now)


async def mark_restored(conn: Connection, recipients: Iterable[str], now: datetime) -> None:
    """Say in these chains, once an epoch, that what follows was written on a restored database."""
    epoch = await identity.epoch(conn)
    for recipient in await disclosures.not_marked_restored(conn, sorted(recipients), epoch):
        await disclosures.append(conn, Disclosure(recipient, Kind.RESTORED, new_id(), now, epoch=epoch))


async def chain_waiting(conn: Connection, references: References, unit: UnitId) -> None:
    """Take rows of a unit that are in no chain yet into its partner's, the oldest first."""
    recipient = partner_of(unit)
    for row in await disclosures.take_waiting(conn, unit, ROWS_AT_ONCE):
        consent_refs = tuple(references.reference(recipient, each) for each in row["consent_ids"])
        said = {name: value for name, value in row.items() if name not in ("consent_ids", "data_categories")}
        categories = tuple(row["data_categories"])
        await disclosures.append(
            conn, Disclosure(recipient, consent_refs=consent_refs, data_categories=categories, **said)
        )


def day_that_ended(now: datetime) -> date:
    """The last whole day, in local time: the day for which heads are signed."""
    return local_day(now) - timedelta(days=1)


async def sign_head(conn: Connection, key: SigningKey, recipient: str, now: datetime) -> None:
    """Sign where a chain ends, once a day: a second time changes nothing."""
    head = await disclosures.unsigned_head(conn, recipient, day_that_ended(now))
    if head is None:
        return
    await disclosures.note_key(conn, key.key_id, key.public, now)
    await disclosures.insert_signed_head(conn, head, key.key_id, key.sign(head.signed_text()))
