"""What the page reads through views made for it, and how often somebody guessed."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from schemas import CaseId, UnitId
from schemas.codes import DataCategory
from services.chassis.db import Connection
from services.intake.store.receipts import Fetch
from services.intake.store.rights import Telling

FREE_TRIES = 5
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=15), timedelta(hours=24)
# Nobody waits longer than that, so an older count says nothing any more.
FORGOTTEN_AFTER = timedelta(hours=48)


class OpenReceipt(NamedTuple):
    """A receipt whose code opens a page."""

    receipt_id: UUID
    case_id: CaseId
    pin_hash: str
    language: str


async def receipt_by_code(conn: Connection, code_hash: bytes) -> OpenReceipt | None:
    """The receipt a code belongs to."""
    row = await conn.fetchrow(
        "select receipt_id, case_id, pin_hash, language from page.receipt where code_hash = $1", code_hash
    )
    return OpenReceipt(**row) if row else None


async def receipt_by_id(conn: Connection, receipt_id: UUID) -> OpenReceipt | None:
    """The same by its id, as long as the code opens anything: asked at each step of a visit."""
    row = await conn.fetchrow(
        "select receipt_id, case_id, pin_hash, language from page.receipt where receipt_id = $1", receipt_id
    )
    return OpenReceipt(**row) if row else None


async def fetches(conn: Connection, receipt_id: UUID) -> Sequence[Fetch]:
    """Who fetched what of the person of a receipt, the latest first."""
    rows = await conn.fetch(
        """
        select disclosed_at, to_unit, data_categories from page.fetch where receipt_id = $1
        order by disclosed_at desc limit 200
        """,
        receipt_id,
    )
    return [
        Fetch(row["disclosed_at"], UnitId(row["to_unit"]), tuple(map(DataCategory, row["data_categories"])))
        for row in rows
    ]


async def told(conn: Connection, receipt_id: UUID) -> Sequence[Telling]:
    """Whom the partners' streams told of the person of a receipt, the latest first."""
    rows = await conn.fetch(
        """
        select told_at as at, partner, type from page.told where receipt_id = $1
        order by told_at desc, type, partner limit 200
        """,
        receipt_id,
    )
    return [Telling(**row) for row in rows]


async def count_try(conn: Connection, subject: bytes, free: int, now: datetime) -> bool:
    """Count a try before it is looked at, so that many at once are counted too; False when it must not be looked at.

    After every `free` tries one waits, each time twice as long, from 15 minutes to a day.
    """
    await conn.execute(
        """
        insert into page.attempt (subject, wrong, wait_until, seen_at) values ($1, 0, '-infinity', $2)
        on conflict do nothing
        """,
        subject,
        now,
    )
    row = await conn.fetchrow(
        "select wrong, wait_until > $2 as waits, seen_at from page.attempt where subject = $1 for update", subject, now
    )
    if row["waits"]:
        return False
    wrong = 1 + (row["wrong"] if row["seen_at"] > now - FORGOTTEN_AFTER else 0)
    await conn.execute(
        "update page.attempt set wrong = $2, wait_until = $4, seen_at = $3 where subject = $1",
        subject,
        wrong,
        now,
        now + wait_after(wrong, free),
    )
    return True


def wait_after(wrong: int, free: int) -> timedelta:
    """How long one waits after that many wrong tries."""
    rounds, rest = divmod(wrong, free)
    if rest or not rounds:
        return timedelta()
    doubled: int = 2 ** min(rounds - 1, 10)
    return min(FIRST_WAIT * doubled, LONGEST_WAIT)


async def forget_tries(conn: Connection, *subjects: bytes) -> None:
    """The right PIN: the tries before it do not count any more."""
    await conn.execute("delete from page.attempt where subject = any($1::bytea[])", subjects)


async def forget_old_tries(conn: Connection, now: datetime) -> None:
    """Take away counts that mean nothing any more, a few at a time."""
    await conn.execute(
        """
        delete from page.attempt where subject = any(array(
            select subject from page.attempt where seen_at < $1 order by seen_at limit 100 for update skip locked))
        """,
        now - FORGOTTEN_AFTER,
    )
