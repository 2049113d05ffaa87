"""The program of the partner guide, run as a partner runs it."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import uvicorn

from services.chassis.web import create_app
from services.intake.commands.disclosures import mark_all_restored
from tests.harness import ROOT, issuer
from tests.intake.builders import AWO, Desk
from tests.intake.chains import AWO_SLUG, a_log, audited, tamper

PROGRAM = ROOT / "docs" / "verify_disclosures.py"
ANSWERS = {"disclosures": "", "heads": "/heads", "keys": "/keys"}


class Ended(NamedTuple):
    """How the program ended: exit code, and the lines it printed."""

    code: int
    lines: list[str]


async def run(*sources: str | Path, token: str | None = None) -> Ended:
    """Run the program in a process of its own."""
    environ = {name: value for name, value in os.environ.items() if name != "LOTSE_TOKEN"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        PROGRAM,
        *map(str, sources),
        env=environ | ({"LOTSE_TOKEN": token} if token else {}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await process.communicate()
    assert complained == b"", complained.decode()
    return Ended(process.returncode or 0, said.decode().splitlines())


@asynccontextmanager
async def served(desk: Desk) -> AsyncIterator[str]:
    """Intake's API on a port; yields its address."""
    app = create_app(desk.intake.service, desk.intake.context)
    config = uvicorn.Config(app, port=0, lifespan="off", log_config=None, access_log=False, ws="none")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


@pytest.fixture
async def log(desk: Desk) -> Desk:
    """A log of five rows, two of them behind the first of two signed heads."""
    referral = await a_log(desk, 3)
    await desk.intake.run_job("sign-disclosure-heads")
    for _ in range(2):
        await desk.fetch(referral)
    await desk.intake.move_clock(timedelta(days=1))
    await desk.intake.run_job("sign-disclosure-heads")
    return desk


async def save(desk: Desk, folder: Path) -> Path:
    """Keep the three answers as files, as the guide says."""
    return written(
        folder, {name: (await desk.get(AWO, f"/v1/disclosures{path}")).text for name, path in ANSWERS.items()}
    )


def written(folder: Path, answers: Mapping[str, str]) -> Path:
    """A folder with these answers."""
    folder.mkdir(exist_ok=True)
    for name, answer in answers.items():
        (folder / f"{name}.json").write_text(answer)
    return folder


def changed(folder: Path, name: str, change: Any) -> None:
    """Change a saved answer: change gets its list."""
    file = folder / f"{name}.json"
    body = json.loads(file.read_text())
    change(body[name])
    file.write_text(json.dumps(body))


async def test_the_program_fits_on_a_page() -> None:
    """At most forty lines of at most 120 characters."""
    lines = PROGRAM.read_text().splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 120


async def test_a_partner_verifies_its_chain_at_the_running_intake(log: Desk) -> None:
    """By address and token, the saved answers beside it, and it says with which key."""
    token = issuer(log.intake.folder).issue_token(AWO_SLUG, AWO, ["system"])
    (key,) = (await log.get(AWO, "/v1/disclosures/keys")).json()["keys"]
    whole = f"5 rows and 2 signed heads of {{'{AWO_SLUG}'}}, keys ['{key['x']}']"
    async with served(log) as address:
        assert await run(address, token=token) == Ended(0, [whole])
        await tamper(log, "update intake.disclosure set fetched_by = 'nobody' where number = 4")
        assert await run(address, token=token) == Ended(1, ["row 4 was changed", whole])


async def test_a_chain_of_several_pages_is_read_to_its_end(log: Desk) -> None:
    """More rows than one answer holds."""
    async with log.intake.context.database.transaction() as conn:
        for epoch in range(2, 1002):
            await conn.execute("update chassis.identity set epoch = $1", epoch)
            await mark_all_restored(conn, [], datetime.now(UTC))
    token = issuer(log.intake.folder).issue_token(AWO_SLUG, AWO, ["system"])
    async with served(log) as address:
        code, lines = await run(address, token=token)
    assert code == 0
    assert lines[-1].startswith("1005 rows and 2 signed heads")
    assert len(lines) == 1001


async def test_saved_answers_are_verified_without_a_network(log: Desk, tmp_path: Path) -> None:
    """No token is needed."""
    code, lines = await run(await save(log, tmp_path / "saved"))
    assert (code, len(lines)) == (0, 1)


