"""The commands that look and do not start anything."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from deploy.cli.doctor import examine, install_command, java_version
from deploy.cli.plan import Cluster, desired_cluster
from deploy.cli.provision import kafka_passwords, provision_kafka
from deploy.cli.watch import to_event, to_line
from deploy.local.layout import CHECKOUT, layout_at
from deploy.local.services import Sources, service_environment
from deploy.local.stack import Stack
from deploy.topology import SERVICES
from schemas.partner_file import load_partners
from schemas.permissions import TABLE

STREAM = "lotse.partner.caritas-koblenz.v1"
HEADERS = [
    ("ce_specversion", b"1.0"),
    ("ce_id", b"0190a0c4-0000-7000-8000-000000000001"),
    ("ce_source", b"/koblenz/notifier/1"),
    ("ce_type", b"lotse.offer.changed.v1"),
    ("ce_time", b"2014-01-08T09:30:00.250000Z"),
    ("ce_subject", b"offer-7"),
    ("ce_sequence", b"000000000017"),
    ("content-type", b"application/json"),
]


def lotse(state_dir: Path, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    """Run the command as its own process."""
    return subprocess.run(
        [sys.executable, "-m", "deploy.cli.main", *arguments],
        env={**os.environ, "LOTSE_STATE_DIR": str(state_dir), "COLUMNS": "200", **environ},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_392"', 8),
        ('openjdk version "25" 2025-09-16', 25),
        ("java: command not found", 0),
    ],
)
def test_doctor_reads_every_way_java_says_its_version(said: str, version: int) -> None:
    """Up to 8 it was written 1.8; sometimes there is no minor number."""
    assert java_version(said) == version


def test_doctor_names_the_command_of_this_machines_package_manager() -> None:
    """Debian, Fedora and macOS each have their own; elsewhere it says what to install."""
    assert install_command("mvn", lambda name: name if name == "apt-get" else None) == "sudo apt-get install maven"
    assert install_command("java", lambda name: name if name == "brew" else None) == "brew install openjdk@17"
    assert "package manager" in install_command("make", lambda _name: None)


def test_doctor_finds_what_is_missing(tmp_path: Path) -> None:
    """Without Java, Maven and make on the path it names all three and ends with 1."""
    nothing = tmp_path / "bin"
    nothing.mkdir()
    told = lotse(tmp_path, "doctor", PATH=str(nothing), LOTSE_CACHE_DIR=str(tmp_path / "jars"), JAVA_HOME="")
    assert told.returncode == 1
    assert told.stdout.count("missing") == 3
    assert all(name in told.stdout for name in ("openjdk", "maven", "make"))


def test_doctor_is_content_where_the_tests_run(tmp_path: Path) -> None:
    """The machine that runs these tests has all that is needed."""
    assert [each.subject for each in examine(layout_at(tmp_path)) if not each.well] == []


@pytest.mark.parametrize("command", [("status",), ("apply",), ("migrate",), ("watch", "awo-rheinland")])
def test_without_a_stack_a_command_says_so_and_how_to_start_it(tmp_path: Path, command: tuple[str, ...]) -> None:
    """One sentence and a way out, no traceback."""
    told = lotse(tmp_path, *command)
    assert told.returncode == 1
    assert told.stdout == ""
    assert told.stderr.splitlines() == ["Error: The local stack is not running.", "`lotse up` starts it."]


def test_the_permission_table_is_printed_without_a_stack_and_fits_a_terminal(tmp_path: Path) -> None:
    """Every action with its reach for every role, in 80 columns; operators' actions apart."""
    told = lotse(tmp_path, "permissions", COLUMNS="80")
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert "fetch-person               -       unit       -           -            unit" in lines
    assert {action.id for action in TABLE} <= {line.partition(" ")[0] for line in lines}
    assert "mend-parked-keys    all" in lines


def test_the_permission_table_is_narrowed_to_a_role_and_a_service(tmp_path: Path) -> None:
    """What the clerk of a partner can ask intake for; a role that does not exist is refused by name."""
    told = lotse(tmp_path, "permissions", "--role", "clerk", "--service", "intake")
    matrix = told.stdout.split("\n\n")[0].splitlines()
    assert matrix[1] == "[intake]"
    assert [line.split() for line in matrix[2:4]] == [["count-information", "unit"], ["count-refusal", "unit"]]
    assert "fetch-person" not in told.stdout
    assert "parked" not in told.stdout
    refused = lotse(tmp_path, "permissions", "--role", "janitor")
    assert (refused.returncode, "commissioner" in refused.stderr) == (2, True)
    refused = lotse(tmp_path, "permissions", "--service", "billing")
    assert (refused.returncode, "intake, referral, notifier, reporting" in refused.stderr) == (1, True)


def test_down_without_a_stack_is_no_error(tmp_path: Path) -> None:
    """What does not run is down."""
    assert lotse(tmp_path / "never", "down").returncode == 0


