"""The small parts: references, patience, supervision, logs."""

import asyncio
import json
import logging
from typing import Any
from uuid import UUID, uuid4

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from services.chassis import supervise as supervise_module
from services.chassis.alarm import ConsumerStopped, ParkingAlarm
from services.chassis.log import SeldomRepeated, configure_logging, describe
from services.chassis.metrics import REGISTRY
from services.chassis.pairwise import References
from services.chassis.patience import wait_for
from services.chassis.supervise import Backoff, Final, supervise

REFERENCES = References({"a": bytes(range(32)), "b": bytes(range(1, 33))})


@given(st.uuids())
def test_a_reference_turns_back_into_its_id_and_differs_by_partner(value: UUID) -> None:
    """A permutation per partner: 32 hex digits, invertible with the right key only."""
    reference = REFERENCES.reference("a", value)
    assert len(reference) == 32
    assert REFERENCES.resolve("a", reference) == value
    assert REFERENCES.reference("b", value) != reference
    assert REFERENCES.resolve("b", reference) != value


@pytest.mark.parametrize("text", ["", "ab", "g" * 32, "0" * 34])
def test_a_text_that_is_no_reference_is_refused(text: str) -> None:
    """Before anything is looked up."""
    with pytest.raises(ValueError, match=r"hex|fromhex"):
        REFERENCES.resolve("a", text)


async def test_patience_ends_when_the_condition_holds_or_the_time_is_over() -> None:
    """True at once, true later, false in the end."""
    answers = [False, False, True]

    async def condition() -> bool:
        return answers.pop(0)

    async def never() -> bool:
        return False

    assert await wait_for(condition)
    assert not await wait_for(never, seconds=0.05)


async def test_a_task_that_fails_or_ends_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it says Final; then the metric says that a human is needed."""
    monkeypatch.setattr(Backoff, "next", lambda _self: 0.0)
    lives: list[Any] = [RuntimeError("x"), None, Final("enough")]

    async def run() -> None:
        outcome = lives.pop(0)
        if outcome:
            raise outcome

    await supervise("mortal", run, healthy_after_seconds=-1)
    assert lives == []
    assert REGISTRY.get_sample_value("lotse_task_restarts_total", {"task": "mortal"}) == 2
    assert REGISTRY.get_sample_value("lotse_task_stopped", {"task": "mortal"}) == 1


async def test_a_supervised_task_can_be_cancelled() -> None:
    """At its end the process ends its tasks."""
    task = asyncio.create_task(supervise("patient", asyncio.Event().wait))  # type: ignore[arg-type]  # returns True
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_pauses_grow_and_stay_below_their_most() -> None:
    """Doubling, shortened by up to half."""
    backoff = Backoff(first=1, most=4)
    pauses = [backoff.next() for _ in range(5)]
    assert all(
        low <= pause <= high
        for pause, (low, high) in zip(pauses, [(0.5, 1), (1, 2), (2, 4), (2, 4), (2, 4)], strict=True)
    )
    assert supervise_module.random is not None


def test_the_alarm_forgets_after_a_minute() -> None:
    """Ten now and ten a minute later are no flood."""
    moment = [0.0]
    alarm = ParkingAlarm(clock=lambda: moment[0])
    alarm.check(10)
    alarm.note(10)
    alarm.check(0)
    with pytest.raises(ConsumerStopped):
        alarm.check(1)
    moment[0] = 61.0
    alarm.check(10)


def test_an_error_is_described_without_its_text() -> None:
    """Texts of errors quote what people entered."""
    try:
        raise ValueError("Fatima Al-Secret")
    except ValueError as error:
        described = describe(error)
    assert described["type"] == "ValueError"
    assert "Secret" not in str(described)


def test_logs_are_json_lines_without_exception_texts(capsys: pytest.CaptureFixture[str]) -> None:
    """Ours and the libraries' alike."""
    handlers, level = logging.getLogger().handlers, logging.getLogger().level
    try:
        configure_logging("intake", "info")
        structlog.get_logger().info("person_registered", case_id=str(uuid4()))
        try:
            raise ValueError("Fatima Al-Secret")
        except ValueError:
            logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
            structlog.get_logger().exception("request_failed")
        lines = [json.loads(line) for line in capsys.readouterr().out.strip().splitlines()]
    finally:
        logging.getLogger().handlers, logging.getLogger().level = handlers, level
        structlog.reset_defaults()
    assert [line["event"] for line in lines] == ["person_registered", "Exception in ASGI application", "request_failed"]
    assert {line["service"] for line in lines} == {"intake"}
    assert lines[1]["error"]["type"] == lines[2]["error"]["type"] == "ValueError"
    assert "Secret" not in json.dumps(lines)


def test_what_a_library_says_again_and_again_is_written_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that is away for minutes must not fill the disk; nothing is left out without being counted."""
    moment = 1000.0
    monkeypatch.setattr("services.chassis.log.time.monotonic", lambda: moment)
    seldom = SeldomRepeated("aiokafka")

    def written(name: str, words: str, *values: object) -> str | None:
        entry = logging.LogRecord(name, logging.ERROR, "", 0, words, values, None)
        return entry.getMessage() if seldom.filter(entry) else None

    assert written("aiokafka.conn", "Unable connect to node %s", 1) == "Unable connect to node 1"
    assert written("aiokafka.conn", "Unable connect to node %s", 2) is None
    assert written("aiokafka.client", "Unable connect to node %s", 1) == "Unable connect to node 1"
    assert written("uvicorn.error", "the same") == written("uvicorn.error", "the same") == "the same"
    moment += 10
    again = "Unable connect to node 3 (and 1 times since it was last written)"
    assert written("aiokafka.conn", "Unable connect to node %s", 3) == again
