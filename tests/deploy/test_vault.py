"""`lotse vault` as an operator uses it, on intake as a process."""

import sys
from typing import Any

import asyncpg
import httpx2
import pytest

from deploy.cli import screen
from deploy.cli.main import main
from deploy.local.stack import Stack
from deploy.topology import KEYS_DATABASE
from tests.flows.world import World


def vault(stack: Stack, capsys: Any, *arguments: str) -> tuple[int, str]:
    """`lotse vault ...` on this stack: how it ended, and what it printed on both screens."""
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOTSE_STATE_DIR", str(stack.layout.root))
        patch.setattr(sys, "argv", ["lotse", "vault", *arguments])
        for each in (screen.out, screen.err):
            patch.setattr(each, "_width", 200)
        with pytest.raises(SystemExit) as ended:
            main()
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out + said.err


async def test_keys_are_counted_wrapped_anew_and_missed(stack: Stack, services: dict[str, int], capsys: Any) -> None:
    """Unnamed ones wait, a rotation names them, one under a key that nobody has is an error with the way out."""
    async with httpx2.AsyncClient(timeout=20) as http:
        await World(stack, services, http).register()
    conn = await asyncpg.connect(stack.databases[KEYS_DATABASE])
    try:
        await conn.execute("update vault.data_key set wrapped_by = null")
        code, text = vault(stack, capsys, "status")
        assert (code, "(no name yet)" in text, "`lotse vault rotate" in text) == (0, True, True)
        code, text = vault(stack, capsys, "rotate", "--reason", "a test")
        assert (code, "data keys are wrapped anew." in text) == (0, True)
        code, text = vault(stack, capsys, "status")
        assert (code, "0 keys under former keys: the former key can go." in text, "a test" in text) == (0, True, True)
        await conn.execute("update vault.data_key set wrapped_by = 'gone'")
        code, text = vault(stack, capsys, "status")
        assert (code, "put it back as a former key" in text) == (1, True)
        code, text = vault(stack, capsys, "rotate", "--reason", "a test")
        assert (code, "could not be opened" in text) == (1, True)
    finally:
        await conn.execute("update vault.data_key set wrapped_by = null")
        await conn.close()
