"""The parts of the local stack, each on its own."""

import asyncio
import os
import socket
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from deploy.local import processes
from deploy.local.account import find_place, remove_place
from deploy.local.backoff import Backoff
from deploy.local.errors import StackError
from deploy.local.issuer import issuer_of
from deploy.local.layout import Layout, layout_at
from deploy.local.ports import is_free, remembered_ports, wait_until_free
from deploy.local.postgres import start_postgres, stop_postgres
from deploy.local.secrets import Secrets, once
from deploy.local.stack import Stack, existing_kafka, existing_postgres
from services.chassis.auth import InvalidToken, Verifier, load_issuers


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """An empty state folder."""
    here = layout_at(tmp_path / "state")
    here.create()
    return here


def test_a_secret_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    """The second reader gets what the first one made."""
    secrets = Secrets(tmp_path / "secrets")
    first = secrets.kafka_password("lotse-intake")
    assert secrets.kafka_password("lotse-intake") == first
    file = tmp_path / "secrets" / "kafka" / "lotse-intake"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_many_who_make_a_secret_at_once_get_the_same_one(tmp_path: Path) -> None:
    """Nobody ever holds a value that another one replaced."""
    with ThreadPoolExecutor(16) as pool:
        values = set(pool.map(lambda _: once(tmp_path / "key", lambda: str(uuid4())), range(64)))
    assert len(values) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["key"]


def test_keys_have_64_hex_digits_and_stay(tmp_path: Path) -> None:
    """A pairwise key that changed would break every reference a partner keeps."""
    secrets = Secrets(tmp_path)
    secrets.service_keys(["pairwise-awo-rheinland"])
    before = {file.name: file.read_text() for file in secrets.for_services.iterdir()}
    secrets.service_keys(["pairwise-awo-rheinland", "pairwise-new"])
    after = {file.name: file.read_text() for file in secrets.for_services.iterdir()}
    assert set(before) == {
        "idempotency",
        "vault-operator-key",
        "blind-index-key",
        "audit-signing-key",
        "pairwise-awo-rheinland",
    }
    assert set(after) - set(before) == {"pairwise-new"}
    assert before.items() <= after.items()
    assert all(len(bytes.fromhex(value)) == 32 for value in after.values())


async def test_a_service_trusts_the_local_issuer(layout: Layout) -> None:
    """A token of the local issuer passes the services' own check."""
    issuer = issuer_of(layout)
    verifier = Verifier(load_issuers(issuer.issuers_file), frozenset({"awo-rheinland"}))
    principal = await verifier.verify(issuer.issue_token("awo-rheinland", "awo-rheinland/mbe", ["system"]))
    assert (principal.partner, principal.unit) == ("awo-rheinland", "awo-rheinland/mbe")


async def test_an_expired_token_is_refused(layout: Layout) -> None:
    """A negative life makes a token that is over already."""
    issuer = issuer_of(layout)
    verifier = Verifier(load_issuers(issuer.issuers_file), frozenset({"awo-rheinland"}))
    over = issuer.issue_token("awo-rheinland", "awo-rheinland/mbe", ["system"], ttl=timedelta(hours=-1))
    with pytest.raises(InvalidToken):
        await verifier.verify(over)


def test_the_issuer_keeps_its_key(layout: Layout) -> None:
    """Tokens stay valid over a restart of the stack."""
    before = issuer_of(layout).jwks_file.read_text()
    assert issuer_of(layout).jwks_file.read_text() == before
    assert '"d"' not in before


def test_what_dies_at_once_is_started_after_ever_longer_waits() -> None:
    """1, 2, 4 ... and never more than 30 seconds."""
    backoff, now, waits = Backoff(), 0.0, []
    for _death in range(7):
        died = now
        while not backoff.may_start(now):
            now += 0.5
        waits.append(now - died)
    assert waits == [1, 2, 4, 8, 16, 30, 30]


def test_what_ran_for_long_is_started_again_soon() -> None:
    """A death after a minute of health is a new story."""
    backoff = Backoff(wait=30.0, started=0.0)
    backoff.seen_running(61.0)
    assert not backoff.may_start(62.0)
    assert backoff.may_start(63.0)


def test_a_port_is_remembered_until_somebody_else_has_it(layout: Layout) -> None:
    """The same after a restart; another one when it is taken."""
    first = remembered_ports(layout, kafka=0)
    assert remembered_ports(layout, kafka=0) == first
    with socket.create_server(("127.0.0.1", first["kafka"])):
        assert not is_free(first["kafka"])
        assert wait_until_free([first["kafka"]], timeout_seconds=0.1) == [first["kafka"]]
        assert remembered_ports(layout, kafka=0) != first


def test_two_parts_never_get_the_same_port(layout: Layout) -> None:
    """Even when both wish for it."""
    ports = remembered_ports(layout, one=0, two=0)
    again = remembered_ports(layout, three=ports["one"])
    assert len({*ports.values(), *again.values()}) == 3


