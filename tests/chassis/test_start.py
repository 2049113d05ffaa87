"""A service that cannot start says so in one sentence; one that can, starts and stops in order."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest

from services.chassis import migrate as migrate_module
from services.chassis.config import Settings, StartError, load_settings, read_secret
from services.chassis.db import connect
from services.chassis.identity import check_identity
from services.chassis.migrate import check_migrated, migrate
from services.chassis.pairwise import load_references
from tests.conftest import eventually
from tests.harness import ROOT, make_settings


def environment(settings: Settings, **changed: str | None) -> dict[str, str]:
    """The variables a process with these settings gets; None leaves one out."""
    values: dict[str, str | None] = {
        "LOTSE_DATABASE_URL": str(settings.database_url),
        "LOTSE_KAFKA": settings.kafka,
        "LOTSE_KAFKA_USER": settings.kafka_user,
        "LOTSE_KAFKA_PASSWORD": settings.kafka_password.get_secret_value(),
        "LOTSE_TOPIC_PREFIX": settings.topic_prefix,
        "LOTSE_HTTP_PORT": str(free_port()),
        "LOTSE_PARTNERS_DIR": str(settings.partners_dir),
        "LOTSE_SECRETS_DIR": str(settings.secrets_dir),
        "LOTSE_ISSUERS_FILE": str(settings.issuers_file),
        **changed,
    }
    outer = {name: value for name, value in os.environ.items() if not name.startswith("LOTSE_")}
    return {**outer, **{name: value for name, value in values.items() if value is not None}}


def free_port() -> int:
    """A port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    return number


def start(settings: Settings, **changed: str | None) -> "subprocess.Popen[str]":
    """The service of things, as a process."""
    code = "from services.chassis.app import run; from tests.chassis.things import SERVICE; run(SERVICE)"
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment(settings, **changed),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
async def settings(tmp_path: Path, create_database: Any, stack: Any, topic_prefix: str) -> Settings:
    """On real servers."""
    return make_settings(
        tmp_path,
        await create_database("chassis"),
        kafka=stack.kafka.bootstrap,
        kafka_user=stack.kafka.admin,
        kafka_password=stack.kafka.password,
        topic_prefix=topic_prefix,
    )


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"LOTSE_DATABASE_URL": None}, "LOTSE_DATABASE_URL is not set"),
        ({"LOTSE_DATABASE_URL": "mysql://x"}, "LOTSE_DATABASE_URL is wrong"),
        ({"LOTSE_SECRETS_DIR": "/nowhere"}, "LOTSE_SECRETS_DIR is wrong: /nowhere is not a directory"),
        ({"LOTSE_ISSUERS_FILE": "/nowhere"}, "LOTSE_ISSUERS_FILE is wrong: /nowhere is not a file"),
        ({"LOTSE_ROLES": "api,cook"}, "LOTSE_ROLES"),
        ({"LOTSE_KAFKA_PASSWORD": None}, "LOTSE_KAFKA_USER and LOTSE_KAFKA_PASSWORD"),
        ({"LOTSE_HTTP_PORT": "eighty"}, "LOTSE_HTTP_PORT"),
    ],
)
async def test_a_wrong_or_missing_setting_is_named(settings, changed, named, monkeypatch) -> None:
    """The variable and what is wrong with it; never its value."""
    for name in [name for name in os.environ if name.startswith("LOTSE_")]:
        monkeypatch.delenv(name)
    for name, value in environment(settings, **changed).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StartError) as caught:
        load_settings()
    assert named in str(caught.value)
    assert "mysql://x" not in str(caught.value)


async def test_a_missing_setting_stops_the_start_with_one_sentence(settings) -> None:
    """It ends non-zero and shows no traceback."""
    process = start(settings, LOTSE_DATABASE_URL=None)
    _, errors = await asyncio.to_thread(process.communicate, timeout=30)
    assert process.returncode == 1
    assert errors == "chassis: Setting LOTSE_DATABASE_URL is not set; see docs/operations.md for what it means.\n"


async def test_a_wrong_partner_file_stops_the_start_with_one_sentence(settings, tmp_path) -> None:
    """File and field."""
    folder = tmp_path / "partners"
    folder.mkdir()
    (folder / "awo-rheinland.toml").write_text('slug = "awo-rheinland"\n')
    process = start(settings, LOTSE_PARTNERS_DIR=str(folder))
    _, errors = await asyncio.to_thread(process.communicate, timeout=30)
    assert process.returncode == 1
    assert "awo-rheinland.toml" in errors
    assert "legal_name" in errors
    assert len(errors.strip().splitlines()) == 1


async def test_a_service_starts_answers_and_stops_in_order(settings) -> None:
    """SIGTERM: open requests are answered, tasks end, exit code 0."""
    port = str(free_port())
    process = start(settings, LOTSE_HTTP_PORT=port)
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            await eventually(lambda: _ready(client))
            assert (await client.get("/health/live")).status_code == 200
        process.send_signal(signal.SIGTERM)
        output, errors = await asyncio.to_thread(process.communicate, timeout=10)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert '"event": "service_stopped"' in output


