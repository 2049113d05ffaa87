"""The disclosure log: each recipient's chain, its signed heads, and the keys that signed them."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from schemas.disclosure_chain import ChainedDisclosure, Disclosure, Head, canonical_around_place
from services.chassis.db import Connection

ROW = """
    recipient, number, kind, disclosure_id, disclosed_at, referral_id, case_ref, to_unit, fetched_by, consent_refs,
    data_categories, epoch, previous_hash, row_hash
"""


async def append_at_commit(conn: Connection, disclosure: Disclosure) -> None:
    """Append a row to its recipient's chain when the transaction commits, and not at all if it does not.

    The chain's head is locked by the commit itself, after all other locks and for no longer.
    """
    await conn.execute(
        """
        insert into intake.disclosure_draft (before, after, recipient, kind, disclosure_id, disclosed_at, referral_id,
                                             case_ref, to_unit, fetched_by, consent_refs, data_categories, epoch)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        """,
        *canonical_around_place(disclosure.fields()),
        disclosure.recipient,
        disclosure.kind,
        disclosure.disclosure_id,
        disclosure.disclosed_at,
        disclosure.referral_id,
        disclosure.case_ref,
        disclosure.to_unit,
        disclosure.fetched_by,
        list(disclosure.consent_refs),
        list(disclosure.data_categories),
        disclosure.epoch,
    )


async def append(conn: Connection, disclosure: Disclosure) -> None:
    """Append a row at once, for a transaction that looks at the log again: the head stays locked until it ends."""
    await append_at_commit(conn, disclosure)
    await conn.execute("set constraints intake.disclosure_draft_chains immediate")


async def is_logged(conn: Connection, disclosure_id: UUID) -> bool:
    """Whether the log has this disclosure."""
    found = await conn.fetchval("select 1 from intake.disclosure where disclosure_id = $1", disclosure_id)
    return found is not None


async def not_marked_restored(conn: Connection, recipients: Sequence[str], epoch: int) -> Sequence[str]:
    """Those of the recipients whose chain does not name the restore that began this epoch, in order."""
    rows = await conn.fetch(
        """
        select recipient from unnest($1::text[]) as wanted (recipient)
        except select recipient from intake.disclosure where kind = 'restored' and epoch = $2
        order by 1
        """,
        list(recipients),
        epoch,
    )
    return [row["recipient"] for row in rows]


async def recipients(conn: Connection) -> Sequence[str]:
    """All who have a chain."""
    rows = await conn.fetch("select recipient from intake.disclosure_head order by recipient")
    return [row["recipient"] for row in rows]


async def units_waiting_for_chain(conn: Connection, limit: int) -> Sequence[str]:
    """Units with rows that are in no chain yet."""
    rows = await conn.fetch(
        "select distinct to_unit from intake.disclosure where number is null order by to_unit limit $1", limit
    )
    return [row["to_unit"] for row in rows]


async def take_waiting(conn: Connection, unit: str, limit: int) -> Sequence[Mapping[str, Any]]:
    """Take rows of a unit that are in no chain yet out of the table, the oldest first, for whoever chains them now."""
    rows: Sequence[Mapping[str, Any]] = await conn.fetch(
        """
        with taken as (
            delete from intake.disclosure where disclosure_id in (
                select disclosure_id from intake.disclosure where number is null and to_unit = $1
                order by disclosed_at, disclosure_id limit $2
                for update
            ) returning *
        )
        select kind, disclosure_id, disclosed_at, referral_id, case_ref, to_unit, fetched_by, consent_ids,
               data_categories
        from taken order by disclosed_at, disclosure_id
        """,
        unit,
        limit,
    )
    return rows


async def chain_after(conn: Connection, recipient: str, after: int, limit: int) -> Sequence[ChainedDisclosure]:
    """A recipient's rows behind a number, in order."""
    rows = await conn.fetch(
        f"select {ROW} from intake.disclosure where recipient = $1 and number > $2 order by number limit $3",  # noqa: S608  # a constant
        recipient,
        after,
        limit,
    )
    return [chained(row) for row in rows]


