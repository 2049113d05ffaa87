"""The documentation says what the code does: names, paths, settings, events, routes and commands are compared."""

import ast
import asyncio
import json
import os
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from typer.main import get_command

from deploy.cli.provision import provision_kafka
from deploy.local.layout import CHECKOUT
from deploy.local.stack import Stack
from deploy.topology import SERVICES, partner_topic
from schemas import new_id, stream_headers
from schemas.documents import contract_events
from schemas.envelope import SCHEMAS_DIR, Event, committed_versions
from schemas.partner_file import load_partners
from schemas.permissions import TABLE, Relation, Role
from services.chassis.config import Settings
from services.chassis.context import Service
from services.chassis.metrics import REGISTRY

PAGES = sorted([*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").rglob("*.md")])
GUIDE, OPERATIONS = "docs/partner-guide.md", "docs/operations.md"
TOP_FOLDERS = ("schemas", "services", "deploy", "tests", "docs", ".ci")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))


@cache
def text(path: str | Path) -> str:
    """A page's text."""
    return (CHECKOUT / path).read_text(encoding="utf-8")


def code_in(page: Path) -> Iterator[str]:
    """What stands in code blocks and between backticks."""
    blocks = re.findall(r"```.*?\n(.*?)```", text(page), re.DOTALL)
    yield from blocks
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text(page), flags=re.DOTALL))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as forges make them."""
    titles = re.findall(r"^#+ (.*)$", text(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def services() -> list[Service]:
    """The four services, as their processes start them."""
    return [import_module(f"services.{service.name}.app").SERVICE for service in SERVICES]


def sources() -> Iterator[ast.AST]:
    """Every node of the services' code."""
    for path in (CHECKOUT / "services").rglob("*.py"):
        yield from ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def test_pages_are_there() -> None:
    """The search below found what there is to compare."""
    assert {CHECKOUT / "README.md", CHECKOUT / GUIDE, CHECKOUT / OPERATIONS} <= set(PAGES)


