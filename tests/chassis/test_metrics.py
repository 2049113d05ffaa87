"""What an operator's numbers mean: measured from real rows, with labels that cannot grow without end."""

import ast
import json
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import structlog
from aiokafka.errors import KafkaConnectionError
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.layout import CHECKOUT
from schemas import stream_headers
from services.chassis import metrics, tally
from services.chassis.db import Connection, Database
from services.chassis.latency import TO_APPLIED, Latency, Stopwatch, observe_streams
from services.chassis.log import configure_logging
from services.chassis.metrics import COUNTED_EXACTLY, REGISTRY
from services.chassis.relay import Row
from tests.chassis.probe import Probe, given, record
from tests.chassis.things import SERVICE, TABLE
from tests.harness import Running, running

CITY = "stadt-koblenz/integration"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
Read = Callable[[], Awaitable[dict[str, float]]]


@pytest.fixture
async def things(tmp_path, create_database) -> AsyncIterator[Running]:
    """The service of things."""
    async with running(SERVICE, tmp_path, await create_database("chassis")) as opened:
        async with opened.context.database.transaction() as conn:
            await conn.execute(TABLE)
        yield opened


async def nothing(_conn: Connection) -> None:
    """This service has no gauges of its own."""


@pytest.fixture
def read(database: Database) -> Read:
    """The metrics without labels, by name."""

    async def now() -> dict[str, float]:
        text = (await metrics.render(database, nothing)).decode()
        samples = (each for family in text_string_to_metric_families(text) for each in family.samples)
        return {sample.name: sample.value for sample in samples if not sample.labels}

    return now


async def fill(database: Database, rows: int, *, age: timedelta = timedelta(0)) -> None:
    """Put rows into the outbox that nobody sends."""
    async with database.transaction() as conn:
        await conn.execute(
            """
            insert into chassis.outbox (event_id, topic, key, headers, value, created_at)
            select gen_random_uuid(), 'lotse.cases.v1', n::text, '{}', '', clock_timestamp() - $2::interval
            from generate_series(1, $1::int) as n
            """,
            rows,
            age,
        )


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_an_empty_outbox_has_neither_depth_nor_age(read: Read) -> None:
    """Nothing waits: both are 0."""
    found = await read()
    assert (found["lotse_outbox_depth"], found["lotse_outbox_age_seconds"]) == (0, 0)


async def test_the_outbox_shows_how_many_wait_and_how_long_the_oldest(database: Database, read: Read) -> None:
    """Depth is exact while it is small; age is that of the first row."""
    await fill(database, 1, age=timedelta(minutes=5))
    await fill(database, 2)
    found = await read()
    assert found["lotse_outbox_depth"] == 3
    assert 300 <= found["lotse_outbox_age_seconds"] < 360


async def test_a_deep_outbox_is_estimated_and_never_below_what_was_counted(database: Database, read: Read) -> None:
    """Beyond ten thousand rows the number need not be exact, but it is big."""
    await fill(database, COUNTED_EXACTLY + 500)
    assert (await read())["lotse_outbox_depth"] > COUNTED_EXACTLY


async def test_looking_costs_the_same_however_deep_the_outbox_is(database: Database) -> None:
    """No part of the look reads more rows than its limit."""
    await fill(database, 4 * COUNTED_EXACTLY)
    async with database.reading() as conn:
        text = await conn.fetchval(f"explain (analyze, format json) {metrics._STATE}", COUNTED_EXACTLY)
    assert most_rows_read(json.loads(text)[0]["Plan"]) <= COUNTED_EXACTLY + 1


def most_rows_read(node: dict[str, Any]) -> int:
    return max([node["Actual Rows"] * node["Actual Loops"], *map(most_rows_read, node.get("Plans", []))])


