"""Rates: changes through HTTP, the relay, the consumers, each round beside its bare loop."""

import asyncio
import time
from itertools import pairwise
from statistics import median
from typing import Any

import asyncpg
import psutil

from deploy.local.ports import remembered_ports
from deploy.local.services import is_ready
from tests.bench.bare import TABLES
from tests.bench.figures import Figure, Section, Sizes, against_bare, milliseconds, per_second, spread
from tests.bench.ground import Ground, Part, percentile

CONNECTIONS = 32
WARM_SHARE = 0.4
IDLE_SECONDS = 60


def http(ground: Ground, sizes: Sizes) -> Section:
    """Changes of offers on one process and on two, beside FastAPI with one statement."""
    real, bare, two = list[dict[str, Any]](), list[dict[str, Any]](), list[dict[str, Any]]()
    for _ in range(sizes.rounds):
        bare.append(http_bare(ground, sizes))
        real.append(_http_real(ground, sizes, 1))
        two.append(_http_real(ground, sizes, 2))
    rates = {name: [each["rate"] for each in runs] for name, runs in (("real", real), ("bare", bare), ("two", two))}
    p99 = median(percentile(each["took"], 0.99) for each in real)
    bare_p99 = median(percentile(each["took"], 0.99) for each in bare)
    rate = median(rates["real"])
    return Section(
        "State changes through HTTP",
        [
            Figure("one process, 32 connections", per_second(rate), target="at least 1,000/s", met=rate >= 1000),
            against_bare("the same against bare", rates["real"], rates["bare"], 0.35),
            Figure(
                "its p99", milliseconds(p99), milliseconds(bare_p99), f"{p99 / bare_p99:.1f}x", "< 50 ms", p99 < 0.05
            ),
            Figure("two processes, 32 connections in all", per_second(median(rates["two"]))),
        ],
        [
            f"Rounds: {spread(rates['real'])} on one process, {spread(rates['two'])} on two, "
            f"{spread(rates['bare'])} bare. Processor time a change on one process: "
            f"{median(each['cpu_us'] for each in real):,.0f} us in the service "
            f"(bare {median(each['cpu_us'] for each in bare):,.0f} us), not counting PostgreSQL; load generator and "
            "PostgreSQL share the two cores with it. The change is `PUT /v1/offers/{offer_id}` of the referral "
            "service, which runs with the role `api` alone.",
        ],
    )


def http_bare(ground: Ground, sizes: Sizes, connections: int = CONNECTIONS) -> dict[str, Any]:
    """One round of the bare server: FastAPI with one statement."""
    url = ground.database("referral", TABLES)
    port = remembered_ports(ground.stack.layout, bare=0)["bare"]
    server = ground.part("bare", "http", port, env=ground.environment("referral", database=url))
    try:
        ground.until(lambda: _listens(server), 30, "the bare server listens")
        return _loaded(ground, sizes, [(server, port)], connections)
    finally:
        server.stop()
        ground.drop(url)


def _http_real(ground: Ground, sizes: Sizes, processes: int) -> dict[str, Any]:
    url = ground.database("referral")
    ports = remembered_ports(ground.stack.layout, **{f"api{number}": 0 for number in range(processes)})
    servers = []
    for number in range(processes):
        port = ports[f"api{number}"]
        env = ground.environment("referral", database=url, port=port) | {
            "LOTSE_ROLES": "api",
            "LOTSE_OUTBOX_LIMIT": "0",
        }
        server = ground.part("watched", "referral", "/dev/null", env=env)
        ground.until(lambda port=port: is_ready(port), 60, "the service is ready", server)
        servers.append((server, port))
    try:
        return _loaded(ground, sizes, servers)
    finally:
        for server, _ in servers:
            server.stop()
        ground.drop(url)


def _listens(part: Part) -> bool:
    return bool(psutil.Process(part.process.pid).net_connections("tcp"))


