"""Fetches at the gate: the consent looked at, the fetch logged in its chain and told, the vault opened."""

from statistics import median
from typing import Any

from tests.bench.figures import Figure, Section, Sizes, milliseconds, per_second, spread
from tests.bench.ground import Ground, percentile
from tests.bench.throughput import http_bare

CONNECTIONS = 16


def gate(ground: Ground, sizes: Sizes) -> Section:
    """One process of intake with all its roles, the other three services beside it; bare as for changes."""
    real, bare = list[dict[str, Any]](), list[dict[str, Any]]()
    with ground.services():
        for _ in range(sizes.rounds):
            real.append(ground.part("load", "fetches", CONNECTIONS, sizes.http_seconds, env=ground.world()).result())
    for _ in range(sizes.rounds):
        bare.append(http_bare(ground, sizes, CONNECTIONS))
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
            "unsealed. All are of one partner, so all commits queue at the head of one chain. Load, PostgreSQL, Kafka "
            "and the three other services, which are told of each fetch, share the two cores with it. Bare: FastAPI "
            "with one statement.",
        ],
    )