async def test_parked_keys_show_their_number_and_the_longest_wait(database: Database, read: Read) -> None:
    """By the clock of the database, which tests can move."""
    async with database.transaction() as conn:
        await conn.execute(
            """
            insert into chassis.key (topic, key, parked_at)
            values ('t', 'a', chassis.lotse_now() - interval '2 hours'), ('t', 'b', chassis.lotse_now()),
                   ('t', 'c', null)
            """
        )
    found = await read()
    assert found["lotse_parked_keys"] == 2
    assert 7200 <= found["lotse_parked_age_seconds"] < 7260


async def test_dead_letters_without_a_key_are_counted_apart(database: Database, apply, read: Read) -> None:
    """They park nothing, so that no other number shows them."""
    keyless = record(given(uuid4()), 1, 1)
    await apply(Probe(), record(given(uuid4()), 5, 0), keyless._replace(key=None))
    found = await read()
    assert (found["lotse_dead_letters"], found["lotse_dead_letters_without_key"]) == (2, 1)
    assert found["lotse_parked_keys"] == 1


async def test_without_its_database_a_process_still_tells_the_rest(database: Database, read: Read) -> None:
    """What only the database knows is no number then, and the process's own counters stay visible."""
    await database.close()
    found = await read()
    assert found["lotse_database_up"] == 0
    assert math.isnan(found["lotse_outbox_depth"])
    assert math.isnan(found["lotse_parked_keys"])
    assert "lotse_events_applied_total" in found


async def test_the_database_is_up_when_it_answers(read: Read) -> None:
    """The other side of the claim above."""
    assert (await read())["lotse_database_up"] == 1


async def test_requests_are_counted_by_template_and_never_by_what_a_caller_chose(things: Running) -> None:
    """An id in the path, an unknown path and an invented method make no label of their own."""
    headers = things.headers(CITY, "clerk")
    some_id = uuid4()
    before = value("lotse_http_request_seconds_count", method="GET", route="/v1/things/{thing_id}", status="404")
    await things.client.get(f"/v1/things/{some_id}", headers=headers)
    await things.client.get(f"/nowhere/{some_id}")
    await things.client.request("INVENTED", "/nowhere")
    text = (await things.client.get("/metrics")).text
    after = value("lotse_http_request_seconds_count", method="GET", route="/v1/things/{thing_id}", status="404")
    assert after == before + 1
    assert value("lotse_http_request_seconds_count", method="GET", route="none", status="404") > 0
    assert value("lotse_http_request_seconds_count", method="other", route="none", status="404") > 0
    assert str(some_id) not in text
    assert "INVENTED" not in text


def test_a_histogram_for_batches_counts_like_the_librarys() -> None:
    """Cumulative buckets with the bound included, a sum, a count; a negative time is 0."""
    registry = CollectorRegistry()
    histogram = Latency("test_seconds", "A test", registry)
    histogram.observe([0.005, 0.006, -1.0, 5000.0])
    assert registry.get_sample_value("test_seconds_bucket", {"le": "0.005"}) == 2
    assert registry.get_sample_value("test_seconds_bucket", {"le": "0.01"}) == 3
    assert registry.get_sample_value("test_seconds_bucket", {"le": "3600.0"}) == 3
    assert registry.get_sample_value("test_seconds_bucket", {"le": "+Inf"}) == 4
    assert registry.get_sample_value("test_seconds_count", {}) == 4
    assert registry.get_sample_value("test_seconds_sum", {}) == pytest.approx(5000.011)


def test_a_stopwatch_goes_on_from_the_databases_time() -> None:
    """What the test clock adds is on both sides and cancels out."""
    (seconds,) = Stopwatch(NOW).since([NOW - timedelta(seconds=3)])
    assert 3 <= seconds < 4


async def test_applying_an_event_is_timed_from_its_commit(apply) -> None:
    """The event's own time begins it; a duplicate is not applied and not timed."""
    before, seconds = timed_applied()
    event = record(given(uuid4()), 1, 0, ce_time=b"2020-01-01T00:00:00Z")
    await apply(Probe(), event)
    count, total = timed_applied()
    assert count == before + 1
    assert total - seconds > timedelta(days=365).total_seconds()
    await apply(Probe(), record(given(uuid4()), 1, 1), event)
    assert timed_applied()[0] == count + 1