def chained(row: Mapping[str, Any]) -> ChainedDisclosure:
    """A row of the table (the columns of ROW)."""
    disclosure = Disclosure(
        recipient=row["recipient"],
        kind=row["kind"],
        disclosure_id=row["disclosure_id"],
        disclosed_at=row["disclosed_at"],
        referral_id=row["referral_id"],
        case_ref=row["case_ref"],
        to_unit=row["to_unit"],
        fetched_by=row["fetched_by"],
        consent_refs=tuple(row["consent_refs"]),
        data_categories=tuple(row["data_categories"]),
        epoch=row["epoch"],
    )
    return ChainedDisclosure(disclosure, row["number"], row["previous_hash"], row["row_hash"])


UNSIGNED = """
    from intake.disclosure_head as h
    cross join lateral (
        select max(s.number) as number, max(s.day) as day from intake.signed_head as s where s.recipient = h.recipient
    ) as last
    where h.number > coalesce(last.number, 0) and coalesce(last.day < $1, true)
"""


async def unsigned_chains(conn: Connection, day: date, limit: int) -> Sequence[str]:
    """Recipients whose chain has grown since its head was last signed, if that was for an earlier day."""
    rows = await conn.fetch(f"select h.recipient {UNSIGNED} order by h.recipient limit $2", day, limit)
    return [row["recipient"] for row in rows]


async def unsigned_head(conn: Connection, recipient: str, day: date) -> Head | None:
    """Where such a chain ends now; None where there is nothing to sign for that day."""
    row = await conn.fetchrow(f"select h.number, h.hash {UNSIGNED} and h.recipient = $2", day, recipient)
    return Head(recipient, day, row["number"], row["hash"]) if row else None


async def note_key(conn: Connection, key_id: str, public_key: bytes, now: datetime) -> None:
    """Publish a key for good, and note that it was used."""
    await conn.execute(
        """
        insert into intake.signing_key (key_id, public_key, first_used_at, last_used_at) values ($1, $2, $3, $3)
        on conflict (key_id) do update set last_used_at = greatest(signing_key.last_used_at, excluded.last_used_at)
        """,
        key_id,
        public_key,
        now,
    )


async def insert_signed_head(conn: Connection, signed: Head, key_id: str, signature: bytes) -> None:
    """Keep a signed head; the first of a day stays."""
    await conn.execute(
        """
        insert into intake.signed_head (recipient, day, number, hash, key_id, signature) values ($1, $2, $3, $4, $5, $6)
        on conflict do nothing
        """,
        *signed,
        key_id,
        signature,
    )


async def signed_heads_after(
    conn: Connection, recipient: str, after: date | None, limit: int
) -> Sequence[tuple[Head, str, bytes]]:
    """A recipient's signed heads of later days in order, each with the key's id and the signature."""
    rows = await conn.fetch(
        """
        select recipient, day, number, hash, key_id, signature from intake.signed_head
        where recipient = $1 and day > coalesce($2::date, '-infinity') order by day limit $3
        """,
        recipient,
        after,
        limit,
    )
    return [signed_head(row) for row in rows]


def signed_head(row: Mapping[str, Any]) -> tuple[Head, str, bytes]:
    """A row of the table of signed heads."""
    return Head(row["recipient"], row["day"], row["number"], row["hash"]), row["key_id"], row["signature"]


async def signing_keys(conn: Connection) -> Sequence[Mapping[str, Any]]:
    """Every key that ever signed: public_key, first_used_at, last_used_at, the oldest first."""
    rows: Sequence[Mapping[str, Any]] = await conn.fetch(
        "select public_key, first_used_at, last_used_at from intake.signing_key order by first_used_at, key_id"
    )
    return rows
