"""Statements on what the bus said of consents. All but the reads run under the lock of the case."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from schemas import CaseId, ConsentId
from schemas.codes import ConsentState, Scope
from services.chassis.db import Connection
from services.referral.model.cases import Consent
from services.referral.model.consents import Direction


async def known_of(conn: Connection, cases: Collection[CaseId]) -> tuple[list[Consent], list[CaseId]]:
    """The consents of some cases, ended ones too, and which of the cases were erased."""
    rows = await conn.fetch(
        """
        select case_id, erased_at is not null as is_erased,
               consent_id, from_unit, to_unit, scope, state, valid_until, covers_household
        from unnest($1::uuid[]) as wanted (case_id)
             left join referral.erased_case using (case_id)
             left join referral.consent using (case_id)
        """,
        list(cases),
    )
    known = [_consent(row) for row in rows if row["consent_id"] is not None]
    return known, [CaseId(row["case_id"]) for row in rows if row["is_erased"]]


def _consent(row: Mapping[str, Any]) -> Consent:
    return Consent(
        consent_id=row["consent_id"],
        case_id=row["case_id"],
        direction=Direction(row["case_id"], row["from_unit"], row["to_unit"]),
        scope=Scope(row["scope"]),
        state=ConsentState(row["state"]),
        valid_until=row["valid_until"],
        covers_household=row["covers_household"],
    )


async def save_consents(conn: Connection, consents: Sequence[Consent]) -> None:
    """Write consents that began, were renewed or are over for good, also one not known yet; its first end stays."""
    await conn.execute(
        """
        insert into referral.consent as known
            (consent_id, case_id, from_unit, to_unit, scope, state, valid_until, covers_household)
        select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[],
                             $7::timestamptz[], $8::boolean[])
        on conflict (consent_id) do update
        set state = excluded.state, valid_until = coalesce(excluded.valid_until, known.valid_until)
        where known.state = 'given'
        """,
        [consent.consent_id for consent in consents],
        [consent.case_id for consent in consents],
        [consent.direction.from_unit for consent in consents],
        [consent.direction.to_unit for consent in consents],
        [consent.scope for consent in consents],
        [consent.state for consent in consents],
        [consent.valid_until for consent in consents],
        [consent.covers_household for consent in consents],
    )


async def forget_consents(conn: Connection, cases: Collection[CaseId], now: datetime) -> None:
    """Drop the consents of some cases and take no more for them."""
    await conn.execute(
        """
        with erased as (insert into referral.erased_case (case_id, erased_at) select unnest($1::uuid[]), $2
                        on conflict do nothing)
        delete from referral.consent where case_id = any($1::uuid[])
        """,
        list(cases),
        now,
    )


async def held_scopes(
    conn: Connection, directions: Collection[Direction], now: datetime
) -> Mapping[Direction, frozenset[Scope]]:
    """Return for each direction what its consents allow at `now`; a direction without any is left out."""
    wanted = list(directions)
    rows = await conn.fetch(
        """
        select case_id, from_unit, to_unit, array_agg(scope) as scopes
        from referral.consent
        join unnest($1::uuid[], $2::text[], $3::text[]) as wanted (case_id, from_unit, to_unit)
             using (case_id, from_unit, to_unit)
        where state = 'given' and valid_until > $4
        group by case_id, from_unit, to_unit
        """,
        [each.case_id for each in wanted],
        [each.from_unit for each in wanted],
        [each.to_unit for each in wanted],
        now,
    )
    return {
        Direction(row["case_id"], row["from_unit"], row["to_unit"]): frozenset(map(Scope, row["scopes"]))
        for row in rows
    }


async def longest_consent(conn: Connection, direction: Direction, scope: Scope, now: datetime) -> ConsentId | None:
    """Return the consent of a scope that holds longest in one direction; None where none holds at `now`."""
    found = await conn.fetchval(
        """
        select consent_id from referral.consent
        where case_id = $1 and from_unit = $2 and to_unit = $3 and scope = $4
          and state = 'given' and valid_until > $5
        order by valid_until desc, consent_id limit 1
        """,
        *direction,
        scope,
        now,
    )
    return None if found is None else ConsentId(found)


async def household_consents(
    conn: Connection, directions: Collection[Direction], scope: Scope, now: datetime
) -> Mapping[Direction, ConsentId]:
    """Return for each direction the consent of a scope that names the household and holds longest; without, nothing."""
    wanted = list(directions)
    rows = await conn.fetch(
        """
        select distinct on (case_id, from_unit, to_unit) case_id, from_unit, to_unit, consent_id
        from referral.consent
        join unnest($1::uuid[], $2::text[], $3::text[]) as wanted (case_id, from_unit, to_unit)
             using (case_id, from_unit, to_unit)
        where scope = $4 and covers_household and state = 'given' and valid_until > $5
        order by case_id, from_unit, to_unit, valid_until desc, consent_id
        """,
        [each.case_id for each in wanted],
        [each.from_unit for each in wanted],
        [each.to_unit for each in wanted],
        scope,
        now,
    )
    return {Direction(row["case_id"], row["from_unit"], row["to_unit"]): ConsentId(row["consent_id"]) for row in rows}
