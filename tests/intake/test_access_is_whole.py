"""An access request is answered in full: each column that can hold something of a person is shown, or says why not."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from schemas import CaseId, ConsentId, EventId, PartnerInformed, RecallAcknowledged, RecallOpened, new_id
from schemas.codes import RecallAction
from schemas.delivery import Told
from schemas.ids import PartnerSlug
from tests.intake.builders import AWO, CITY, INTERPRETER, NOTICE, Desk, a_consent, signed

NO_PERSON = "is about nobody"
SHORT = "for a moment only, while something is on its way"
SEALED = "what it holds is shown unsealed"
INNER = "an inner number, which says nothing about the person"
RECIPIENTS = "the recipient's own reference, which the person's unit must not know"
HASH = "a hash, from which nobody can tell anything"
IN_FULL = "the same stands in the consent's history, or in the log"

SHOWN = {
    "intake.consent": "consent_id case_id from_unit to_unit scope data_categories given_at valid_until notice_version "
    "notice_language notice_sha256 form recorded_by state ended_at end_recorded_by given_by age_band interpreter_kind "
    "interpreter_language file_ref requested_at end_channel end_reason",
    "intake.consent_event": "state at recorded_by valid_until notice_version notice_language notice_sha256 form "
    "given_by age_band interpreter_kind interpreter_language file_ref channel reason",
    "intake.disclosure": "disclosed_at referral_id to_unit fetched_by data_categories kind number",
    "intake.legal_hold": "hold_id case_id ground set_by set_at released_by released_at",
    "intake.person": "case_id registered_by registered_at first_consent_at lost_at version correct_again",
    "intake.recall": "partner type consent_id told_at due_at acknowledged_at action",
    "intake.receipt": "receipt_id language made_by made_at blocked_at",
    "intake.referral": "referral_id from_unit to_unit",
    "intake.task": "consent_id unit kind due_on done_at",
    "intake.told": "partner type told_at",
    "chassis.access": "at unit subject action",
}
HIDDEN: Mapping[str, str] = {
    "intake.consent.events": INNER,
    "intake.consent.reminded_at": "the reminder is shown as what the unit was told",
    "intake.consent_event.consent_id": IN_FULL,
    "intake.consent_event.number": INNER,
    "intake.cooperation.cooperation_id": INNER,
    "intake.cooperation.case_id": "the case that is asked for",
    "intake.cooperation.units": "the units that the consents to cooperation name, while it goes on",
    "intake.disclosure.disclosure_id": INNER,
    "intake.disclosure.case_ref": RECIPIENTS,
    "intake.disclosure.consent_refs": RECIPIENTS,
    "intake.disclosure.consent_ids": SHORT,
    "intake.disclosure.recipient": "the partner of to_unit",
    "intake.disclosure.epoch": INNER,
    "intake.disclosure.previous_hash": HASH,
    "intake.disclosure.row_hash": HASH,
    "intake.disclosure_draft": SHORT,
    "intake.disclosure_head": NO_PERSON,
    "intake.information": NO_PERSON,
    "intake.key_to_destroy": "a data key by its id, until it is destroyed",
    "intake.notice": NO_PERSON,
    "intake.person.key_id": "the id of the data key",
    "intake.person.erased_at": "of an erased person nothing is answered but what the erasure answered",
    "intake.person.erasure_reason": "of an erased person nothing is answered but what the erasure answered",
    "intake.recall.event_id": INNER,
    "intake.recall.case_id": "the case that is asked for",
    "intake.person_index": HASH,
    "intake.search_count": NO_PERSON,
    "intake.receipt.case_id": "the case that is asked for",
    "intake.receipt.code_hash": HASH,
    "intake.receipt.pin_hash": HASH,
    "intake.receipt_reference": RECIPIENTS,
    "intake.referral.case_id": "the case that is asked for",
    "intake.referral.state": "the referral service shows it to each of the two units as far as it may know",
    "intake.referral.changed_at": "would tell the sender of what only the recipient may tell",
    "intake.refusal": NO_PERSON,
    "intake.refusal_language": NO_PERSON,
    "intake.rotation": NO_PERSON,
    "intake.sealed": SEALED,
    "intake.signed_head": NO_PERSON,
    "intake.signing_key": NO_PERSON,
    "intake.task.task_id": INNER,
    "intake.task.made_at": "when the job ran that found it",
    "intake.task.done_by": "the unit",
    "intake.told.event_id": INNER,
    "intake.told.case_id": "the case that is asked for",
    "chassis.access.refs": "the references that are asked for",
    "chassis.applied": NO_PERSON,
    "chassis.clock": NO_PERSON,
    "chassis.dead_letter": SHORT,
    "chassis.idempotency": "the id of what a request made, for a day",
    "chassis.identity": NO_PERSON,
    "chassis.job": NO_PERSON,
    "chassis.key": "how many events there were of a case",
    "chassis.next_offset": NO_PERSON,
    "chassis.operator_act": NO_PERSON,
    "chassis.outbox": SHORT,
    "chassis.sent_offset": NO_PERSON,
    "migrations.applied": NO_PERSON,
    "page.attempt": HASH,
    "vault.data_key": SEALED,
}


async def columns(conn: asyncpg.Connection) -> set[str]:
    """`schema.table.column` of every table of a database."""
    rows = await conn.fetch(
        """
        select table_schema, table_name, column_name from information_schema.columns
        join information_schema.tables using (table_schema, table_name)
        where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')
        """
    )
    return {".".join(row) for row in rows}


async def all_columns(desk: Desk) -> set[str]:
    """Those of intake's two databases."""
    keys = await asyncpg.connect(str(desk.intake.context.settings.keys_database_url))
    try:
        async with desk.intake.context.database.reading() as conn:
            return await columns(conn) | await columns(keys)
    finally:
        await keys.close()


