"""Worklists over a million referrals: a page of each list, from its beginning and from its middle."""

import asyncio
from statistics import median
from typing import Any

import asyncpg

from deploy.local.ports import remembered_ports
from deploy.local.services import is_ready
from services.referral.model.worklists import Worklist
from tests.bench.figures import Figure, Section, Sizes, milliseconds
from tests.bench.ground import Ground, percentile
from tests.faults.people import AWO, CITY

CONNECTIONS = 4
SLOWEST = 0.05
# One in ten is open. Ends, answers and reminders are spread as in a service that is behind with its work.
FILL = """
    with offer as (
        insert into referral.entry (entry_id, kind, state, version, published_at, changed_at)
        values (gen_random_uuid(), 'offer', '{}', 1, now(), now()) returning entry_id
    ), drawn as (
        select number, number % 10 as ten, number % 7 as seven, now() - make_interval(secs => number * 30) as at
        from generate_series(1, $1) as number
    ), stated as (
        select *, case when ten > 0 then (array['completed', 'rejected', 'cancelled'])[1 + number % 3]
                       else (array['requested', 'received', 'accepted', 'on-hold'])[1 + seven % 4] end as state
        from drawn
    )
    insert into referral.referral
        (referral_id, case_id, consent_id, offer_id, from_unit, to_unit, state, version, requested_at, changed_at,
         held_from, clock, due_at, is_proposed, reminded, terms, sender_task)
    select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), entry_id, $2, $3, state, 1 + seven, at, at,
        case when state = 'on-hold' then 'accepted' end,
        case state when 'requested' then 'answer' when 'received' then 'answer'
                   when 'accepted' then 'first-contact' when 'on-hold' then 'review' end,
        case when ten = 0 then now() + make_interval(hours => (number % 400)::int - 200) end, false,
        case when ten = 0 and number % 400 < 100 and state <> 'on-hold' then 'coordinating' end,
        case when ten = 0 then 'bench' end,
        case when state = 'rejected' then 'returned' when ten = 0 then 'waits' end
    from stated, offer
    """
SAME_PAGE = "select * from referral.referral where referral_id > $1 order by referral_id limit 50"


def worklists(ground: Ground, sizes: Sizes) -> Section:
    """One process that serves its API, four counters that leaf through their lists."""
    url, port = ground.database("referral"), remembered_ports(ground.stack.layout, lists=0)["lists"]
    env = ground.environment("referral", database=url, port=port) | {"LOTSE_ROLES": "api"}
    bare = asyncio.run(_fill(url, sizes.curve_events))
    server = ground.part("watched", "referral", "/dev/null", env=env)
    try:
        ground.until(lambda: is_ready(port), 60, "referral is ready", server)
        load = ground.part("load", "lists", port, CONNECTIONS, sizes.http_seconds, env=env | ground.world())
        found: dict[str, Any] = load.result()
    finally:
        server.stop()
        ground.drop(url)
    bare_p99 = percentile(bare, 0.99)
    return Section(
        "Worklists",
        [_figure(worklist, found["took"][worklist], bare_p99) for worklist in Worklist],
        [
            f"{sizes.curve_events:,} referrals of one unit to one other, one in ten of them open; {CONNECTIONS} "
            f"connections, {sum(map(len, found['took'].values())):,} pages of 50, each followed to the next until the "
            "list is at its end. Median of all: "
            f"{milliseconds(median(took for each in found['took'].values() for took in each))}. Each is a request with "
            "its token, the page, what the consents allow of each row, and the note of who looked. Bare: 50 whole rows "
            "by their primary key on one connection, without HTTP."
        ],
    )


def _figure(worklist: Worklist, took: list[float], bare: float) -> Figure:
    p99 = percentile(took, 0.99)
    ratio = f"{p99 / bare:.1f}x"
    return Figure(f"{worklist}, p99", milliseconds(p99), milliseconds(bare), ratio, "< 50 ms", p99 < SLOWEST)


async def _fill(url: str, count: int) -> list[float]:
    """Make the referrals, and take the time of the bare statement."""
    conn = await asyncpg.connect(url)
    try:
        await conn.execute(FILL, count, CITY, AWO)
        await conn.execute("vacuum analyze referral.referral")
        begins = await conn.fetch("select referral_id from referral.referral tablesample system (0.5) limit 500")
        return [await _timed(conn, row["referral_id"]) for row in begins]
    finally:
        await conn.close()


async def _timed(conn: Any, begin: Any) -> float:
    began = asyncio.get_running_loop().time()
    await conn.fetch(SAME_PAGE, begin)
    return asyncio.get_running_loop().time() - began
