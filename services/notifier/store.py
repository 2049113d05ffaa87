"""The notifier's statements."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from schemas import CaseId, ConsentId, PartnerSlug, RecallOpened, Topic, UnitId
from schemas.codes import RecallAction, Scope
from services.chassis.db import Connection
from services.notifier.model import ENDS, Consent, Found, Trace


class Line(NamedTuple):
    """One row of the ledger; `number` is None where the partner knew without being told.

    matter_id: the referral or cooperation that the event spoke of; the column is older than cooperations.
    """

    event_id: UUID
    partner: str
    topic: str
    key: str
    type: str
    number: int | None
    matter_id: UUID | None
    consent_id: UUID | None


class ToldRow(NamedTuple):
    """One event that a partner was told, under its own number."""

    event_id: UUID
    type: str
    number: int
    told_at: datetime


class RecallRow(NamedTuple):
    """What a partner was asked after an end, and what it answered."""

    event_id: UUID
    type: str
    case_id: UUID
    consent_id: UUID | None
    opened_at: datetime
    due_at: datetime
    acknowledged_at: datetime | None
    action: RecallAction | None


async def known_of(conn: Connection, cases: Collection[CaseId]) -> tuple[list[Consent], list[CaseId]]:
    """The consents of some cases, ended ones too, and which of the cases were erased."""
    rows = await conn.fetch(
        """
        select case_id, erased_at is not null as is_erased,
               consent_id, from_unit, to_unit, scope, valid_until, ended
        from unnest($1::uuid[]) as wanted (case_id)
             left join notifier.erased_case using (case_id)
             left join notifier.consent using (case_id)
        """,
        list(cases),
    )
    known = [_consent(row) for row in rows if row["consent_id"] is not None]
    return known, [CaseId(row["case_id"]) for row in rows if row["is_erased"]]


def _consent(row: Mapping[str, Any]) -> Consent:
    return Consent(
        ConsentId(row["consent_id"]),
        CaseId(row["case_id"]),
        UnitId(row["from_unit"]),
        UnitId(row["to_unit"]),
        Scope(row["scope"]),
        row["valid_until"],
        row["ended"],
    )


async def save_consents(conn: Connection, consents: Sequence[Consent]) -> None:
    """Write consents that began, were renewed or ended; one that has ended stays ended."""
    await conn.execute(
        """
        insert into notifier.consent (consent_id, case_id, from_unit, to_unit, scope, valid_until, ended)
        select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[],
                             $7::boolean[])
        on conflict (consent_id) do update
        set ended = consent.ended or excluded.ended, valid_until = coalesce(excluded.valid_until, consent.valid_until)
        """,
        [consent.consent_id for consent in consents],
        [consent.case_id for consent in consents],
        [consent.from_unit for consent in consents],
        [consent.to_unit for consent in consents],
        [consent.scope for consent in consents],
        [consent.valid_until for consent in consents],
        [consent.ended for consent in consents],
    )


async def save_erased(conn: Connection, cases: Iterable[CaseId], now: datetime) -> None:
    """Note cases as erased, for good."""
    await conn.execute(
        """
        insert into notifier.erased_case (case_id, erased_at) select unnest($1::uuid[]), $2
        on conflict do nothing
        """,
        sorted(cases),
        now,
    )


async def knowing_of(conn: Connection, events: Collection[UUID]) -> tuple[list[tuple[UUID, PartnerSlug]], list[Found]]:
    """Who has one of these events in the ledger already, and what a restored notifier found of them on the bus."""
    rows = await conn.fetch(
        """
        select true as is_told, event_id, partner, null::bigint as number, null::bigint as reported_number
        from notifier.told where event_id = any($1::uuid[])
        union all
        select false, event_id, partner, number, reported_number
        from notifier.found where event_id = any($1::uuid[])
        """,
        list(events),
    )
    told = [(row["event_id"], PartnerSlug(row["partner"])) for row in rows if row["is_told"]]
    found = [
        Found(row["event_id"], PartnerSlug(row["partner"]), row["number"], row["reported_number"])
        for row in rows
        if not row["is_told"]
    ]
    return told, found


async def traces_of(conn: Connection, keys: Mapping[tuple[str, str], bool]) -> list[tuple[tuple[str, str], Trace]]:
    """What the ledger says of these (topic, key), each thing once: all where the value is true, else the ends."""
    rows = await conn.fetch(
        """
        select distinct topic, key, partner, referral_id, consent_id, type = any($4::text[]) as is_end
        from notifier.told join unnest($1::text[], $2::text[], $3::boolean[]) as wanted (topic, key, everything)
             using (topic, key)
        where everything or type = any($4::text[])
        """,
        [topic for topic, _ in keys],
        [key for _, key in keys],
        list(keys.values()),
        [each.event_type for each in ENDS],
    )
    return [((row["topic"], row["key"]), _trace(row)) for row in rows]


def _trace(row: Mapping[str, Any]) -> Trace:
    return Trace(PartnerSlug(row["partner"]), row["referral_id"], row["consent_id"], is_end=row["is_end"])


async def insert_lines(conn: Connection, lines: Sequence[Line], now: datetime) -> None:
    """Write rows of the ledger."""
    await conn.execute(
        """
        insert into notifier.told (event_id, partner, topic, key, type, number, referral_id, consent_id, told_at)
        select *, $9 from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[],
                                 $7::uuid[], $8::uuid[])
        """,
        [line.event_id for line in lines],
        [line.partner for line in lines],
        [line.topic for line in lines],
        [line.key for line in lines],
        [line.type for line in lines],
        [line.number for line in lines],
        [line.matter_id for line in lines],
        [line.consent_id for line in lines],
        now,
    )


async def take_numbers(conn: Connection, counts: Mapping[PartnerSlug, int]) -> dict[PartnerSlug, int]:
    """Lock the partners' streams until the transaction ends, move each on by so many, and return its first number."""
    wanted = sorted(counts)
    rows = await conn.fetch(
        """
        insert into notifier.stream as s (partner, next_number)
        select partner, 1 + number from unnest($1::text[], $2::bigint[]) as wanted (partner, number) order by partner
        on conflict (partner) do update set next_number = s.next_number + excluded.next_number - 1
        returning partner, next_number
        """,
        wanted,
        [counts[partner] for partner in wanted],
    )
    return {PartnerSlug(row["partner"]): row["next_number"] - counts[row["partner"]] for row in rows}