def test_a_wrong_partner_file_stops_up_before_anything_starts(tmp_path: Path) -> None:
    """The sentence names the file and the field."""
    shutil.copytree(CHECKOUT / "deploy" / "partners", tmp_path / "partners")
    wrong = tmp_path / "partners" / "awo-rheinland.toml"
    wrong.write_text(wrong.read_text().replace('regime = "DSGVO"', 'regime = "GDPRish"'))
    told = lotse(tmp_path / "state", "up", LOTSE_PARTNERS_DIR=str(tmp_path / "partners"))
    assert told.returncode == 1
    assert "awo-rheinland.toml" in told.stderr
    assert "regime" in told.stderr
    assert "Traceback" not in told.stderr
    assert not (tmp_path / "state" / "run").exists()


def test_watching_an_unknown_partner_names_those_there_are(stack: Stack) -> None:
    """A slip of the pen costs no search."""
    told = lotse(stack.layout.root, "watch", "awo")
    assert told.returncode == 1
    assert "awo-rheinland" in told.stderr


def test_a_dry_run_shows_the_plan_and_changes_nothing(stack: Stack, tmp_path: Path) -> None:
    """A new partner's topic, user and rules are shown, and still missing afterwards."""
    provision_kafka(stack.kafka, stack.secrets, load_partners(CHECKOUT / "deploy" / "partners"))
    shutil.copytree(CHECKOUT / "deploy" / "partners", tmp_path / "partners")
    text = (tmp_path / "partners" / "awo-rheinland.toml").read_text()
    (tmp_path / "partners" / "neu-koblenz.toml").write_text(text.replace("awo-rheinland", "neu-koblenz"))
    for _run in range(2):
        told = lotse(stack.layout.root, "apply", "--dry-run", LOTSE_PARTNERS_DIR=str(tmp_path / "partners"))
        assert told.returncode == 0, told.stderr
        assert "lotse.partner.neu-koblenz.v1" in told.stdout
        assert told.stdout.count("add rule") == 3
    assert not (stack.secrets.for_services / "pairwise-neu-koblenz").exists()


async def test_watch_shows_what_the_partner_may_read(stack: Stack, kafka_admin: AdminClient) -> None:
    """With the partner's own password, one CloudEvent a line; what other tests left in the stream comes before."""
    partners = load_partners(CHECKOUT / "deploy" / "partners")
    provision_kafka(stack.kafka, stack.secrets, partners)
    password = kafka_passwords(stack.secrets, partners)["lotse-notifier"]
    producer = AIOKafkaProducer(**stack.kafka.asyncio_client("lotse-notifier", password))
    await producer.start()
    sent = await producer.send_and_wait(STREAM, b'{"field": "opening_hours"}', key=b"offer-7", headers=HEADERS)
    await producer.stop()
    before = kafka_admin.list_offsets({TopicPartition(STREAM, 0): OffsetSpec.earliest()})
    limit = str(sent.offset + 1 - next(iter(before.values())).result(30).offset)
    told = lotse(stack.layout.root, "watch", "caritas-koblenz", "--from-beginning", "--limit", limit, "--json")
    assert told.returncode == 0, told.stderr
    event = json.loads(told.stdout.splitlines()[-1])
    assert event["type"] == "lotse.offer.changed.v1"
    assert event["data"] == {"field": "opening_hours"}


def a_record(value: bytes | None) -> "ConsumerRecord[bytes, bytes]":
    return ConsumerRecord(STREAM, 0, 0, 0, 0, b"offer-7", value, None, 7, len(value or b""), tuple(HEADERS))


def test_an_event_is_one_readable_line() -> None:
    """Number, type, subject and data; long values are cut."""
    line = to_line(a_record(json.dumps({"field": "opening_hours", "new": "x" * 200}).encode()))
    assert "\n" not in line
    assert "#17  offer.changed.v1  offer-7  field=opening_hours new=xxx" in line
    assert len(line) < 200


def test_an_event_without_data_can_be_watched() -> None:
    """An empty value is no reason to stop."""
    assert to_event(a_record(None))["data"] is None


def test_the_desired_cluster_of_no_partner_has_the_services_only() -> None:
    """Before the first partner file there is nobody to read anything."""
    desired: Cluster = desired_cluster([])
    assert all(user.startswith("lotse-") for user in desired.users)


def test_services_are_told_where_traces_go_and_nothing_else_of_our_settings(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A setting of the shell that started the stack must not change what a service connects to."""
    monkeypatch.setenv("LOTSE_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    monkeypatch.setenv("LOTSE_DATABASE_URL", "postgresql://elsewhere")
    monkeypatch.setenv("LOTSE_WATCHDOG_SECONDS", "1")
    told = service_environment(stack, SERVICES[1], 8002, Sources())
    assert told["LOTSE_OTLP_ENDPOINT"] == "http://127.0.0.1:4318"
    assert told["LOTSE_DATABASE_URL"] == stack.databases["lotse_referral"]
    assert "LOTSE_WATCHDOG_SECONDS" not in told
