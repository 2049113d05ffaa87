"""`lotse parked` as an operator uses it, on the four services as processes."""

import json
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaProducer

from deploy.cli import screen
from deploy.cli.main import main
from deploy.local.issuer import issuer_of
from deploy.local.services import http_get
from deploy.local.stack import Stack
from deploy.topology import SERVICES
from schemas import Event
from tests.chassis.probe import given, record, withdrawn
from tests.conftest import eventually

NOWHERE = "/koblenz/elsewhere/1"


class Done(NamedTuple):
    """How a command ended, and what it printed on both screens."""

    code: int
    text: str


class Bench:
    """The running services, the command in this process (starting it takes a second), and a producer nobody knows."""

    def __init__(self, stack: Stack, ports: dict[str, int], producer: AIOKafkaProducer, capsys: Any) -> None:
        self.stack = stack
        self.ports = ports
        self.producer = producer
        self._capsys = capsys

    def run(self, *arguments: str) -> Done:
        """`lotse parked ...` on this stack."""
        self._capsys.readouterr()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LOTSE_STATE_DIR", str(self.stack.layout.root))
            patch.setattr(sys, "argv", ["lotse", "parked", *arguments])
            patch.setattr(screen.out, "_width", 250)
            with pytest.raises(SystemExit) as ended:
                main()
        said = self._capsys.readouterr()
        return Done(int(ended.value.code or 0), said.out + said.err)

    async def send(self, event: Event, version: int) -> str:
        """Put an event on the bus; returns its PARTITION:OFFSET."""
        sent = record(event, version, 0, source=NOWHERE)
        where = await self.producer.send_and_wait(sent.topic, sent.value, sent.key, headers=list(sent.headers))
        return f"{where.partition}:{where.offset}"

    async def parked_everywhere(self, case: UUID, waiting: str) -> None:
        """Wait until every service has parked the case with the record of that place in its queue."""
        for service in SERVICES:
            await eventually(lambda name=service.name: waiting in self.run("show", name, "cases", str(case)).text)


@pytest.fixture
async def bench(stack: Stack, services: dict[str, int], capsys: Any) -> AsyncIterator[Bench]:
    """Four services and somebody who writes to the bus."""
    login = stack.kafka.asyncio_client("lotse-intake", stack.secrets.kafka_password("lotse-intake"))
    async with AIOKafkaProducer(**login) as producer:
        yield Bench(stack, services, producer, capsys)


def answered(done: Done, *texts: str, code: int = 0) -> None:
    """It ended with that code and printed these."""
    assert done.code == code, done.text
    for text in texts:
        assert text in done.text


async def test_a_gap_is_seen_tried_again_and_let_go(bench: Bench) -> None:
    """In every service: listed with its reason, a retry does not help, a discard frees it, and both are noted."""
    case = uuid4()
    gap, waits = await bench.send(given(case), 2), await bench.send(withdrawn(case), 3)
    await bench.parked_everywhere(case, waits)
    answered(bench.run("list"), str(case), "gap", *(service.name for service in SERVICES))
    assert "yes" in bench.run("show", "intake", "cases", str(case)).text
    for service in SERVICES:
        name = service.name
        stuck = bench.run("retry", name, "lotse.cases.v1", str(case))
        answered(stuck, f"still parked at {gap}", code=1)
        let_go = bench.run("discard", name, "cases", str(case), "--reason", "lost for good", "--yes")
        answered(let_go, f"given up what is missing before {gap} (gap), goes on from version 1", "free")
        answered(bench.run("list", name), "Nothing is parked.")
        noted = bench.run("acts", name, "--limit", "2")
        answered(noted, "lost for good", "lotse-cli:", "discard", "retry")


async def test_another_installation_is_reached_by_url_and_token_file(bench: Bench, tmp_path: Path) -> None:
    """No file of the local stack is needed; the author is who the token says."""
    case = uuid4()
    place = await bench.send(given(case), 2)
    await bench.parked_everywhere(case, place)
    file = tmp_path / "token"
    issuer = issuer_of(bench.stack.layout)
    file.write_text(issuer.issue_token("", "", ["operator"], timedelta(minutes=5), "b.lenz@dc") + "\n")
    for service in SERVICES:
        where = ("--url", f"http://127.0.0.1:{bench.ports[service.name]}/", "--token-file", str(file))
        body = (service.name, "cases", str(case), "--reason", "lost", "--at", place, "--yes", *where)
        answered(bench.run("discard", *body), "free")
        answered(bench.run("acts", service.name, *where), "b.lenz@dc")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("list", "post-office"), "There is no service post-office."),
        (("retry", "intake", "cases", "nothing"), "There is nothing here that you may see."),
        (("retry", "intake", "no topic", "k"), "(topic)"),
        (("discard", "intake", "cases", "nothing", "--reason", "why", "--yes"), "No such record waits there."),
        (("discard", "intake", "cases", "--reason", "why", "--yes"), "--at has to name the record"),
        (("discard", "intake", "cases", "k", "--reason", "why", "--at", "x"), "x is not PARTITION:OFFSET."),
        (("discard", "intake", "cases", "--reason", "why", "--at", "11:0", "--yes"), "No such record waits there."),
        (("list", "--url", "http://127.0.0.1:1"), "needs both --url and --token-file"),
        (("list", "--url", "ftp://x", "--token-file", "x"), "ftp://x is not an address."),
        (("list", "--url", "http://127.0.0.1:1", "--token-file", "/nonexistent"), "cannot be read"),
        (("list", "--url", "http://127.0.0.1:1", "--token-file", "README.md"), "cannot be read"),
    ],
)
def test_a_mistake_is_one_sentence_and_a_way_out(bench: Bench, arguments: tuple[str, ...], sentence: str) -> None:
    """Exit code 1, and nothing was done."""
    answered(bench.run(*arguments), sentence, code=1)


def test_a_partners_token_is_refused(bench: Bench, tmp_path: Path) -> None:
    """Only operators of the data centre, who belong to no partner."""
    file = tmp_path / "token"
    file.write_text(issuer_of(bench.stack.layout).issue_token("awo-rheinland", "awo-rheinland/mbe", ["operator"]))
    where = ("--url", f"http://127.0.0.1:{bench.ports['intake']}", "--token-file", str(file))
    answered(bench.run("list", *where), "This is for the operators of the data centre.", code=1)


async def test_nobody_is_asked_where_nobody_can_answer(bench: Bench) -> None:
    """Without a terminal and without --yes nothing is let go."""
    case = uuid4()
    place = await bench.send(given(case), 2)
    await bench.parked_everywhere(case, place)
    for service in SERVICES:
        named = ("discard", service.name, "cases", str(case), "--reason", "lost")
        answered(bench.run(*named), "cannot be undone", "--yes", code=1)
        answered(bench.run(*named, "--yes"), "free")


def test_the_routes_are_in_the_description_of_every_service(services: dict[str, int]) -> None:
    """Whoever has other tools than `lotse` finds them in /openapi.json."""
    for port in services.values():
        _, text = http_get(port, "/openapi.json")
        assert {"/admin/parked", "/admin/acts"} <= set(json.loads(text)["paths"])
