"""Statements on worklists: each is one or more stretches of an index, so that a page costs the same at any size."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from string import Template
from typing import NamedTuple

from schemas import UnitId
from services.chassis.db import Connection
from services.referral.model.referrals import Referral
from services.referral.model.worklists import BY_DUE_DATE, Place, Worklist, soon
from services.referral.store.referrals import referral_of_row

_CONDITIONS: Mapping[Worklist, Sequence[str]] = {
    Worklist.WAITING_FOR_US: (
        "to_unit = $unit and state in ('requested', 'received', 'accepted', 'on-hold')"
        " and (state <> 'on-hold' or due_at <= $now)",
        "from_unit = $unit and sender_task = 'returned'",
        "from_unit = $unit and error_reported_by is not null and state <> 'entered-in-error'"
        " and sender_task is distinct from 'returned'",
    ),
    Worklist.WAITING_FOR_THEM: ("from_unit = $unit and sender_task = 'waits'",),
    Worklist.DUE_SOON: (
        "to_unit = $unit and due_at > $now and due_at <= $soon",
        "from_unit = $unit and state = 'requested' and due_at > $now and due_at <= $soon",
    ),
    Worklist.OVERDUE: (
        "to_unit = $unit and due_at <= $now and clock <> 'review' and not is_proposed",
        "from_unit = $unit and state = 'requested' and due_at <= $now and not is_proposed",
    ),
    Worklist.ESCALATED: (
        "to_unit = $unit and reminded = 'coordinating' and due_at <= $now",
        "from_unit = $unit and state = 'requested' and reminded = 'coordinating' and due_at <= $now",
    ),
}


class _Statement(NamedTuple):
    text: str
    takes: Sequence[str]


def _statement(worklist: Worklist, *, goes_on: bool) -> _Statement:
    """With a condition on the place only where there is one: "or" would keep the index from beginning there."""
    is_by_due_date = worklist in BY_DUE_DATE
    order = "due_at, referral_id" if is_by_due_date else "referral_id"
    place = "(due_at, referral_id) > ($due_at, $referral_id)" if is_by_due_date else "referral_id > $referral_id"
    beyond = f" and {place}" if goes_on else ""
    stretches = " union all ".join(
        f"(select * from referral.referral where {condition}{beyond}"  # noqa: S608 - the conditions above
        f" order by {order} limit $limit)"
        for condition in _CONDITIONS[worklist]
    )
    template = Template(f"select * from ({stretches}) as listed order by {order} limit $limit")  # noqa: S608 - the same
    takes = template.get_identifiers()
    return _Statement(template.substitute({name: f"${place}" for place, name in enumerate(takes, start=1)}), takes)


_BEGINS: Mapping[Worklist, _Statement] = {each: _statement(each, goes_on=False) for each in Worklist}
_GOES_ON: Mapping[Worklist, _Statement] = {each: _statement(each, goes_on=True) for each in Worklist}


async def page_of(
    conn: Connection, worklist: Worklist, unit: UnitId, now: datetime, after: Place | None, limit: int
) -> Sequence[Referral]:
    """Up to `limit` referrals of a unit's list at `now`, beyond a place in it."""
    statement = (_BEGINS if after is None else _GOES_ON)[worklist]
    asked = {"unit": unit, "now": now, "soon": soon(now), "limit": limit}
    place = {"due_at": after and after.due_at, "referral_id": after and after.referral_id}
    rows = await conn.fetch(statement.text, *({**asked, **place}[name] for name in statement.takes))
    return [referral_of_row(row) for row in rows]
