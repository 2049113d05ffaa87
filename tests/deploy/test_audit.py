"""`lotse audit verify` as an operator uses it, on a real stack."""

import asyncio
import re
import sys
from typing import Any

import asyncpg
import pytest

from deploy.cli import screen
from deploy.cli.main import main
from deploy.local.stack import Stack

NOWHERE = "left-long-ago"


def execute(stack: Stack, statement: str) -> None:
    """Write into intake's database."""

    async def run() -> None:
        conn = await asyncpg.connect(stack.databases["lotse_intake"])
        try:
            await conn.execute(statement, NOWHERE)
        finally:
            await conn.close()

    asyncio.run(run())


def audit(stack: Stack, capsys: Any, *options: str) -> tuple[int, str]:
    """Exit code and text of `lotse audit verify`."""
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOTSE_STATE_DIR", str(stack.layout.root))
        patch.setattr(sys, "argv", ["lotse", "audit", "verify", *options])
        patch.setattr(screen.out, "_width", 250)
        with pytest.raises(SystemExit) as ended:
            main()
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out + said.err


@pytest.mark.usefixtures("services")
def test_the_command_ends_with_one_exactly_when_it_finds_something(stack: Stack, capsys: Any) -> None:
    """A chain whose rows were all deleted, and the log without it."""
    code, text = audit(stack, capsys)
    assert (code, text.strip().endswith(": all whole.")) == (0, True), text
    execute(stack, "insert into intake.disclosure_head (recipient, number) values ($1, 2)")
    try:
        code, text = audit(stack, capsys)
        assert code == 1
        assert f"{NOWHERE}: numbers 1 to 2: missing at the end" in text
        # The job of the running service may have signed that head just now, which is then found out too.
        assert re.search(r": [12] findings\.$", text.strip())
        code, text = audit(stack, capsys, "--recipient", "nobody")
        assert code == 1
        assert "There is no chain of nobody." in text
        assert NOWHERE in text
    finally:
        execute(stack, "delete from intake.signed_head where recipient = $1")
        execute(stack, "delete from intake.disclosure_head where recipient = $1")
