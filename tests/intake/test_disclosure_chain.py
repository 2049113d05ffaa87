"""The disclosure log is one hash chain per recipient: what is changed, left out or moved is named."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import uuid4

import pytest

from deploy.cli.errors import CliError
from schemas import CaseId, PersonDisclosed, ReferralId, UnitId
from schemas.codes import DataCategory
from schemas.disclosure_chain import ChainedDisclosure
from services.intake.commands.adopting import adopt_disclosed
from services.intake.commands.disclosures import mark_all_restored
from tests.harness import PARTNERS, received
from tests.intake.builders import AWO, CARITAS_MBE, Desk
from tests.intake.chains import (
    AWO_SLUG,
    CARITAS_SLUG,
    a_log,
    a_referral_to_caritas,
    audited,
    kinds,
    loosen,
    put_back,
    rows_of,
    tamper,
)

ZEROS = "0" * 64
SAID_OTHERWISE = "it does not say what its hash was made of"

OLD_INSERT = """
    insert into intake.disclosure (disclosure_id, disclosed_at, referral_id, case_ref, to_unit, fetched_by, consent_ids,
                                   data_categories)
    values ($1, $2, $3, $4, $5, $6, $7, $8)
"""


async def rewrite(desk: Desk, row: ChainedDisclosure) -> bytes:
    """Store a row with the hash that its fields should have, as somebody does who knows how; returns that hash."""
    hashed, said = row.hash_of_fields(), row.disclosure
    await tamper(
        desk,
        """
        update intake.disclosure set fetched_by = $3, previous_hash = $4, row_hash = $5
        where recipient = $1 and number = $2
        """,
        with_values=[said.recipient, row.number, said.fetched_by, row.previous_hash, hashed],
    )
    return hashed


async def rewrite_from(desk: Desk, number: int) -> None:
    """Change who fetched in that row, and make everything behind it fit, the head included."""
    first, *rest = [row for row in await rows_of(desk) if row.number >= number]
    last = await rewrite(desk, replace(first, disclosure=replace(first.disclosure, fetched_by="somebody else")))
    for row in rest:
        last = await rewrite(desk, replace(row, previous_hash=last))
    await tamper(desk, "update intake.disclosure_head set hash = $1", with_values=[last])


async def test_a_row_holds_what_its_recipient_may_read_and_hashes_to_its_hash(desk: Desk) -> None:
    """The canonical JSON is written out here, so that nobody changes it by chance."""
    case_ref, referral, (consent,) = await desk.a_referred_person()
    await desk.fetch(referral)
    (row,) = await rows_of(desk)
    stored = (await desk.intake.rows("select * from intake.disclosure"))[0]
    case_id = desk.case_id(case_ref)
    consent_id = desk.intake.context.references.resolve("stadt-koblenz", consent)
    text = (
        f'{{"case_ref":"{desk.intake.reference(AWO_SLUG, case_id)}"'
        f',"consent_refs":["{desk.intake.reference(AWO_SLUG, consent_id)}"]'
        ',"data_categories":["identity","contact","language","age"]'
        f',"disclosed_at":"{stored["disclosed_at"]:%Y-%m-%dT%H:%M:%S.%f}Z"'
        f',"disclosure_id":"{stored["disclosure_id"]}","epoch":null,"fetched_by":"awo-rheinland:counsellor"'
        f',"kind":"disclosed","number":1,"previous_hash":"{ZEROS}","recipient":"awo-rheinland"'
        f',"referral_id":"{referral}","to_unit":"{AWO}"}}'
    )
    assert stored["row_hash"] == row.row_hash == row.hash_of_fields() == sha256(text.encode()).digest()
    told = [each for each in await desk.intake.outbox_rows() if each["event_id"] == stored["disclosure_id"]]
    assert [each["headers"]["ce_type"] for each in told] == ["lotse.person.disclosed.v1"]
    assert not any(each in stored.values() for each in (case_id, consent_id))
    assert str(case_id) not in text
    assert str(consent_id) not in text


async def test_fifty_fetches_at_once_leave_two_chains_without_gaps(desk: Desk) -> None:
    """Two recipients, several persons each, two of them fetched by many at the same moment."""
    for_awo = [(await desk.a_referred_person())[1] for _ in range(2)]
    for_caritas = [await a_referral_to_caritas(desk) for _ in range(2)]
    asked = [desk.fetch(for_awo[number % 2]) for number in range(25)]
    asked += [desk.fetch(for_caritas[number % 2], CARITAS_MBE) for number in range(25)]
    assert {answer.status_code for answer in await asyncio.gather(*asked)} == {200}
    for recipient in (AWO_SLUG, CARITAS_SLUG):
        chain = await rows_of(desk, recipient)
        assert [row.number for row in chain] == list(range(1, 26))
        assert [row.previous_hash for row in chain[1:]] == [row.row_hash for row in chain[:-1]]
    assert await desk.intake.rows("select * from intake.disclosure_draft") == []
    findings, done = await audited(desk)
    assert (findings, done.counts["rows"]) == ([], 50)
    assert done.summary() == "2 chains, 50 rows, 0 signed heads: all whole."


async def test_a_refused_fetch_leaves_the_chain_as_it_was(desk: Desk) -> None:
    """What is rolled back or refused takes no number."""
    _, referral, (consent,) = await desk.a_referred_person()
    await desk.fetch(referral)
    await desk.withdraw(consent)
    assert (await desk.fetch(referral)).status_code == 403
    assert len(await rows_of(desk)) == 1
    assert (await audited(desk))[0] == []


CHANGES = (
    ("set fetched_by = 'nobody' where number = 3", "number 3: content"),
    ("set fetched_by = null where number = 3", "number 3: content"),
    ("set case_ref = repeat('0', 32) where number = 3", "number 3: content"),
    ("set consent_refs = '{}' where number = 3", "number 3: content"),
    ("set consent_refs = null where number = 3", "number 3: content"),
    ("set data_categories = '{identity}' where number = 3", "number 3: content"),
    ("set disclosed_at = disclosed_at + interval '1 microsecond' where number = 3", "number 3: content"),
    ("set disclosure_id = gen_random_uuid() where number = 3", "number 3: content"),
    ("set referral_id = gen_random_uuid() where number = 3", "number 3: content"),
    ("set to_unit = 'awo-rheinland/other' where number = 3", "number 3: content"),
    ("set kind = 'adopted' where number = 3", "number 3: content"),
    ("set kind = 'nonsense' where number = 3", "number 3: content"),
    ("set epoch = 2 where number = 3", "number 3: content"),
    ("set row_hash = decode(repeat('00', 32), 'hex') where number = 3", "number 3: content"),
    ("set row_hash = null where number = 3", "number 3: content"),
    (
        "set previous_hash = decode(repeat('00', 32), 'hex') where number = 3",
        "number 3: link: the hash of the row before was changed",
    ),
    ("set consent_ids = array[gen_random_uuid()] where number = 3", "number 3: names consents in clear"),
    ("set number = 0 where number = 1", "number 1: missing"),
    ("set number = 0 where number = 1", "number 0: a chain begins with 1"),
    ("set number = null where number = 3", "number 3: missing"),
    ("set recipient = null where number = 3", "number 3: missing"),
    ("set recipient = 'caritas-koblenz' where number = 1", "number 1: missing"),
    ("set number = 2 where number = 3", "number 2: is there twice"),
    ("set number = 9 where number = 5", "numbers 5 to 8: missing"),
    ("set number = 9 where number = 5", "the head names number 5, but the chain ends with 9"),
    ("set number = case number when 2 then 4 else 2 end where number in (2, 4)", "number 2: swapped with number 4"),
    ("set number = case number when 2 then 3 else 2 end where number in (2, 3)", "number 2: swapped with number 3"),
    (
        "as d set fetched_by = o.fetched_by, disclosed_at = o.disclosed_at, disclosure_id = gen_random_uuid() "
        "from intake.disclosure as o where d.number = 6 - o.number and d.number in (2, 4)",
        "number 2: content",
    ),
)


async def test_what_is_changed_in_a_row_is_named(desk: Desk) -> None:
    """By its number, and whether its content or its link is another."""
    await a_log(desk)
    assert (await audited(desk))[0] == []
    await loosen(desk)
    for statement, finding in CHANGES:
        async with put_back(desk):
            await tamper(desk, f"update intake.disclosure {statement}")
            findings, done = await audited(desk)
        assert any(each.startswith(f"{AWO_SLUG}: {finding}") for each in findings), (statement, findings)
        assert done.summary().endswith("findings.")
    assert (await audited(desk))[0] == []


async def test_rows_whose_contents_were_exchanged_are_named_together(desk: Desk) -> None:
    """Everything that was said changes places, numbers and hashes stay."""
    await a_log(desk)
    await loosen(desk)
    await tamper(
        desk,
        "alter table intake.disclosure drop constraint disclosure_pkey",
        """
        update intake.disclosure as d
        set disclosed_at = o.disclosed_at, disclosure_id = o.disclosure_id
        from intake.disclosure as o where d.number = 6 - o.number and d.number in (2, 4)
        """,
    )
    assert (await audited(desk))[0] == [f"{AWO_SLUG}: number 2: swapped with number 4"]


LEFT_OUT = (
    ([2], ["number 2: missing"]),
    ([2, 3], ["numbers 2 to 3: missing"]),
    ([1], ["number 1: missing"]),
    ([5], ["number 5: missing at the end"]),
    ([1, 2, 3, 4, 5], ["numbers 1 to 5: missing at the end"]),
)


async def test_a_row_left_out_is_named(desk: Desk) -> None:
    """Wherever it stood, and nothing else."""
    await a_log(desk)
    for numbers, missing in LEFT_OUT:
        async with put_back(desk):
            await tamper(desk, "delete from intake.disclosure where number = any($1)", with_values=[numbers])
            assert (await audited(desk))[0] == [f"{AWO_SLUG}: {each}" for each in missing]


async def test_a_row_that_is_there_twice_is_named(desk: Desk) -> None:
    """A copy with another id, and one that somebody made fit."""
    await a_log(desk)
    await loosen(desk)
    await tamper(
        desk,
        "create temporary table copy on commit drop as select * from intake.disclosure where number = 3",
        "update copy set disclosure_id = gen_random_uuid()",
        "insert into intake.disclosure select * from copy",
    )
    findings, _ = await audited(desk)
    assert findings == [f"{AWO_SLUG}: number 3: is there twice", f"{AWO_SLUG}: number 3: content: {SAID_OTHERWISE}"]


async def test_a_row_changed_together_with_its_hash_breaks_the_link_behind_it(desk: Desk) -> None:
    """Whoever knows how to hash still has the next row against them, and behind the last one the head."""
    await a_log(desk)
    third = (await rows_of(desk))[2]
    await rewrite(desk, replace(third, disclosure=replace(third.disclosure, fetched_by="somebody else")))
    findings, _ = await audited(desk)
    assert findings == [
        f"{AWO_SLUG}: number 4: link: it follows on another row 3 than the one that is there",
    ]
    await rewrite(desk, third)
    last = (await rows_of(desk))[4]
    await rewrite(desk, replace(last, disclosure=replace(last.disclosure, fetched_by="somebody else")))
    assert (await audited(desk))[0] == [f"{AWO_SLUG}: the head names another row 5 than the one that is there"]


async def test_a_chain_rewritten_to_its_end_does_not_match_the_signed_head(desk: Desk) -> None:
    """Without the signing key nobody can make that fit."""
    await a_log(desk)
    assert await desk.intake.run_job("sign-disclosure-heads") == 1
    assert (await audited(desk))[0] == []
    await rewrite_from(desk, 2)
    (finding,) = (await audited(desk))[0]
    assert finding.endswith("was signed over another row 5 than the one that is there")
    assert "signed head of " in finding


HEADS_CHANGED = (
    ("update intake.disclosure_head set number = 7", "numbers 6 to 7: missing at the end"),
    ("update intake.disclosure_head set number = 4", "the head names number 4, but the chain ends with 5"),
    ("update intake.disclosure_head set hash = sha256('')", "the head names another row 5"),
    ("delete from intake.disclosure_head", "the chain has 5 rows and no head"),
    ("update intake.signed_head set signature = sha512('')", ": the signature does not verify"),
    ("update intake.signed_head set signature = ''", ": the signature does not verify"),
    ("update intake.signed_head set day = day - 1", ": the signature does not verify"),
    ("update intake.signed_head set number = 4", "was signed over another row 4"),
    ("update intake.signed_head set number = 9", "names number 9, but the chain ends with 5"),
    ("update intake.signed_head set hash = sha256('')", "was signed over another row 5"),
    ("update intake.signing_key set public_key = sha256('')", " is not known"),
)


async def test_a_head_that_was_changed_is_named(desk: Desk) -> None:
    """The chain's own and the signed ones."""
    await a_log(desk)
    await desk.intake.run_job("sign-disclosure-heads")
    for statement, finding in HEADS_CHANGED:
        async with put_back(desk):
            await tamper(desk, statement)
            findings, _ = await audited(desk)
        assert any(finding in each for each in findings), (statement, findings)