def timed_applied() -> tuple[float, float]:
    (family,) = TO_APPLIED.collect()
    found = {sample.name: sample.value for sample in family.samples}
    return found["lotse_commit_to_applied_seconds_count"], found["lotse_commit_to_applied_seconds_sum"]


async def test_only_what_kafka_took_for_partners_is_timed_to_the_stream(database: Database) -> None:
    """Other topics and rows that were not acknowledged do not count."""
    rows = [
        outbox_row(1, "lotse.partner.awo-rheinland.v1"),
        outbox_row(2, "lotse.deliveries.v1"),
        outbox_row(3, "lotse.partner.awo-rheinland.v1"),
    ]
    before = value("lotse_commit_to_stream_seconds_count")
    async with database.reading() as conn:
        await observe_streams(conn, rows, [1, 2])
    assert value("lotse_commit_to_stream_seconds_count") == before + 1


def outbox_row(seq: int, topic: str) -> Row:
    headers = stream_headers(
        id=uuid4(), source="/s", type="t", time=NOW, subject="s", dataschema="d", sequence=seq, key="k"
    )
    return Row(seq, topic, b"k", headers, b"{}")


async def test_what_is_rolled_back_is_not_counted(database: Database) -> None:
    """A batch that is tried again counts once, when it commits."""
    counter = Counter("test_counted", "A test", registry=CollectorRegistry())
    with suppress(RuntimeError):
        async with database.transaction():
            tally.count(counter)
            raise RuntimeError("rolled back")
    async with database.transaction():
        tally.count(counter, 2)
        assert counter._value.get() == 0
    assert counter._value.get() == 2
    tally.count(counter)
    assert counter._value.get() == 3


@pytest.mark.parametrize(
    ("error", "reason"),
    [(TimeoutError(), "timeout"), (ConnectionResetError(), "connection"), (KafkaConnectionError(), "kafka")],
)
def test_failures_of_the_relay_have_a_handful_of_reasons(error: Exception, reason: str) -> None:
    """The class of an error is no label: there are too many of them."""
    before = value("lotse_relay_failures_total", reason=reason)
    metrics.relay_failed(error)
    assert value("lotse_relay_failures_total", reason=reason) == before + 1


@pytest.fixture
def logging_restored() -> Iterator[None]:
    """What the test configures is undone."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def test_warnings_and_errors_of_the_log_are_counted_by_event(
    logging_restored: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line of `info` is not; the words of libraries are not."""
    configure_logging("test", "info")
    before = value("lotse_log_events_total", level="error", event="test_event")
    structlog.get_logger().error("test_event", topic="t")
    structlog.get_logger().info("test_event")
    assert value("lotse_log_events_total", level="error", event="test_event") == before + 1
    logging.getLogger("aiokafka").error("broker 10.0.0.1 went away")
    assert value("lotse_log_events_total", level="info", event="test_event") == 0
    assert b"10.0.0.1" not in generate_latest(REGISTRY)
    assert "10.0.0.1" in capsys.readouterr().out


def test_what_is_logged_is_a_word_of_the_code() -> None:
    """The event of a log line is a label: it must not be put together from what happens to be there."""
    for path in (CHECKOUT / "services").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("log.warning", "log.error", "log.exception"):
                assert isinstance(node.args[0], ast.Constant | ast.Name), f"{path.name}:{node.lineno}"


def test_no_metric_has_an_id_among_its_labels() -> None:
    """A label whose values nobody can list beforehand would make the number of series grow without end."""
    known = {"code", "reason", "task", "method", "route", "status", "level", "event", "topic", "result", "state", "le"}
    for family in REGISTRY.collect():
        for sample in family.samples:
            assert set(sample.labels) <= known, sample.name