async def next_number(conn: Connection, partner: str) -> int:
    """The number the next record of a partner's stream gets; 1 before the first."""
    found: int | None = await conn.fetchval("select next_number from notifier.stream where partner = $1", partner)
    return found or 1


async def told_after(conn: Connection, partner: str, after: int, limit: int) -> list[ToldRow]:
    """What a partner was told under numbers above `after`, in their order, at most `limit`."""
    rows = await conn.fetch(
        """
        select event_id, type, number, told_at from notifier.told
        where partner = $1 and number > $2 order by number limit $3
        """,
        partner,
        after,
        limit,
    )
    return [ToldRow(**row) for row in rows]


async def save_found(conn: Connection, partner: str, numbers: Mapping[UUID, int]) -> None:
    """Note which events a partner's stream holds under which numbers, and go on behind the highest."""
    await conn.execute(
        """
        insert into notifier.found (event_id, partner, number)
        select event_id, $1, number from unnest($2::uuid[], $3::bigint[]) as stream (event_id, number)
        on conflict (event_id, partner) do update set number = excluded.number
        """,
        partner,
        list(numbers),
        list(numbers.values()),
    )
    await conn.execute(
        """
        insert into notifier.stream (partner, next_number) values ($1, $2)
        on conflict (partner) do update set next_number = greatest(stream.next_number, excluded.next_number)
        """,
        partner,
        max(numbers.values()) + 1,
    )


async def save_reported(conn: Connection, partner: str, numbers: Mapping[UUID, int]) -> None:
    """Note which numbers of a partner's stream reporting has heard of."""
    await conn.execute(
        """
        insert into notifier.found (event_id, partner, reported_number)
        select event_id, $1, number from unnest($2::uuid[], $3::bigint[]) as reported (event_id, number)
        on conflict (event_id, partner) do update set reported_number = excluded.reported_number
        """,
        partner,
        list(numbers),
        list(numbers.values()),
    )


async def forget_found(conn: Connection, found: Collection[Found]) -> None:
    """The ledger has these again."""
    if not found:
        return
    await conn.execute(
        """
        delete from notifier.found using unnest($1::uuid[], $2::text[]) as known (event_id, partner)
        where found.event_id = known.event_id and found.partner = known.partner
        """,
        [each.event_id for each in found],
        [each.partner for each in found],
    )