def shown_columns() -> set[str]:
    """What SHOWN names."""
    return {f"{table}.{column}" for table, names in SHOWN.items() for column in names.split()}


async def test_each_column_is_shown_or_says_why_not(desk: Desk) -> None:
    """A column that a migration adds must be put into one of the two lists, and one that is gone taken out."""
    found = await all_columns(desk)
    hidden = {each for each in found if each in HIDDEN or each.rpartition(".")[0] in HIDDEN}
    assert sorted(found - shown_columns() - hidden) == []
    assert sorted(shown_columns() - found) == []
    assert sorted(each for each in HIDDEN if not any(f"{one}.".startswith(f"{each}.") for one in found)) == []
    assert hidden & shown_columns() == set()


async def live_through(desk: Desk) -> str:
    """A person about whom every shown column has something to say."""
    case_ref = await desk.register(accessibility=["step-free"])
    path = f"/v1/persons/{case_ref}/consents"
    (consent,) = await desk.consent(case_ref)
    referral = await desk.refer(case_ref)
    await desk.fetch(referral)
    await desk.post(AWO, f"/v1/referrals/{referral}/consents", feedback(), role="counsellor")
    oral = signed(a_consent(to_unit="caritas-koblenz/mbe"), file_ref="17/26")
    answer = await desk.post(CITY, path, oral)
    assert answer.status_code == 201, answer.text
    revoked = answer.json()["consents"][0]["consent_ref"]
    await desk.post(CITY, f"/v1/consents/{revoked}/revoke", {"reason": "unit-closed"})
    asked = {"consents": [a_consent(to_unit="caritas-koblenz/jmd")], "notice": NOTICE, "interpreter": INTERPRETER}
    await desk.post(CITY, f"/v1/persons/{case_ref}/consent-requests", asked)
    await desk.withdraw(consent)
    receipt = await desk.post(CITY, f"/v1/persons/{case_ref}/receipts", {"language": "ar", "pin": "483920"})
    await desk.post(CITY, f"/v1/receipts/{receipt.json()['receipt_ref']}/block")
    held = await desk.post(CITY, f"/v1/persons/{case_ref}/holds", {"ground": "person-wishes"}, role="commissioner")
    await desk.post(CITY, f"/v1/persons/{case_ref}/holds/{held.json()['hold_ref']}/release", role="commissioner")
    tasks = (await desk.get(CITY, "/v1/tasks", role="clerk")).json()["items"]
    await desk.post(CITY, f"/v1/tasks/{tasks[0]['task_id']}/done")
    await news(desk, desk.case_id(case_ref), desk.intake.context.references.resolve("stadt-koblenz", consent))
    await desk.get(CITY, f"/v1/persons/{case_ref}", role="clerk")
    return case_ref


