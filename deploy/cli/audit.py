"""`lotse audit`."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import asyncpg
import typer

from deploy.cli.chain_check import ChainCheck, SignedHead
from deploy.cli.errors import CliError
from deploy.cli.running import attach
from deploy.cli.screen import out, progress
from deploy.local.layout import default_layout
from services.chassis.signing import key_id_of
from services.intake.store.disclosures import ROW, chained, signed_head

PAGE = 1000
Say = Callable[[str], None]
LEAKS = "names consents in clear, which are a person's"

commands = typer.Typer(no_args_is_help=True, help="Whether the disclosure log is what it was.")


def register(app: typer.Typer) -> None:
    app.add_typer(commands, name="audit")


@commands.callback()
def audit() -> None:
    """Whether the disclosure log is what it was."""


@dataclass
class Audit:
    """What was looked at. notes: what is not a fault but must not be passed over."""

    counts: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """One line."""
        counts = self.counts
        looked_at = f"{counts['chains']:,} chains, {counts['rows']:,} rows, {counts['signed heads']:,} signed heads"
        return f"{looked_at}: {counts['findings']:,} findings." if counts["findings"] else f"{looked_at}: all whole."


@commands.command()
def verify(
    recipient: Annotated[str | None, typer.Option(help="One partner's slug; all when left out.")] = None,
) -> None:
    """Follow every chain of the disclosure log and name each row that was changed, left out or moved.

    Reads intake's database, nothing else. Exit code 1 when anything is found.
    """
    url = attach(default_layout(), os.environ).databases["lotse_intake"]
    with progress() as say:
        done = asyncio.run(audit_chains(url, recipient, say, lambda text: out.print(text, markup=False)))
    for note in done.notes:
        out.print(note, markup=False)
    out.print(done.summary(), markup=False)
    if done.counts["findings"]:
        raise typer.Exit(1)


async def audit_chains(url: str, recipient: str | None, say: Say, tell: Say) -> Audit:
    """Follow the chains in one snapshot of the database, a page of rows in memory. tell: is given each finding."""
    conn = await asyncpg.connect(url, server_settings={"application_name": "lotse-audit"})
    try:
        async with conn.transaction(isolation="repeatable_read", readonly=True):
            return await _audit(conn, recipient, say, tell)
    finally:
        await conn.close()


async def _audit(conn: asyncpg.Connection, recipient: str | None, say: Say, tell: Say) -> Audit:
    if await conn.fetchval("select to_regclass('intake.disclosure_head')") is None:
        raise CliError("Intake's database has no chains yet.", "`lotse migrate` makes it ready for them.")
    names = await _recipients(conn)
    if recipient is not None and recipient not in names:
        raise CliError(f"There is no chain of {recipient}.", f"There are {', '.join(names) or 'none yet'}.")
    done = Audit()
    keys = await _keys(conn)
    for name in [recipient] if recipient else names:
        async for finding in _chain(conn, name, keys, done, say):
            done.counts["findings"] += 1
            tell(f"{name}: {finding}")
    await _note_waiting(conn, done)
    return done


async def _chain(
    conn: asyncpg.Connection, recipient: str, keys: Mapping[str, bytes], done: Audit, say: Say
) -> AsyncIterator[str]:
    signed = await _signed(conn, recipient)
    check = ChainCheck(signed, keys)
    rows = conn.cursor(
        f"""
        select {ROW}, consent_ids from intake.disclosure where recipient = $1 and number is not null
        order by number, disclosure_id
        """,  # noqa: S608  # a constant
        recipient,
        prefetch=PAGE,
    )
    async for row in rows:
        for finding in _row(row, check):
            yield finding
        if check.rows % PAGE == 0:
            say(f"{recipient}: {check.rows:,} rows")
    head = await conn.fetchrow("select number, hash from intake.disclosure_head where recipient = $1", recipient)
    for finding in check.end((head["number"], head["hash"]) if head else None):
        yield finding
    done.counts.update({"chains": 1, "rows": check.rows, "signed heads": len(signed)})
    done.notes += [
        f"{recipient}: {restored}; heads signed before may name other rows from here on" for restored in check.restored
    ]


def _row(row: Mapping[str, Any], check: ChainCheck) -> Iterator[str]:
    """Of a row that somebody has emptied, nulls are read as nothing."""
    full = {name: row[name] if row[name] is not None else empty for name, empty in NEVER_NULL.items()}
    yield from check.follow(chained({**row, **full}))
    if row["consent_ids"] is not None:
        yield f"number {row['number']}: {LEAKS}"


NEVER_NULL: Mapping[str, Any] = {"consent_refs": (), "data_categories": (), "previous_hash": b"", "row_hash": b""}


async def _recipients(conn: asyncpg.Connection) -> list[str]:
    rows = await conn.fetch(
        """
        select recipient from intake.disclosure where number is not null and recipient is not null
        union select recipient from intake.disclosure_head
        union select recipient from intake.signed_head
        order by recipient
        """
    )
    return [row["recipient"] for row in rows]


async def _keys(conn: asyncpg.Connection) -> dict[str, bytes]:
    """The published keys; one that stands under another's id counts as missing."""
    rows = await conn.fetch("select key_id, public_key from intake.signing_key")
    return {row["key_id"]: row["public_key"] for row in rows if key_id_of(row["public_key"]) == row["key_id"]}


async def _signed(conn: asyncpg.Connection, recipient: str) -> list[SignedHead]:
    rows = await conn.fetch(
        """
        select recipient, day, number, hash, key_id, signature from intake.signed_head
        where recipient = $1 order by day
        """,
        recipient,
    )
    return [SignedHead(*signed_head(row)) for row in rows]


async def _note_waiting(conn: asyncpg.Connection, done: Audit) -> None:
    waiting = await conn.fetchval("select count(*) from intake.disclosure where number is null or recipient is null")
    if waiting:
        done.notes.append(f"{waiting:,} rows are in no chain yet; intake's job chain-disclosures takes them in")