@each_page
def test_relative_links_lead_somewhere(page: Path) -> None:
    """A link's file exists, and in a page its heading too."""
    for target in re.findall(r"\]\(([^)\s]+)\)", text(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(found), f"{page.name} links to {target}"


@each_page
def test_paths_that_are_named_exist(page: Path) -> None:
    """A path of the repository is spelled as it is; what has a placeholder in it is a form, not a path."""
    for code in code_in(page):
        if "::" in code:  # a test, named from its own folder
            continue
        for path in re.findall(r"(?<![\w./<>-])((?:[\w.-]+/)+[\w.-]*)(?![\w<])", code):
            if path.startswith(tuple(f"{folder}/" for folder in TOP_FOLDERS)):
                assert (CHECKOUT / path).exists(), f"{page.name} names {path}"


@each_page
def test_make_targets_that_are_named_exist(page: Path) -> None:
    """Whoever copies a line finds the target."""
    targets = set(re.findall(r"^([a-z]+):", text("Makefile"), re.MULTILINE))
    for code in code_in(page):
        assert set(re.findall(r"^make ([a-z]+)", code, re.MULTILINE)) <= targets


@each_page
def test_commands_that_are_named_exist(page: Path) -> None:
    """Whoever copies a line finds the command."""
    # Only here: a command that cannot be imported fails this test and no other.
    app = import_module("deploy.cli.main").app
    commands = set(getattr(get_command(app), "commands"))  # noqa: B009 - typer's type lacks it
    for code in code_in(page):
        assert set(re.findall(r"(?<![\w./-])lotse ([a-z]+)\b", code)) <= commands


@each_page
def test_no_page_names_a_place_of_one_machine(page: Path) -> None:
    """What is written works wherever it is read."""
    assert str(CHECKOUT) not in text(page)
    assert not re.search(r"(?<![\w.<>}])/(?:home|root|Users|tmp)/", text(page))


def test_every_setting_is_explained() -> None:
    """An error message sends people to this page."""
    for name in Settings.model_fields:
        assert f"`LOTSE_{name.upper()}`" in text(OPERATIONS)


def test_every_metric_is_explained() -> None:
    """Whoever sees a number finds what it means."""
    for metric in REGISTRY.collect():
        counted = f"{metric.name}_total" if metric.type == "counter" else metric.name
        assert f"`{counted}`" in text(OPERATIONS)


def test_every_error_in_the_log_is_explained() -> None:
    """An error needs a human, who needs to know what to do."""
    named = {
        node.args[0].value
        for node in sources()
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "log.error"
        and isinstance(node.args[0], ast.Constant)
    }
    assert named
    for event in named:
        assert f"| `{event}` |" in text(OPERATIONS)


def test_every_problem_is_in_the_guide() -> None:
    """A partner finds every code it may be refused with, and none that does not exist."""
    codes = {
        str(node.args[1].value)
        for node in sources()
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "Refusal"
        and len(node.args) > 1
        and isinstance(node.args[1], ast.Constant)
    }
    section = text(GUIDE).partition("| status | codes")[2].partition("\n\n")[0]
    listed = set(re.findall(r"`([a-z][a-z-]+)`", section))
    assert codes <= listed
    assert listed - codes <= {"method-not-allowed", "not-readable"}  # made from a status, not by a Refusal


def test_every_route_is_in_the_guide() -> None:
    """A partner finds every route, and none that does not exist; operators find theirs in their own page."""
    routes = {
        f"{method} {route.path}"  # type: ignore[attr-defined]
        for service in services()
        for router in service.routers
        for route in router.routes
        for method in route.methods  # type: ignore[attr-defined]
    }
    section = text(GUIDE).partition("| service | route |")[2].partition("\n\n")[0]
    of_operators = {route for route in routes if " /admin/" in route}
    assert set(re.findall(r"`((?:GET|POST|PUT) [^`]+)`", section)) == routes - of_operators
    assert sorted(route for route in of_operators if f"`{route}`" not in text("docs/operations.md")) == []


def test_the_guides_table_of_roles_is_the_permission_table() -> None:
    """Whoever runs an issuer finds what each role opens, as it is enforced."""
    words = {Relation.OWN_UNIT: "unit", Relation.SAME_PARTNER: "partner", Relation.OTHER_PARTNER: "all", None: ""}
    roles = [role for role in Role if role is not Role.OPERATOR]
    head = f"| action | {' | '.join(roles)} | |"
    section = text(GUIDE).partition(head)[2].partition("\n\n")[0]
    assert section.splitlines()[2:] == [
        f"| `{action.id}` | {' | '.join(words[action.reach.get(role)] for role in roles)} | {action.does} |"
        for action in TABLE
        if Role.OPERATOR not in action.reach
    ]


@pytest.mark.parametrize("event_class", [each for each in contract_events() if each.audience])
def test_every_event_a_partner_may_hear_is_in_the_guide_with_its_fields(event_class: type[Event]) -> None:
    """The guide's row has exactly the fields of the committed schema, and marks those that may be missing."""
    folder = SCHEMAS_DIR / event_class.event_type
    schema = json.loads((folder / f"{committed_versions(folder)[-1]}.partner.json").read_text(encoding="utf-8"))
    row = re.search(rf"^\| `{re.escape(event_class.event_type)}`(.*?)\|(.*?)\|(.*)\|$", text(GUIDE), re.MULTILINE)
    assert row is not None
    fields = dict(re.findall(r"`(\w+)`(\??)", row[3]))
    assert set(fields) == set(schema["properties"])
    assert {name for name, mark in fields.items() if not mark} == set(schema["required"])
    assert ("closing" in row[1]) == event_class.closing


def test_every_test_that_is_cited_exists() -> None:
    """A guarantee is as good as the test that shows it."""
    file = ""
    cited = re.findall(r"`([\w/]+\.py)?::(test_\w+)`", text("docs/delivery-guarantees.md"))
    assert cited
    for named, test in cited:
        file = named or file
        assert f"def {test}(" in text(f"tests/{file}")


async def test_the_subscriber_of_the_readme_works(stack: Stack) -> None:
    """Copied as it stands, with another partner's name, it prints what the notifier wrote to that partner's stream."""
    partner, event_id = "jobcenter-koblenz", new_id()
    partners = load_partners(CHECKOUT / "deploy" / "partners")
    await asyncio.to_thread(provision_kafka, stack.kafka, stack.secrets, partners)
    headers = stream_headers(
        id=event_id,
        source=f"/koblenz/{partner}",
        type="lotse.person.erased.v1",
        time=datetime.now(UTC),
        subject="case/ab",
        dataschema="urn:lotse:schema:lotse.person.erased.v1:1:partner",
        sequence=7,
        key="ab",
    )
    login = stack.kafka.asyncio_client("lotse-notifier", stack.secrets.kafka_password("lotse-notifier"))
    async with AIOKafkaProducer(**login, enable_idempotence=True, acks="all") as producer:
        await producer.send_and_wait(partner_topic(partner).full_name(), b'{"case_ref": "ab"}', b"ab", headers=headers)
    program = text("README.md").partition("```python\n")[2].partition("```")[0].replace("awo-rheinland", partner)
    password = stack.secrets.kafka_password(partners.partner(partner).secrets.kafka_password)
    reader = await asyncio.create_subprocess_exec(
        sys.executable,
        "-u",
        "-c",
        program,
        env={**os.environ, "KAFKA": stack.kafka.bootstrap, "KAFKA_PASSWORD": password},
        stdout=asyncio.subprocess.PIPE,
    )
    assert reader.stdout is not None
    try:
        async with asyncio.timeout(60):
            while str(event_id).encode() not in (line := await reader.stdout.readline()):
                assert line, "the subscriber ended before it printed the event"
    finally:
        reader.terminate()
        await reader.wait()
    assert line.decode() == f"7 lotse.person.erased.v1 {event_id} {{'case_ref': 'ab'}}\n"