async def test_one_chain_can_be_looked_at_alone(desk: Desk) -> None:
    """What is wrong in another is not told, and a chain that is not there is said to be none."""
    await a_log(desk, 1)
    await desk.fetch(await a_referral_to_caritas(desk), CARITAS_MBE)
    await tamper(desk, "delete from intake.disclosure where recipient = 'caritas-koblenz'")
    assert (await audited(desk, AWO_SLUG))[0] == []
    assert (await audited(desk, CARITAS_SLUG))[0] == [f"{CARITAS_SLUG}: number 1: missing at the end"]
    with pytest.raises(CliError, match="There is no chain of nobody"):
        await audited(desk, "nobody")


async def test_erasing_every_trace_of_a_person_leaves_the_chain_whole(desk: Desk) -> None:
    """It holds the recipient's references and no row of the vault."""
    await a_log(desk)
    await tamper(
        desk,
        "delete from intake.sealed",
        "delete from intake.person_index",
        "delete from intake.consent",
        "delete from intake.referral",
        "delete from intake.person",
    )
    findings, done = await audited(desk)
    assert (findings, done.counts["rows"]) == ([], 5)


async def test_rows_of_an_older_process_enter_the_chain(desk: Desk) -> None:
    """Old and new code run side by side; what is in no chain is told until the job has taken it in, oldest first."""
    await a_log(desk, 1)
    case_id, consent_id, at = uuid4(), uuid4(), datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
    case_ref = desk.intake.reference(AWO_SLUG, case_id)
    async with desk.intake.context.database.transaction() as conn:
        for hours in (1, 0):
            said = (uuid4(), at + timedelta(hours=hours), uuid4(), case_ref, AWO, f"{hours}", [consent_id], ["contact"])
            await conn.execute(OLD_INSERT, *said)
        gone = (uuid4(), at, uuid4(), case_ref, "former-partner/unit", "x", [consent_id], ["contact"])
        await conn.execute(OLD_INSERT, *gone)
    assert "3 rows are in no chain yet" in (await audited(desk))[1].notes[0]
    assert await desk.intake.run_job("chain-disclosures") == 1
    assert await desk.intake.run_job("chain-disclosures") == 0
    assert await kinds(desk) == ["disclosed", "earlier", "earlier"]
    _, first, second = await rows_of(desk)
    assert (first.disclosure.fetched_by, second.disclosure.fetched_by) == ("0", "1")
    assert first.disclosure.consent_refs == (desk.intake.reference(AWO_SLUG, consent_id),)
    findings, done = await audited(desk)
    assert findings == []
    assert done.notes == ["1 rows are in no chain yet; intake's job chain-disclosures takes them in"]