def test_a_process_that_ignores_sigterm_is_killed(layout: Layout) -> None:
    """After its grace it ends all the same, and its record with it."""
    script = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(600)"
    )
    record = processes.spawn(layout, "stubborn", ["python3", "-c", script])
    deadline = time.monotonic() + 20
    while "on" not in processes.log_tail(layout, "stubborn") and time.monotonic() < deadline:
        time.sleep(0.02)
    processes.stop(layout, "stubborn", grace_seconds=0.2)
    assert not record.is_running
    assert processes.read_record(layout, "stubborn") is None


def test_existing_servers_are_used_as_named(stack: Stack) -> None:
    """A URL and an address with a super user stand for servers that run already."""
    given = {"LOTSE_KAFKA_ADMIN_USER": stack.kafka.admin, "LOTSE_KAFKA_ADMIN_PASSWORD": stack.kafka.password}
    assert existing_postgres(stack.postgres.admin_url) == stack.postgres
    assert existing_kafka(stack.kafka.bootstrap, given) == stack.kafka


@pytest.mark.parametrize("url", ["postgresql://localhost/postgres", "lotse", "postgresql:///postgres"])
def test_a_database_url_without_host_or_user_is_refused(url: str) -> None:
    """The sentence names the variable."""
    with pytest.raises(StackError, match="LOTSE_DATABASE_URL"):
        existing_postgres(url)


def test_a_cluster_without_a_super_user_is_refused(stack: Stack) -> None:
    """Somebody has to make topics, users and rules."""
    with pytest.raises(StackError, match="nobody who may change it"):
        existing_kafka(stack.kafka.bootstrap, {})


def test_a_cluster_with_a_wrong_password_is_refused(stack: Stack) -> None:
    """It is told before anything is started."""
    given = {"LOTSE_KAFKA_ADMIN_USER": stack.kafka.admin, "LOTSE_KAFKA_ADMIN_PASSWORD": "wrong"}
    with pytest.raises(StackError, match="does not answer"):
        existing_kafka(stack.kafka.bootstrap, given)


def _value(url: str, statement: str) -> object:
    async def ask() -> object:
        conn = await asyncpg.connect(url)
        try:
            return await conn.fetchval(statement)
        finally:
            await conn.close()

    return asyncio.run(ask())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL under another account")
def test_root_in_a_closed_folder_gets_a_server_elsewhere(tmp_path: Path) -> None:
    """Where PostgreSQL's account cannot enter, programs and data go to the temp directory, and stay over a restart."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    layout = layout_at(closed / "state")
    layout.create()
    secrets = Secrets(layout.secrets)
    server = start_postgres(layout, secrets, durable=False)
    try:
        elsewhere = find_place(layout).data.parent
        assert closed not in elsewhere.parents
        assert _value(server.admin_url, "CREATE TABLE kept AS SELECT 1 AS x") is None
        stop_postgres(layout)
        server = start_postgres(layout, secrets, durable=False)
        assert _value(server.admin_url, "SELECT x FROM kept") == 1
    finally:
        stop_postgres(layout)
        remove_place(layout)
    assert not elsewhere.exists()


def test_a_server_starts_though_its_old_pid_is_anothers_now(layout: Layout) -> None:
    """After a power cut the number in its note may be any program's; here it is this one's."""
    secrets = Secrets(layout.secrets)
    start_postgres(layout, secrets, durable=False)
    try:
        place = find_place(layout)
        note = (place.data / "postmaster.pid").read_text().splitlines()
        stop_postgres(layout)
        (place.data / "postmaster.pid").write_text("\n".join([str(os.getpid()), *note[1:]]))
        place.own(place.data / "postmaster.pid")
        server = start_postgres(layout, secrets, durable=False)
        assert _value(server.admin_url, "SELECT 1") == 1
    finally:
        stop_postgres(layout)
        remove_place(layout)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL under another account")
def test_a_cleaned_temp_directory_is_told_not_papered_over(layout: Layout, tmp_path: Path) -> None:
    """Data that were lost with the temp directory are not silently replaced by an empty server."""
    (layout.postgres / "elsewhere").write_text(str(tmp_path / "gone"))
    with pytest.raises(StackError, match="has been removed"):
        start_postgres(layout, Secrets(layout.secrets))


@pytest.mark.parametrize("said", ["", "any", "26000-20000", "80-90", "20000"])
def test_a_wrong_range_of_ports_is_named(
    said: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence and how to write it."""
    layout = layout_at(tmp_path_factory.mktemp("ports"))
    layout.create()
    monkeypatch.setenv("LOTSE_PORTS", said)
    with pytest.raises(StackError, match="LOTSE_PORTS is not a range"):
        remembered_ports(layout, intake=8001)