async def all_that_is_said(desk: Desk, case_ref: str) -> set[Any]:
    """What two answers say: one as it is, and one after a restore that has lost something."""
    said = set[Any]()
    for statement in ("select 1", "update intake.person set correct_again = '{contact}', lost_at = registered_at"):
        async with desk.intake.context.database.transaction() as conn:
            await conn.execute(statement)
        answer = await desk.get(CITY, f"/v1/persons/{case_ref}/access", role="clerk")
        assert answer.status_code == 200, answer.text
        said |= set(leaves(answer.json()))
    return said


def feedback() -> dict[str, Any]:
    """AWO may tell the City how it goes."""
    return signed(a_consent(from_unit=AWO, to_unit=CITY, scope="feedback-status", data_categories=[]))


async def news(desk: Desk, case_id: CaseId, consent_id: UUID) -> None:
    """The notifier told AWO of the referral and of the withdrawal, and AWO answered."""
    awo, event = PartnerSlug("awo-rheinland"), EventId(new_id())
    requested = Told(event_id=EventId(new_id()), type="lotse.referral.requested.v1", number=1, case_id=case_id)
    ended = Told(event_id=event, type="lotse.consent.withdrawn.v1", number=2, case_id=case_id)
    opened = RecallOpened(
        partner=awo,
        event_id=event,
        closing_type=ended.type,
        case_id=case_id,
        consent_id=ConsentId(consent_id),
        due_at=datetime.now(UTC) + timedelta(days=7),
    )
    answered = RecallAcknowledged(partner=awo, event_id=event, action=RecallAction.DELETED)
    informed = PartnerInformed(partner=awo, events=(requested, ended))
    await desk.intake.feed(informed, opened, answered, source="/koblenz/notifier/1")


def leaves(value: Any) -> Iterator[Any]:
    """Everything that a JSON document says, without its names."""
    if isinstance(value, dict):
        for each in value.values():
            yield from leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each)
    else:
        yield value


def as_said(value: Any, desk: Desk) -> list[Any]:
    """A column's value as the answer may say it: ids as the City's references, times in UTC."""
    if isinstance(value, list):
        return [said for each in value for said in as_said(each, desk)[:1]]
    if isinstance(value, UUID):
        return [desk.intake.reference("stadt-koblenz", value), str(value)]
    if isinstance(value, datetime):
        return [value.isoformat().replace("+00:00", "Z")]
    return [value.isoformat() if isinstance(value, date) else value]


async def test_every_value_of_a_shown_column_is_in_the_answer(desk: Desk) -> None:
    """A person's whole life in Lotse, row by row and column by column."""
    case_ref = await live_through(desk)
    said = await all_that_is_said(desk, case_ref)
    # The second answer was noted after it was made.
    looks = await desk.intake.rows("select * from chassis.access order by at")
    rows = {table: await desk.intake.rows(f"select * from {table}") for table in SHOWN}  # noqa: S608 - fixed names
    rows["chassis.access"] = looks[:-1]
    filled, missing = set(), []
    for table, names in SHOWN.items():
        for row in rows[table]:
            for column in names.split():
                if row[column] is None or row[column] == []:
                    continue
                filled.add(f"{table}.{column}")
                if not said & set(as_said(row[column], desk)):
                    missing.append(f"{table}.{column}: {row[column]}")
    assert missing == []
    assert sorted(shown_columns() - filled) == [], "nothing shows that these are shown"
    person = {"Zaynab Al-Qudsi", "+49 170 5550123", "ar", "1991-04-17", "step-free"}
    assert person <= said
