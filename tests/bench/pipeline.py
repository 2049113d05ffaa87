"""The whole of Lotse under load: how long a change takes on its way, and how many a second it carries."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
import psutil

from deploy.topology import SERVICES
from tests.bench.bare import TABLES
from tests.bench.figures import Figure, Section, Sizes, milliseconds, per_second
from tests.bench.ground import Ground, percentile

STEADY_RATE = 100
WITHDRAWALS_A_SECOND = 5
STEPS = (50, 75, 100, 150, 200, 250, 300, 400, 500)
SUSTAINED_SHARE = 0.95
START_SECONDS = 6
WARM_SECONDS = 6


def latency(ground: Ground, sizes: Sizes) -> Section:
    """One and two hops at 100 changes a second, beside the bare chain; then withdrawals beside such a load."""
    one, two, bare_one, bare_two = list[float](), list[float](), list[float](), list[float]()
    for _ in range(sizes.rounds):
        passed, heard = _bare_chain(ground, sizes)
        bare_one += passed
        bare_two += heard
        applied, streamed = _real_chain(ground, sizes)
        one += applied["referral"] + applied["notifier"] + applied["reporting"]
        two += streamed
    ends, beside = _withdrawals(ground, sizes)
    p = percentile
    return Section(
        "Time on the way, at 100 changes a second",
        [
            *(
                Figure(
                    f"commit to applied by the next service, {name}",
                    milliseconds(p(one, share)),
                    milliseconds(p(bare_one, share)),
                    f"{p(one, share) / p(bare_one, share):.1f}x",
                    "at most 2x bare",
                    p(one, share) <= 2 * p(bare_one, share),
                )
                for name, share in (("p50", 0.5), ("p99", 0.99))
            ),
            *(
                Figure(
                    f"change to the partner's stream, {name}",
                    milliseconds(p(two, share)),
                    milliseconds(p(bare_two, share)),
                    f"{p(two, share) / p(bare_two, share):.1f}x",
                    f"at most {most} ms",
                    p(two, share) <= most / 1000,
                )
                for name, share, most in (("p50", 0.5, 20), ("p99", 0.99, 100))
            ),
            Figure(
                "withdrawal to the last service has acted, p99",
                milliseconds(p(ends, 0.99)),
                target="< 300 ms",
                met=p(ends, 0.99) < 0.3 and p(beside["reporting"], 0.99) < 0.3,
            ),
        ],
        [
            f"{len(one):,} events applied and {len(two):,} records on four partners' streams, all four services up; "
            f"bare: {len(bare_one):,} events through two hops of three processes. Withdrawal: {len(ends)} of them, "
            f"{WITHDRAWALS_A_SECOND} a second beside the {STEADY_RATE}, p50 {milliseconds(median(ends))}, from the "
            "request until the recipient's stream holds the referral's end, so intake, referral and notifier have "
            f"acted; reporting's own p99 meanwhile was {milliseconds(p(beside['reporting'], 0.99))}.",
        ],
    )


def _bare_chain(ground: Ground, sizes: Sizes) -> tuple[list[float], list[float]]:
    prefix, first, second = ground.topics(), ground.database("intake", TABLES), ground.database("referral", TABLES)
    here = ground.environment("intake", database=first, prefix=prefix)
    there = ground.environment("referral", database=second, prefix=prefix)
    lasts = sizes.latency_seconds + START_SECONDS + 2
    hear = ground.part("chain", "hear", lasts, env=there)
    passing = ground.part("chain", "pass", lasts, env=there)
    time.sleep(START_SECONDS - 2)
    ground.part("chain", "write", sizes.latency_seconds, STEADY_RATE, env=here).result()
    passed, heard = passing.result(), hear.result()
    for url in (first, second):
        ground.drop(url)
    ground.delete_topics(prefix)
    return _steady(passed), _steady(heard)


def _steady(values: list[float]) -> list[float]:
    """Without the first second, in which connections are made and statements planned."""
    return values[STEADY_RATE:] or values


def _real_chain(ground: Ground, sizes: Sizes) -> tuple[dict[str, list[float]], list[float]]:
    with _watched(ground) as files:
        _warm_up(ground)
        ear = ground.part("load", "hear", sizes.latency_seconds + START_SECONDS, env=ground.world())
        time.sleep(3)
        since = time.time()
        ground.part("load", "mix", sizes.latency_seconds, STEADY_RATE, env=ground.world()).result()
        heard = ear.result()
    return _read(files, since), heard["took"]


def _withdrawals(ground: Ground, sizes: Sizes) -> tuple[list[float], dict[str, list[float]]]:
    with _watched(ground) as files:
        _warm_up(ground)
        since = time.time()
        # The referrals to be ended are made before, at about 20 a second.
        before = sizes.latency_seconds * WITHDRAWALS_A_SECOND / 20 + 3
        acting = ground.part("load", "withdrawals", sizes.latency_seconds, WITHDRAWALS_A_SECOND, env=ground.world())
        load = ground.part("load", "mix", sizes.latency_seconds + before, STEADY_RATE, env=ground.world())
        ends: list[float] = acting.result()
        load.result()
    return ends, _read(files, since)


@contextmanager
def _watched(ground: Ground) -> Iterator[dict[str, Path]]:
    with TemporaryDirectory(prefix="lotse-bench-") as folder:
        files = {service.name: Path(folder) / service.name for service in SERVICES}
        with ground.watched(files):
            time.sleep(START_SECONDS)
            yield files
        for name, file in files.items():
            _TOOK[name] = json.loads(file.read_text(encoding="utf-8"))


# What the services of the last block wrote down at their end: moment and seconds of each event.
_TOOK: dict[str, list[tuple[float, float]]] = {}


def _read(files: dict[str, Path], since: float) -> dict[str, list[float]]:
    """How long events took that were applied since a moment."""
    return {name: [took for at, took in _TOOK[name] if at >= since] for name in files}


def _warm_up(ground: Ground) -> None:
    """Fill caches, plan statements, let Kafka's machine compile: no figure is taken of it."""
    ground.part("load", "mix", WARM_SECONDS, STEADY_RATE // 2, env=ground.world()).result()


def pipeline(ground: Ground, sizes: Sizes) -> Section:
    """Rates in steps until one is not carried, then the highest carried one for long."""
    section = Section("Whole pipeline")
    with ground.services():
        time.sleep(START_SECONDS)
        idle = ground.memory()
        _warm_up(ground)
        carried, lines = 0, []
        for rate in STEPS:
            run = carry(ground, rate, sizes.step_seconds)
            lines.append(_line(rate, run))
            if not is_carried(run, rate):
                break
            carried = rate
            _drain(ground)
        _drain(ground)
        empty = _stored(ground)
        run = carry(ground, carried or STEPS[0], sizes.pipeline_seconds)
        _drain(ground)
        full = _stored(ground)
        lines.append(_line(carried or STEPS[0], run))
        loaded = ground.memory()
    lasted = f"{sizes.pipeline_seconds:.0f} s"
    section.figures = [
        Figure(
            f"API changes carried for {lasted}, each told to two partners",
            per_second(run["rate"]),
            target="at least 500/s for 300 s",
            met=run["rate"] >= 500 * 0.99 and is_carried(run, 500),
        ),
        Figure("meanwhile outbox age, p99", milliseconds(run["age"]), target="< 1 s", met=run["age"] < 1),
        Figure("meanwhile change to stream, p99", milliseconds(run["p99"]), target="< 1 s", met=run["p99"] < 1),
        Figure("processor time a change, everything but the load generator", f"{run['core_ms']:.2f} core-ms"),
    ]
    table = "\n".join(lines)
    memory = "\n".join(f"{name:>10}  {idle[name]:6.0f}  {loaded[name]:6.0f}" for name in loaded)
    section.text = [
        "Steps, then the long run (offered, acknowledged a second, records told a second, change to stream p50 and "
        f"p99, outbox age p99, core-ms a change with Kafka and PostgreSQL):\n\n```\n{table}\n```",
        "Where the processor time of the long run went, core-ms a change: "
        + ", ".join(f"{name} {value:.2f}" for name, value in run["by"].items())
        + ". Load generator and the partners' readers share the two cores with all of this and come on top.",
        "What a change left on disk, in bytes (written by it, told to two partners, indexes and dead rows included): "
        + ", ".join(f"{name} {(full[name] - empty[name]) / run['changes']:,.0f}" for name in full)
        + ".",
        f"Resident memory in MiB, idle and after the long run:\n\n```\n{memory}\n```",
    ]
    return section


def is_carried(run: dict[str, Any], rate: float) -> bool:
    """Whether what was offered went through in time."""
    return bool(run["rate"] >= SUSTAINED_SHARE * rate and run["p99"] < 1 and run["age"] < 1)


def _line(rate: int, run: dict[str, Any]) -> str:
    return (
        f"{rate:>5}  {run['rate']:6.0f}/s  {run['told']:6.0f}/s  {milliseconds(run['p50']):>9}  "
        f"{milliseconds(run['p99']):>9}  {milliseconds(run['age']):>9}  {run['core_ms']:5.2f}"
    )


def carry(ground: Ground, rate: int, seconds: float) -> dict[str, Any]:
    """Offer a rate for a while and look at what comes of it."""
    ear = ground.part("load", "hear", seconds + 4, env=ground.world())
    time.sleep(1.5)
    before = _used(ground)
    ages = list[float]()
    done = threading.Event()
    looking = threading.Thread(target=lambda: ages.extend(asyncio.run(_ages(ground, done))))
    looking.start()
    load = ground.part("load", "mix", seconds, rate, env=ground.world()).result()
    done.set()
    looking.join()
    after = _used(ground)
    heard = ear.result()
    by = {name: (after[name] - before[name]) / load["changes"] * 1000 for name in after if name in before}
    return {
        "rate": load["rate"],
        "changes": load["changes"],
        "told": heard["heard"] / seconds,
        "p50": percentile(heard["took"], 0.5),
        "p99": percentile(heard["took"], 0.99),
        "age": percentile(ages, 0.99),
        "core_ms": sum(by.values()),
        "by": by,
    }


def _used(ground: Ground) -> dict[str, float]:
    """Processor seconds so far of the services, the broker and PostgreSQL with its ended backends."""
    from deploy.local import processes

    used = {}
    for name in (*(service.name for service in SERVICES), "kafka", "postgres"):
        record = processes.running(ground.stack.layout, name)
        if record is not None:
            parent = psutil.Process(record.pid)
            times = [each.cpu_times() for each in (parent, *parent.children(recursive=True))]
            used[name] = sum(each.user + each.system for each in times)
            used[name] += parent.cpu_times().children_user + parent.cpu_times().children_system
    return used


async def _ages(ground: Ground, done: threading.Event) -> list[float]:
    """How old the oldest event in any outbox is, five times a second."""
    urls = [ground.stack.databases[f"lotse_{service.name}"] for service in SERVICES]
    connections = [await asyncpg.connect(url) for url in urls]
    ages = list[float]()
    while not done.is_set() or not ages:
        each = [
            await conn.fetchval(
                "select extract(epoch from clock_timestamp() - created_at) from chassis.outbox order by seq limit 1"
            )
            for conn in connections
        ]
        ages.append(max(float(age or 0) for age in each))
        await asyncio.sleep(0.2)
    for conn in connections:
        await conn.close()
    return ages


def _stored(ground: Ground) -> dict[str, int]:
    """Bytes of each database, and of Kafka's logs as far as they are written."""

    async def databases() -> dict[str, int]:
        conn = await asyncpg.connect(ground.stack.postgres.admin_url)
        try:
            rows = await conn.fetch(
                "select datname, pg_database_size(datname) as size from pg_database where datname like 'lotse%'"
            )
        finally:
            await conn.close()
        return {row["datname"].removeprefix("lotse_"): row["size"] for row in sorted(rows)}

    logs = sum(file.stat().st_size for file in (ground.stack.layout.kafka / "data").rglob("*.log"))
    return {**asyncio.run(databases()), "kafka": logs}


def _drain(ground: Ground) -> None:
    """Wait until nothing waits in an outbox, so that one step does not burden the next."""
    quiet = 0
    done = threading.Event()
    done.set()
    while quiet < 3:
        quiet = quiet + 1 if max(asyncio.run(_ages(ground, done))) == 0 else 0
        time.sleep(0.3)


# What is written for every change and leaves when it has done its work.
WORKING = ("outbox", "next_offset", "sent_offset", "dead_letter")


def soak(ground: Ground, sizes: Sizes) -> Section:
    """Half an hour at a rate that is carried: what memory does, and the tables whose rows leave again."""
    with ground.services():
        time.sleep(START_SECONDS)
        idle = ground.memory()
        # Autovacuum looks once a minute: before it has come twice a table has not found its size.
        carry(ground, STEADY_RATE, min(150.0, sizes.soak_seconds))
        early, small = ground.memory(), asyncio.run(_working_tables(ground))
        run = carry(ground, STEADY_RATE, sizes.soak_seconds)
        late, large = ground.memory(), asyncio.run(_working_tables(ground))
    figures = [
        Figure(
            f"{name}, resident MiB idle, early, at the end", f"{idle[name]:.0f}, {early[name]:.0f}, {late[name]:.0f}"
        )
        for name in late
    ]
    figures += [
        Figure(f"{name}'s working tables, kB early, at the end", f"{small[name]:,.0f}, {large[name]:,.0f}")
        for name in small
    ]
    text = (
        f"{run['changes']:,} changes in {sizes.soak_seconds / 60:.0f} minutes at {run['rate']:.0f} a second. Working "
        f"tables: {', '.join(WORKING)}, indexes and dead rows included."
    )
    return Section("Soak", figures, [text])


async def _working_tables(ground: Ground) -> dict[str, float]:
    """How large each service's working tables are together, in kB."""
    found = {}
    for service in SERVICES:
        conn = await asyncpg.connect(ground.stack.databases[f"lotse_{service.name}"])
        try:
            tables = [f"chassis.{table}" for table in WORKING]
            size = await conn.fetchval(
                "select sum(pg_total_relation_size(each::regclass)) from unnest($1::text[]) as each", tables
            )
        finally:
            await conn.close()
        found[service.name] = float(size) / 1024
    return found