def _loaded(
    ground: Ground, sizes: Sizes, servers: list[tuple[Part, int]], connections: int = CONNECTIONS
) -> dict[str, Any]:
    before = sum(server.cpu_seconds() for server, _ in servers)
    share = connections // len(servers)
    loads = [ground.part("load", "offers", port, share, sizes.http_seconds, env=ground.world()) for _, port in servers]
    results = [load.result() for load in loads]
    cpu = sum(server.cpu_seconds() for server, _ in servers) - before
    rate = sum(each["rate"] for each in results)
    # The warm-up's two seconds were served as well.
    served = rate * (sizes.http_seconds + 2)
    return {"rate": rate, "took": [one for each in results for one in each["took"]], "cpu_us": cpu / served * 1e6}


def relay(ground: Ground, sizes: Sizes) -> Section:
    """An outbox full of events, sent by the relay and by the bare loop in turn."""
    real, bare = list[dict[str, float]](), list[dict[str, float]]()
    for _ in range(sizes.rounds):
        for runs, how in ((bare, ("bare", "relay")), (real, ("real", "relay", "intake"))):
            url, prefix = ground.database("intake"), ground.topics()
            env = ground.environment("intake", database=url, prefix=prefix)
            ground.part("fill", "outbox", sizes.relay_events, "all", env=env).result()
            runs.append(ground.part(how[0], *how[1:], sizes.relay_events, env=env).result())
            ground.delete_topics(prefix)
            ground.drop(url)
    rates = [each["rate"] for each in real], [each["rate"] for each in bare]
    return Section(
        "Relay",
        [against_bare(f"{sizes.relay_events:,} waiting events", *rates, 0.6)],
        [
            f"Rounds: {spread(rates[0])}; bare {spread(rates[1])}. Processor time an event: "
            f"{median(each['cpu_us'] for each in real):.0f} us (bare {median(each['cpu_us'] for each in bare):.0f} us)."
            " One relay works per service (a lock sees to that), so a second process adds none.",
        ],
    )


def consumers(ground: Ground, sizes: Sizes) -> Section:
    """What reporting, notifier and referral apply in a second, alone and as two processes."""
    found: dict[str, list[float]] = {}
    cpu: dict[str, list[float]] = {}
    for which, count, kinds in (
        ("all", sizes.consumer_events, ("set", "reporting")),
        ("all", sizes.notifier_events, ("notifier",)),
        ("consents", sizes.referral_events, ("each", "referral")),
    ):
        prefix = ground.topics()
        env = ground.environment("reporting", prefix=prefix)
        ground.part("fill", "topic", count, which, env=env).result()
        for _ in range(sizes.rounds):
            for kind in kinds:
                for processes in (1,) if kind in ("set", "each") else (1, 2):
                    rate, used = apply_all(ground, prefix, kind, count, processes)
                    found.setdefault(f"{kind}{processes}", []).append(rate)
                    if processes == 1:
                        cpu.setdefault(kind, []).append(used)
        ground.delete_topics(prefix)
    figures = [
        against_bare("reporting", found["reporting1"], found["set1"], 0.5),
        against_bare("notifier", found["notifier1"], found["set1"], 0.15),
        against_bare("referral (bare: event by event)", found["referral1"], found["each1"], 0.6),
    ]
    figures += [
        Figure(f"{name}, two processes", per_second(median(found[f"{name}2"])))
        for name in ("reporting", "notifier", "referral")
    ]
    lines = "; ".join(f"{name} {spread(rates)}" for name, rates in found.items())
    costs = "; ".join(f"{name} {median(values):,.0f} us" for name, values in cpu.items())
    return Section(
        "Consumers",
        figures,
        [
            f"Rounds (the digit is the number of processes): {lines}. Processor time an event in the consumer's own "
            f"process: {costs}; PostgreSQL and Kafka work beside it on the same two cores. "
            f"{sizes.consumer_events:,} events ({sizes.notifier_events:,} for the notifier, "
            f"{sizes.referral_events:,} for referral), eight a case "
            "(two consents, a referral's five steps, a withdrawal; for referral two consents given "
            "and a third, two withdrawn), 12 partitions, the topic full before the consumer starts. Measured from "
            f"{WARM_SHARE:.0%} of the events on.",
        ],
    )


