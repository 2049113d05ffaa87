"""Fetches at the gate: the consent looked at, the fetch logged in its chain and told, the vault opened."""

from statistics import median
from typing import Any

from deploy.local.ports import remembered_ports
from deploy.local.services import is_ready
from tests.bench.figures import Figure, Section, Sizes, milliseconds, per_second, spread
from tests.bench.ground import Ground, percentile
from tests.bench.throughput import http_bare

CONNECTIONS = 16


def gate(ground: Ground, sizes: Sizes) -> Section:
    """One process of intake that serves its API, beside FastAPI with one statement."""
    real, bare = list[dict[str, Any]](), list[dict[str, Any]]()
    for _ in range(sizes.rounds):
        bare.append(http_bare(ground, sizes, CONNECTIONS))
        real.append(_fetched(ground, sizes))
    rates, bare_rates = [each["rate"] for each in real], [each["rate"] for each in bare]
    rate, p99 = median(rates), median(percentile(each["took"], 0.99) for each in real)
    bare_p99 = median(percentile(each["took"], 0.99) for each in bare)
    return Section(
        "Fetches at the gate",
        [
            Figure(
                f"one process, {CONNECTIONS} connections",
                per_second(rate),
                per_second(median(bare_rates)),
                f"{rate / median(bare_rates):.0%}",
                "at least 500/s",
                rate >= 500,
            ),
            Figure(
                "its p99", milliseconds(p99), milliseconds(bare_p99), f"{p99 / bare_p99:.1f}x", "< 50 ms", p99 < 0.05
            ),
        ],
        [
            f"Rounds: {spread(rates)}; bare {spread(bare_rates)}. Each is `GET /v1/referrals/{{referral_id}}/person`: "
            "the data key fetched from its own database and unwrapped, the case locked, consents and referral looked "
            "at, the fetch appended to the recipient's hash chain and put into the outbox, one commit, four categories "
            "unsealed. All are of one partner, so all commits queue at the head of one chain. Intake runs with the "
            "role `api` alone; load generator and PostgreSQL share the two cores with it. Bare: FastAPI with one "
            "statement.",
        ],
    )


def _fetched(ground: Ground, sizes: Sizes) -> dict[str, Any]:
    url, port = ground.database("intake"), remembered_ports(ground.stack.layout, gate=0)["gate"]
    env = ground.environment("intake", database=url, port=port) | {"LOTSE_ROLES": "api", "LOTSE_OUTBOX_LIMIT": "0"}
    server = ground.part("watched", "intake", "/dev/null", env=env)
    try:
        ground.until(lambda: is_ready(port), 60, "intake is ready", server)
        load = ground.part("load", "fetches", port, CONNECTIONS, sizes.http_seconds, env=env | ground.world())
        return dict(load.result())
    finally:
        server.stop()
        ground.drop(url)