async def _ready(client: httpx2.AsyncClient) -> bool:
    try:
        return (await client.get("/health/ready")).status_code == 200
    except httpx2.TransportError:
        return False


async def test_a_restored_or_swapped_database_is_not_gone_on_with(settings) -> None:
    """Another identity than at the last start: the epoch must be raised first."""
    conn = await connect(str(settings.database_url), "test")
    try:
        assert await check_identity(conn, "chassis", "koblenz") == "/koblenz/chassis/1"
        assert await check_identity(conn, "chassis", "koblenz") == "/koblenz/chassis/1"
        with pytest.raises(StartError, match="belongs to /koblenz/chassis/1"):
            await check_identity(conn, "intake", "koblenz")
        await conn.execute("update chassis.identity set database_oid = database_oid + 1")
        with pytest.raises(StartError, match="not the one this service last ran on"):
            await check_identity(conn, "chassis", "koblenz")
    finally:
        await conn.close()


async def test_a_database_without_migrations_stops_the_start(settings) -> None:
    """The sentence names the way out."""
    conn = await connect(str(settings.database_url), "test")
    try:
        await conn.execute("delete from migrations.applied")
        with pytest.raises(StartError, match="run `lotse migrate`"):
            await check_migrated(conn, "chassis")
    finally:
        await conn.close()


async def test_migrating_twice_and_at_once_applies_each_file_once(settings) -> None:
    """The advisory lock lets one go first; the others find everything done."""
    conn = await connect(str(settings.database_url), "test")
    await conn.execute("drop schema chassis cascade; drop schema migrations cascade")
    await conn.close()
    applied = await asyncio.gather(*(migrate(str(settings.database_url), "chassis") for _ in range(3)))
    assert sorted(map(len, applied)) == [0, 0, len(list(migrate_module.migrations("chassis")))]


async def test_a_migration_changed_after_it_ran_is_noticed(settings, monkeypatch) -> None:
    """Checksums are compared at every run."""
    original = list(migrate_module.migrations("chassis"))
    changed = [original[0]._replace(sql=original[0].sql + "\n-- changed")]
    monkeypatch.setattr(migrate_module, "migrations", lambda *_args, **_more: iter(changed))
    with pytest.raises(StartError, match=r"0001_chassis\.sql was changed"):
        await migrate(str(settings.database_url), "chassis")


async def test_a_wrong_database_password_stops_the_start(settings) -> None:
    """It will not become right by waiting."""
    url = str(settings.database_url)
    user, _, rest = url.removeprefix("postgresql://").partition(":")
    process = start(settings, LOTSE_DATABASE_URL=f"postgresql://{user}:wrong@{rest.partition('@')[2]}")
    _, errors = await asyncio.to_thread(process.communicate, timeout=30)
    assert process.returncode == 1
    assert "refuses the connection" in errors
    assert "wrong" not in errors


def test_a_secret_that_is_missing_or_not_hex_is_named_but_not_shown(tmp_path: Path) -> None:
    """Which file, and what it must hold."""
    settings = make_settings(tmp_path, "postgresql://x@localhost/x")
    with pytest.raises(StartError, match="nothing is missing"):
        read_secret(settings, "nothing")
    (settings.secrets_dir / "broken").write_text("not hex at all")
    with pytest.raises(StartError, match="hex digits") as caught:
        read_secret(settings, "broken")
    assert "not hex at all" not in str(caught.value)
    (settings.secrets_dir / "short").write_text("abcd")
    with pytest.raises(StartError, match="64 hex digits"):
        load_references(settings, {"awo-rheinland": "short"})


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("issuer = 7", r"issuer is missing; it should be one table \[\[issuer\]\] or more"),
        ("[[issuer]]\nname = 'x'", "audience"),
        ("[[issuer", "is not valid TOML"),
        ("[[issuer]]\nname='x'\naudience='y'\njwks='nowhere.json'", "neither a file nor an https address"),
    ],
)
def test_a_wrong_issuers_file_is_named(tmp_path: Path, text: str, named: str) -> None:
    """File, and what is missing."""
    from services.chassis.auth import load_issuers

    path = tmp_path / "issuers.toml"
    path.write_text(text)
    with pytest.raises(StartError, match=named):
        load_issuers(path)


async def test_asyncpg_errors_are_sorted_into_passing_and_lasting() -> None:
    """Rule 9: what may pass is waited for, what will not is not."""
    from services.chassis.db import is_transient

    passing = [asyncpg.DeadlockDetectedError(), asyncpg.DiskFullError(), asyncpg.AdminShutdownError(), OSError()]
    passing += [asyncpg.LockNotAvailableError(), asyncpg.ReadOnlySQLTransactionError(), asyncpg.InterfaceError("x")]
    assert all(map(is_transient, passing))
    assert not any(map(is_transient, [asyncpg.UniqueViolationError(), ValueError(), asyncpg.DataError()]))