WRONG: tuple[tuple[str, Any, list[str]], ...] = (
    ("disclosures", lambda rows: rows[1].update(fetched_by="nobody"), ["row 2 was changed"]),
    ("disclosures", lambda rows: rows[1].update(data_categories=[]), ["row 2 was changed"]),
    ("disclosures", lambda rows: rows[1].update(note="more"), ["row 2 was changed"]),
    (
        "disclosures",
        lambda rows: rows.pop(1),
        ["row 3 does not follow on row 2, which is missing or another"],
    ),
    ("disclosures", lambda rows: rows.pop(), ["the signed head of {} has another row 5 than the chain"]),
    (
        "disclosures",
        lambda rows: rows[1].update(number=4) or rows[3].update(number=2),
        ["row 2 was changed", "row 4 was changed"],
    ),
    ("disclosures", lambda rows: rows.append(rows[1] | {"to_unit": "x/y"}), ["row 2 was changed"]),
    ("disclosures", lambda rows: rows.append(rows[1] | {"hash": "0" * 64}), ["row 2 was changed"]),
    (
        "heads",
        lambda heads: heads[-1].update(signature="00" * 64),
        ["the signed head of {} bears no signature of a published key"],
    ),
    (
        "heads",
        lambda heads: heads[-1].update(recipient="caritas-koblenz"),
        ["the signed head of {} bears no signature of a published key"],
    ),
    ("keys", lambda keys: keys.clear(), ["the signed head of {} bears no signature of a published key"]),
    (
        "keys",
        lambda keys: keys[0].update(x="A" * 43),
        ["the signed head of {} bears no signature of a published key"],
    ),
)


async def test_what_is_wrong_with_saved_answers_is_said(log: Desk, tmp_path: Path) -> None:
    """A tampered row, a missing row, a wrong signature, and others: exit code 1 and a line for each."""
    day = (await log.get(AWO, "/v1/disclosures/heads")).json()["heads"][-1]["day"]
    for number, (name, change, said) in enumerate(WRONG):
        folder = await save(log, tmp_path / str(number))
        changed(folder, name, change)
        code, lines = await run(folder)
        assert (code, {line.format(day) for line in said} - set(lines)) == (1, set()), (number, lines)


async def test_heads_that_were_kept_find_out_a_chain_that_was_rewritten(log: Desk, tmp_path: Path) -> None:
    """The operator, who has the signing key, makes everything fit and signs it again: only the kept head differs."""
    kept = await save(log, tmp_path / "kept")
    (kept / "disclosures.json").unlink()
    await tamper(
        log,
        "delete from intake.signed_head",
        "delete from intake.disclosure where number = 5",
        "update intake.disclosure_head as h set number = 4, hash = (select row_hash from intake.disclosure as d "
        "where d.recipient = h.recipient and number = 4)",
    )
    await log.intake.run_job("sign-disclosure-heads")
    assert (await audited(log))[0] == []
    now = await save(log, tmp_path / "now")
    assert (await run(now)).code == 0
    code, lines = await run(now, kept)
    assert code == 1
    assert "has another row 5 than the chain" in lines[0]


async def test_after_a_restore_the_program_says_why_the_chain_differs(log: Desk, tmp_path: Path) -> None:
    """A head kept from before names a row that is another now, and the chain says that there was a restore."""
    kept = await save(log, tmp_path / "kept")
    (kept / "disclosures.json").unlink()
    await tamper(
        log,
        "delete from intake.signed_head where number = 5",
        "delete from intake.disclosure where number > 3",
        "update intake.disclosure_head as h set number = 3, hash = (select row_hash from intake.disclosure as d "
        "where d.recipient = h.recipient and number = 3)",
        "update chassis.identity set epoch = epoch + 1",
    )
    async with log.intake.context.database.transaction() as conn:
        await mark_all_restored(conn, [], datetime.now(UTC))
    code, lines = await run(await save(log, tmp_path / "now"))
    assert (code, lines[0]) == (0, "row 4: the operator restored the database")
    code, lines = await run(tmp_path / "now", kept)
    assert code == 1
    assert lines[0].endswith("has another row 5 than the chain, see the restore")
    assert lines[1] == "row 4: the operator restored the database"