async def adopt(desk: Desk, to_unit: str = AWO) -> None:
    """Take a disclosure back from the bus, twice, as a recovery may that was cut off."""
    event = PersonDisclosed(
        case_id=CaseId(uuid4()),
        referral_id=ReferralId(uuid4()),
        to_unit=UnitId(to_unit),
        data_categories=(DataCategory.CONTACT,),
    )
    back = received(event)
    for _ in range(2):
        async with desk.intake.context.database.transaction() as conn:
            assert await adopt_disclosed(conn, desk.intake.context.references, back, datetime.now(UTC))


async def begin_epoch(desk: Desk) -> None:
    """What a restore does to the service's epoch."""
    await tamper(desk, "update chassis.identity set epoch = epoch + 1")


async def test_a_restore_is_named_in_every_chain_before_anything_else(desk: Desk) -> None:
    """Once an epoch, also in the chain of a partner of whom the restored database knows nothing at all."""
    await a_log(desk, 2)
    await begin_epoch(desk)
    await adopt(desk)
    await adopt(desk)
    for _ in range(2):
        async with desk.intake.context.database.transaction() as conn:
            await mark_all_restored(conn, desk.intake.context.partners.slugs, datetime.now(UTC))
    assert await kinds(desk) == ["disclosed", "disclosed", "restored", "adopted", "adopted"]
    assert {partner: await kinds(desk, partner) for partner in PARTNERS if partner != AWO_SLUG} == {
        "stadt-koblenz": ["restored"],
        "jobcenter-koblenz": ["restored"],
        "caritas-koblenz": ["restored"],
    }
    await begin_epoch(desk)
    async with desk.intake.context.database.transaction() as conn:
        await mark_all_restored(conn, [], datetime.now(UTC))
    assert (await kinds(desk))[-2:] == ["adopted", "restored"]
    findings, done = await audited(desk)
    assert findings == []
    assert len([note for note in done.notes if "restored on" in note]) == 8
