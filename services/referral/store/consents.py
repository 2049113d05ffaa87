"""Statements on what the bus said of consents. All but the reads run under the lock of the case."""

from collections.abc import Collection, Mapping
from datetime import datetime

from schemas import CaseId, ConsentEvent, ConsentGiven, ConsentId
from schemas.codes import ConsentState, Scope
from services.chassis.db import Connection
from services.referral.model.consents import Direction


async def insert_given(conn: Connection, given: ConsentGiven) -> bool:
    """Note a consent; returns False where it is known already, was ended, or the person is erased."""
    made = await conn.fetchval(
        """
        insert into referral.consent (consent_id, case_id, from_unit, to_unit, scope, state, valid_until)
        select $1, $2, $3, $4, $5, $6, $7
        where not exists (select from referral.erased_case where case_id = $2)
        on conflict do nothing returning true
        """,
        given.consent_id,
        given.case_id,
        given.from_unit,
        given.to_unit,
        given.scope,
        ConsentState.GIVEN,
        given.valid_until,
    )
    return bool(made)


async def end_consent(conn: Connection, ended: ConsentEvent, state: ConsentState) -> None:
    """Note that a consent is over for good, also one that is not known yet; its first end stays."""
    await conn.execute(
        """
        insert into referral.consent as known (consent_id, case_id, from_unit, to_unit, scope, state)
        values ($1, $2, $3, $4, $5, $6)
        on conflict (consent_id) do update set state = excluded.state where known.state = 'given'
        """,
        ended.consent_id,
        ended.case_id,
        ended.from_unit,
        ended.to_unit,
        ended.scope,
        state,
    )


async def forget_consents(conn: Connection, case_id: CaseId, now: datetime) -> None:
    """Drop a case's consents and take no more for it."""
    await conn.execute(
        """
        with erased as (insert into referral.erased_case (case_id, erased_at) values ($1, $2)
                        on conflict do nothing)
        delete from referral.consent where case_id = $1
        """,
        case_id,
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


async def transfer_consent(conn: Connection, direction: Direction, now: datetime) -> ConsentId | None:
    """Return the consent to a transfer that holds longest; None where none holds at `now`."""
    found = await conn.fetchval(
        """
        select consent_id from referral.consent
        where case_id = $1 and from_unit = $2 and to_unit = $3 and scope = $4
          and state = 'given' and valid_until > $5
        order by valid_until desc, consent_id limit 1
        """,
        *direction,
        Scope.TRANSFER,
        now,
    )
    return None if found is None else ConsentId(found)
