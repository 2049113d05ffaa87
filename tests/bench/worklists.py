"""Worklists over a million referrals: a page of each list, from its beginning and from its middle."""

from typing import Any

from tests.bench.figures import Section, Sizes
from tests.bench.ground import Ground
from tests.bench.leafing import leaf
from tests.faults.people import AWO, CITY

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


def worklists(ground: Ground, sizes: Sizes) -> Section:
    """All lists of both units between which the referrals went."""

    async def fill(conn: Any) -> None:
        await conn.execute(FILL, sizes.curve_events, CITY, AWO)

    found = leaf(ground, "lists", sizes.http_seconds, fill, "referral.referral", "referral_id")
    return Section(
        "Worklists",
        found.figures,
        [
            f"{sizes.curve_events:,} referrals of one unit to one other, one in ten of them open. {found.asked} Each "
            "page is a request with its token, what the consents allow of each row, and the note of who looked."
        ],
    )
