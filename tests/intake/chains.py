"""What the tests of the disclosure log share: a log, what an audit finds in it, and ways to tamper with it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from deploy.cli.audit import Audit, audit_chains
from schemas.disclosure_chain import ChainedDisclosure
from services.intake.store import disclosures
from tests.intake.builders import CARITAS_MBE, Desk, a_consent

AWO_SLUG, CARITAS_SLUG = "awo-rheinland", "caritas-koblenz"


def silent(_text: str) -> None:
    """Whoever does not want to hear of progress."""


async def audited(desk: Desk, recipient: str | None = None) -> tuple[list[str], Audit]:
    """What `lotse audit verify` finds in the running intake's database."""
    findings: list[str] = []
    done = await audit_chains(str(desk.intake.context.settings.database_url), recipient, silent, findings.append)
    assert done.counts["findings"] == len(findings)
    return findings, done


async def rows_of(desk: Desk, recipient: str = AWO_SLUG) -> list[ChainedDisclosure]:
    """A recipient's chain."""
    async with desk.intake.context.database.reading() as conn:
        return list(await disclosures.chain_after(conn, recipient, 0, 1000))


async def a_log(desk: Desk, rows: int = 5) -> UUID:
    """A referral to AWO whose person was fetched that often."""
    _, referral, _ = await desk.a_referred_person()
    for _ in range(rows):
        assert (await desk.fetch(referral)).status_code == 200
    return referral


async def a_referral_to_caritas(desk: Desk) -> UUID:
    """A referral whose person may be fetched by Caritas."""
    case_ref = await desk.register()
    await desk.consent(case_ref, a_consent(to_unit=CARITAS_MBE))
    return await desk.refer(case_ref, to_unit=CARITAS_MBE)


async def loosen(desk: Desk) -> None:
    """Take away what the table itself forbids, as its owner can."""
    constraints = await desk.intake.rows(
        "select conname from pg_constraint where conrelid = 'intake.disclosure'::regclass and contype = 'c'"
    )
    await tamper(desk, *(f'alter table intake.disclosure drop constraint "{row["conname"]}"' for row in constraints))
    await tamper(desk, "drop index intake.disclosure_chain")


async def tamper(desk: Desk, *statements: str, with_values: Sequence[Any] = ()) -> None:
    """Write into the database behind the service's back. with_values: the parameters of each statement."""
    async with desk.intake.context.database.transaction() as conn:
        for statement in statements:
            await conn.execute(statement, *with_values)


KEEP, PUT_BACK = "create table kept_{0} as select * from intake.{0}", "insert into intake.{0} select * from kept_{0}"
FORGET = "drop table kept_{0}"
TABLES = ("disclosure", "disclosure_head", "signing_key", "signed_head")


@asynccontextmanager
async def put_back(desk: Desk) -> AsyncIterator[None]:
    """Whatever is done to the log within is undone behind it: cheaper than a database for each way to tamper."""
    await tamper(desk, *(KEEP.format(each) for each in TABLES))
    yield
    await tamper(
        desk,
        "truncate intake.disclosure, intake.disclosure_head, intake.signing_key, intake.signed_head",
        *(PUT_BACK.format(each) for each in TABLES),
        *(FORGET.format(each) for each in TABLES),
    )


async def kinds(desk: Desk, recipient: str = AWO_SLUG) -> Sequence[str]:
    """The kinds of a chain's rows, in order."""
    rows = await desk.intake.rows("select kind from intake.disclosure where recipient = $1 order by number", recipient)
    return [row["kind"] for row in rows]
