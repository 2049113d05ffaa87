"""Lists under load: one process that serves its API, a few counters that leaf through the pages of some lists."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

import asyncpg

from deploy.local.ports import remembered_ports
from deploy.local.services import is_ready
from tests.bench.figures import Figure, milliseconds, per_second
from tests.bench.ground import Ground, percentile

CONNECTIONS = 4
RATE = 40
"""Pages a second in all: what a hundred people ask for who each turn a page every two and a half seconds."""
SLOWEST = 0.05


class Leafed(NamedTuple):
    """How long pages took by their list, at a steady rate and flat out, and the same rows with nothing around them.

    flat_out_seconds: how long pages were asked for flat out.
    """

    steady: Mapping[str, Sequence[float]]
    flat_out: Sequence[float]
    flat_out_seconds: float
    bare: Sequence[float]

    @property
    def figures(self) -> list[Figure]:
        """A line for each list at the steady rate, and what is answered flat out."""
        bare = percentile([*self.bare], 0.99)
        answered, p99 = per_second(len(self.flat_out) / self.flat_out_seconds), percentile([*self.flat_out], 0.99)
        return [
            *(_figure(name, percentile([*took], 0.99), bare) for name, took in self.steady.items()),
            Figure(
                f"flat out, all lists: {answered}, p99", milliseconds(p99), milliseconds(bare), f"{p99 / bare:.1f}x"
            ),
        ]

    @property
    def asked(self) -> str:
        """In words, how the pages were asked for."""
        pages = sum(map(len, self.steady.values()))
        middle = milliseconds(median(each for took in self.steady.values() for each in took))
        return (
            f"{CONNECTIONS} connections leaf through pages of 50, each followed to the next until the list is at its "
            f"end: {pages:,} pages at a steady {RATE} a second, each timed from when it was due (median {middle}), "
            f"then {len(self.flat_out):,} as fast as they are answered. Bare: 50 whole rows by their primary key on "
            "one connection, without HTTP."
        )


def _figure(name: str, p99: float, bare: float) -> Figure:
    ratio = f"{p99 / bare:.1f}x"
    return Figure(f"{name}, p99", milliseconds(p99), milliseconds(bare), ratio, "< 50 ms", p99 < SLOWEST)


def leaf(
    ground: Ground, lists: str, seconds: float, fill: Callable[[Any], Awaitable[None]], table: str, key: str
) -> Leafed:
    """Fill a database, then leaf through its lists. `lists`: as the load generator calls them."""
    url, port = ground.database("referral"), remembered_ports(ground.stack.layout, lists=0)["lists"]
    env = ground.environment("referral", database=url, port=port) | {"LOTSE_ROLES": "api"}
    bare = asyncio.run(_filled(url, fill, table, key))
    server = ground.part("watched", "referral", "/dev/null", env=env)
    try:
        ground.until(lambda: is_ready(port), 60, "referral is ready", server)
        found = ground.part("load", lists, port, CONNECTIONS, seconds, RATE, env=env | ground.world()).result()
        flat_out = [each for took in found["flat_out"].values() for each in took]
        return Leafed(found["steady"], flat_out, found["lasted"], bare)
    finally:
        server.stop()
        ground.drop(url)


async def _filled(url: str, fill: Callable[[Any], Awaitable[None]], table: str, key: str) -> list[float]:
    """Make the rows, and take the time of the bare statement."""
    conn = await asyncpg.connect(url)
    try:
        await fill(conn)
        await conn.execute(f"vacuum analyze {table}")
        begins = await conn.fetch(f"select {key} from {table} order by random() limit 500")  # noqa: S608 - no input
        same_page = f"select * from {table} where {key} > $1 order by {key} limit 50"  # noqa: S608 - no input
        return [await _timed(conn, same_page, row[key]) for row in begins]
    finally:
        await conn.close()


async def _timed(conn: Any, statement: str, begin: Any) -> float:
    began = asyncio.get_running_loop().time()
    await conn.fetch(statement, begin)
    return asyncio.get_running_loop().time() - began
