"""Lists under load: one process that serves its API, a few counters that leaf through the pages of some lists."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

import asyncpg

from deploy.local.ports import remembered_ports
from deploy.local.services import is_ready
from tests.bench.figures import Figure, milliseconds
from tests.bench.ground import Ground, percentile

CONNECTIONS = 4
SLOWEST = 0.05


class Leafed(NamedTuple):
    """How long each page took, by its list, and how long the same number of rows took with nothing around them."""

    took: Mapping[str, Sequence[float]]
    bare: Sequence[float]

    @property
    def figures(self) -> list[Figure]:
        """A line for each list."""
        bare = percentile([*self.bare], 0.99)
        return [_figure(name, percentile([*took], 0.99), bare) for name, took in self.took.items()]

    @property
    def pages(self) -> int:
        """How many were answered."""
        return sum(map(len, self.took.values()))

    @property
    def median(self) -> str:
        """Of all pages of all lists."""
        return milliseconds(median(each for took in self.took.values() for each in took))


def _figure(name: str, p99: float, bare: float) -> Figure:
    ratio = f"{p99 / bare:.1f}x"
    return Figure(f"{name}, p99", milliseconds(p99), milliseconds(bare), ratio, "< 50 ms", p99 < SLOWEST)


def leaf(
    ground: Ground, lists: str, seconds: float, fill: Callable[[Any], Awaitable[None]], table: str, key: str
) -> Leafed:
    """Fill a database, then leaf through its lists. `lists`: as the load generator calls them.

    Bare are 50 whole rows of a table by its key on one connection, without HTTP.
    """
    url, port = ground.database("referral"), remembered_ports(ground.stack.layout, lists=0)["lists"]
    env = ground.environment("referral", database=url, port=port) | {"LOTSE_ROLES": "api"}
    bare = asyncio.run(_filled(url, fill, table, key))
    server = ground.part("watched", "referral", "/dev/null", env=env)
    try:
        ground.until(lambda: is_ready(port), 60, "referral is ready", server)
        load = ground.part("load", lists, port, CONNECTIONS, seconds, env=env | ground.world())
        return Leafed(load.result()["took"], bare)
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
