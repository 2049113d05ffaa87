"""The notifier's statements."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from schemas import CaseId, ConsentId, PartnerSlug, ReferralEnded, UnitId
from schemas.codes import Scope
from services.chassis.db import Connection
from services.notifier.model import Consent, Found, Trace


class Line(NamedTuple):
    """One row of the ledger; `number` is None where the partner knew without being told."""

    event_id: UUID
    partner: str
    topic: str
    key: str
    type: str
    number: int | None
    referral_id: UUID | None
    consent_id: UUID | None


class ToldRow(NamedTuple):
    """One event that a partner was told, under its own number."""

    event_id: UUID
    type: str
    number: int
    told_at: datetime


async def consents_of(conn: Connection, cases: Collection[CaseId]) -> list[Consent]:
    """The consents of some cases, ended ones too."""
    rows = await conn.fetch(
        """
        select consent_id, case_id, from_unit, to_unit, scope, valid_until, ended
        from notifier.consent where case_id = any($1::uuid[])
        """,
        list(cases),
    )
    return [
        Consent(
            ConsentId(row["consent_id"]),
            CaseId(row["case_id"]),
            UnitId(row["from_unit"]),
            UnitId(row["to_unit"]),
            Scope(row["scope"]),
            row["valid_until"],
            row["ended"],
        )
        for row in rows
    ]


async def save_consents(conn: Connection, consents: Sequence[Consent]) -> None:
    """Write consents that began or ended; one that has ended stays ended."""
    await conn.execute(
        """
        insert into notifier.consent (consent_id, case_id, from_unit, to_unit, scope, valid_until, ended)
        select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[],
                             $7::boolean[])
        on conflict (consent_id) do update set ended = consent.ended or excluded.ended
        """,
        [consent.consent_id for consent in consents],
        [consent.case_id for consent in consents],
        [consent.from_unit for consent in consents],
        [consent.to_unit for consent in consents],
        [consent.scope for consent in consents],
        [consent.valid_until for consent in consents],
        [consent.ended for consent in consents],
    )


async def erased_of(conn: Connection, cases: Collection[CaseId]) -> list[CaseId]:
    """Which of these cases were erased."""
    rows = await conn.fetch("select case_id from notifier.erased_case where case_id = any($1::uuid[])", list(cases))
    return [CaseId(row["case_id"]) for row in rows]


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


async def entries_of(conn: Connection, events: Collection[UUID]) -> set[tuple[UUID, PartnerSlug]]:
    """Who has one of these events in the ledger already."""
    rows = await conn.fetch(
        "select event_id, partner from notifier.told where event_id = any($1::uuid[])", list(events)
    )
    return {(row["event_id"], PartnerSlug(row["partner"])) for row in rows}


async def traces_of(conn: Connection, keys: Collection[tuple[str, str]]) -> list[tuple[tuple[str, str], Trace]]:
    """What the ledger says of these (topic, key), each thing once."""
    rows = await conn.fetch(
        """
        select distinct topic, key, partner, referral_id, consent_id, type = $3 as is_end
        from notifier.told join unnest($1::text[], $2::text[]) as wanted (topic, key) using (topic, key)
        """,
        [topic for topic, _ in keys],
        [key for _, key in keys],
        ReferralEnded.event_type,
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
        [line.referral_id for line in lines],
        [line.consent_id for line in lines],
        now,
    )


async def lock_streams(conn: Connection, partners: Collection[PartnerSlug]) -> dict[PartnerSlug, int]:
    """Lock the partners' streams until the transaction ends, and return the next number of each.

    Two statements on purpose: a row that the first one makes is invisible to a statement that began with it.
    """
    wanted = sorted(partners)
    await conn.execute(
        "insert into notifier.stream (partner) select unnest($1::text[]) order by 1 on conflict do nothing",
        wanted,
    )
    rows = await conn.fetch(
        """
        select partner, next_number from notifier.stream
        where partner = any($1::text[]) order by partner for update
        """,
        wanted,
    )
    return {PartnerSlug(row["partner"]): row["next_number"] for row in rows}


async def save_next_numbers(conn: Connection, numbers: Mapping[PartnerSlug, int]) -> None:
    """Move locked streams on."""
    await conn.execute(
        """
        update notifier.stream set next_number = given.next_number
        from unnest($1::text[], $2::bigint[]) as given (partner, next_number)
        where stream.partner = given.partner
        """,
        list(numbers.keys()),
        list(numbers.values()),
    )


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


async def found_of(conn: Connection, events: Collection[UUID]) -> list[Found]:
    """What was found on the bus of these events; nothing when there was no restore."""
    rows = await conn.fetch(
        "select event_id, partner, number, reported_number from notifier.found where event_id = any($1::uuid[])",
        list(events),
    )
    return [Found(row["event_id"], PartnerSlug(row["partner"]), row["number"], row["reported_number"]) for row in rows]


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