async def forget_known_found(conn: Connection) -> None:
    """Drop what the ledger had all along; what a parked key still waits to be told of stays."""
    await conn.execute(
        """
        delete from notifier.found using notifier.told
        where found.event_id = told.event_id and found.partner = told.partner
        """
    )


_RECALL = "event_id, type, case_id, consent_id, opened_at, due_at, acknowledged_at, action"


async def insert_recalls(conn: Connection, recalls: Sequence[RecallOpened], now: datetime) -> list[RecallOpened]:
    """Keep what partners are asked, and return what they had not been asked yet."""
    rows = await conn.fetch(
        """
        insert into notifier.recall (partner, event_id, type, case_id, consent_id, due_at, opened_at)
        select *, $7 from unnest($1::text[], $2::uuid[], $3::text[], $4::uuid[], $5::uuid[], $6::timestamptz[])
        on conflict do nothing returning partner, event_id
        """,
        [recall.partner for recall in recalls],
        [recall.event_id for recall in recalls],
        [recall.closing_type for recall in recalls],
        [recall.case_id for recall in recalls],
        [recall.consent_id for recall in recalls],
        [recall.due_at for recall in recalls],
        now,
    )
    new = {(row["partner"], row["event_id"]) for row in rows}
    return [recall for recall in recalls if (recall.partner, recall.event_id) in new]


async def recall(conn: Connection, partner: str, event_id: UUID) -> RecallRow | None:
    """What a partner was asked after this event."""
    row = await conn.fetchrow(
        f"select {_RECALL} from notifier.recall where partner = $1 and event_id = $2",  # noqa: S608  # fixed column names
        partner,
        event_id,
    )
    return _recall(row) if row else None


async def recalls_after(
    conn: Connection, partner: str, after: RecallRow | None, limit: int, *, only_open: bool
) -> list[RecallRow]:
    """What a partner was asked, the oldest first, beyond `after`."""
    rows = await conn.fetch(
        f"""
        select {_RECALL} from notifier.recall
        where partner = $1 and (acknowledged_at is null or not $2)
              and ($3::timestamptz is null or (opened_at, event_id) > ($3, $4::uuid))
        order by opened_at, event_id limit $5
        """,  # noqa: S608  # fixed column names
        partner,
        only_open,
        after.opened_at if after else None,
        after.event_id if after else None,
        limit,
    )
    return [_recall(row) for row in rows]


async def acknowledge(conn: Connection, partner: str, event_id: UUID, action: RecallAction, now: datetime) -> None:
    """Keep a partner's answer; the first stays."""
    await conn.execute(
        """
        update notifier.recall set acknowledged_at = $4, action = $3
        where partner = $1 and event_id = $2 and acknowledged_at is null
        """,
        partner,
        event_id,
        action,
        now,
    )


async def count_open_recalls(conn: Connection) -> tuple[int, int]:
    """How many recalls nobody has answered: within their time, and beyond it."""
    row = await conn.fetchrow(
        """
        select count(*) filter (where due_at > chassis.lotse_now()) as within,
               count(*) filter (where due_at <= chassis.lotse_now()) as beyond
        from notifier.recall where acknowledged_at is null
        """
    )
    return (row["within"], row["beyond"]) if row else (0, 0)


def _recall(row: Mapping[str, Any]) -> RecallRow:
    return RecallRow(**{**row, "action": RecallAction(row["action"]) if row["action"] else None})


async def cases_erased_before(conn: Connection, before: datetime, limit: int) -> Sequence[CaseId]:
    """Cases of persons erased before that time of which the ledger knows still."""
    rows = await conn.fetch(
        """
        select case_id from notifier.erased_case
        where erased_at < $1
          and (exists (select 1 from notifier.told where topic = $3 and key = erased_case.case_id::text)
               or case_id in (select case_id from notifier.consent))
        order by erased_at limit $2
        """,
        before,
        limit,
        Topic.CASES,
    )
    return [CaseId(row["case_id"]) for row in rows]


async def forget_case(conn: Connection, case_id: CaseId) -> None:
    """Take away who was told what of a case, its consents, and the recalls that were answered; its end stays."""
    await conn.execute("delete from notifier.told where topic = $1 and key = $2", Topic.CASES, str(case_id))
    await conn.execute("delete from notifier.consent where case_id = $1", case_id)
    await conn.execute("delete from notifier.recall where case_id = $1 and action is not null", case_id)