def apply_all(ground: Ground, prefix: str, kind: str, count: int, processes: int = 1) -> tuple[float, float]:
    """Read a full topic with fresh databases; returns events a second and microseconds of processor time an event."""
    samples, cpu, url = watch_applying(ground, prefix, kind, count, processes)
    ground.drop(url)
    at, done = next(each for each in samples if each[1] >= count * WARM_SHARE)
    end, total = samples[-1]
    return ((total - done) / (end - at) if end > at else 0.0), cpu / count * 1e6


def watch_applying(
    ground: Ground, prefix: str, kind: str, count: int, processes: int = 1
) -> tuple[list[tuple[float, int]], float, str]:
    """Start consumers on a full topic and look at how far they are until they have applied `count` events.

    Returns (moment, applied so far) in order, the processor time they used, and the database.
    """
    is_bare = kind in ("set", "each")
    service = "reporting" if is_bare else kind
    url = ground.database(service, TABLES if is_bare else "")
    env = ground.environment(service, database=url, prefix=prefix)
    how = ("bare", "consumer", kind, f"bare-{time.monotonic_ns()}") if is_bare else ("real", "consumer", service)
    parts = [ground.part(*how, env=env) for _ in range(processes)]
    try:
        samples = asyncio.run(_samples(url, count, parts))
        return samples, sum(part.cpu_seconds() for part in parts), url
    finally:
        for part in parts:
            part.stop()


async def _samples(url: str, count: int, parts: list[Part]) -> list[tuple[float, int]]:
    conn = await asyncpg.connect(url)
    samples: list[tuple[float, int]] = []
    last_step = time.perf_counter()
    try:
        while not samples or samples[-1][1] < count:
            done = int(await conn.fetchval("select coalesce(sum(next_offset), 0) from chassis.next_offset"))
            now = time.perf_counter()
            if done and (not samples or done > samples[-1][1]):
                samples.append((now, done))
                last_step = now
            elif now - last_step > IDLE_SECONDS or any(part.process.poll() is not None for part in parts):
                raise TimeoutError(f"no progress: {samples[-1:]} of {count}: {[part.stop()[-1500:] for part in parts]}")
            await asyncio.sleep(0.02)
    finally:
        await conn.close()
    return samples


def curve(ground: Ground, sizes: Sizes) -> Section:
    """Cost an event while the tables fill: reporting (also the rebuild of its view) and the notifier."""
    section = Section("With full tables")
    total = sizes.rebuild_events
    prefix = ground.topics()
    env = ground.environment("reporting", prefix=prefix)
    ground.part("fill", "topic", total, "all", env=env).result()
    for service, count in (("reporting", total), ("notifier", min(total, sizes.curve_events))):
        samples, _, url = watch_applying(ground, prefix, service, count)
        ground.drop(url)
        (first, at_first), (end, done) = samples[0], samples[-1]
        rate = (done - at_first) / (end - first)
        if service == "reporting":
            what = f"rebuild of reporting's view over {count:,} events"
            section.figures.append(Figure(what, per_second(rate), "-", "-", "at least 20,000/s", rate >= 20_000))
        else:
            section.figures.append(Figure(f"notifier over {count:,} events", per_second(rate)))
        section.text.append(_drawn(service, samples))
    ground.delete_topics(prefix)
    return section


def _drawn(service: str, samples: list[tuple[float, int]]) -> str:
    """Microseconds an event between powers of about three, as numbers and as bars."""
    costs, marks = list[tuple[int, int, float]](), [1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000]
    # The group's first second, with few partitions assigned, says nothing about the tables.
    places = [next((each for each in samples if each[1] >= mark), samples[-1]) for mark in marks]
    for (began, low), (ended, high) in pairwise(places):
        if high > low:
            cost = (ended - began) / (high - low) * 1e6
            costs.append((low, high, cost))
    most = max(cost for _, _, cost in costs)
    lines = [f"{low:>9,} to {high:>9,}  {cost:7.1f} us  {'#' * round(40 * cost / most)}" for low, high, cost in costs]
    return f"{service}, wall time an event while so many are in its tables:\n\n```\n" + "\n".join(lines) + "\n```"
