"""Who hears of what on which stream, through the inbox and a real database."""

import json
from typing import Any
from uuid import UUID

import jsonschema
import pytest

from schemas import EVENTS, ConsentId, dataschema, new_id, parse_headers
from schemas.codes import DataCategory, ReferralState, Scope
from schemas.envelope import SCHEMAS_DIR
from tests.harness import Running
from tests.notifier.events import (
    ALL,
    AWO,
    CARITAS,
    CARITAS_UNIT,
    CITY,
    JOBCENTER,
    YESTERDAY,
    Story,
    contact,
    offer,
    offer_changed,
)
from tests.notifier.streams import heard, stream
from tests.schemas.samples import a


async def silence(notifier: Running, *partners: str) -> bool:
    """Whether these partners were told nothing."""
    return not any([await heard(notifier, partner) for partner in partners])


async def test_without_consent_nobody_hears_of_a_referral(notifier: Running) -> None:
    """A referral whose consent never arrived is told to nobody."""
    story = Story()
    await notifier.feed(story.requested(), story.received(), story.rejected())
    assert await silence(notifier, *ALL)


async def test_expired_consent_counts_as_none_although_nobody_said_so(notifier: Running) -> None:
    """Validity is judged when something is told, not when the expiry is announced."""
    story = Story()
    await notifier.feed(story.consent(valid_until=YESTERDAY), story.requested())
    assert await silence(notifier, *ALL)


async def test_consent_to_another_unit_of_another_partner_opens_nothing(notifier: Running) -> None:
    """A consent is one direction between two units; AWO hears nothing on Caritas's."""
    story = Story()
    await notifier.feed(story.consent(to_unit=CARITAS_UNIT), story.requested())
    assert await silence(notifier, *ALL)


async def test_consent_of_another_case_opens_nothing(notifier: Running) -> None:
    """One person's consent says nothing about another person."""
    story, other = Story(), Story()
    await notifier.feed(other.consent(), story.requested())
    assert await silence(notifier, *ALL)


async def test_feedback_consent_without_transfer_opens_nothing(notifier: Running) -> None:
    """Feedback rests on a referral that rests on a transfer."""
    story = Story()
    await notifier.feed(story.feedback(), story.accepted(), story.status_shared())
    assert await silence(notifier, *ALL)


async def test_request_is_told_to_the_service_and_to_no_one_else(notifier: Running) -> None:
    """The sender acted itself, and the other partners are not concerned."""
    story = Story()
    await notifier.feed(story.consent(), story.requested())
    assert await heard(notifier, AWO) == ["referral.requested"]
    assert await silence(notifier, CITY, CARITAS, JOBCENTER)


async def test_sender_without_feedback_consent_hears_received_rejected_ended_only(notifier: Running) -> None:
    """That the service accepted, started or completed needs the person's word."""
    story = Story()
    await notifier.feed(
        story.consent(), story.requested(), story.received(), story.accepted(), story.started(), story.completed()
    )
    assert await heard(notifier, CITY) == ["referral.received"]
    await notifier.feed(story.rejected(), story.ended())
    assert await heard(notifier, CITY) == ["referral.received", "referral.rejected", "referral.ended"]


async def test_a_pause_a_failure_and_a_mistake_are_told_with_feedback_status_only(notifier: Running) -> None:
    """Why it failed needs the outcome's consent too; that nobody answered is told without any."""
    without, with_status, with_both = Story(), Story(), Story()
    for story in (without, with_status, with_both):
        await notifier.feed(story.consent(), story.requested())
    await notifier.feed(with_status.feedback(), with_both.feedback(), with_both.feedback(Scope.FEEDBACK_OUTCOME))
    for story in (without, with_status, with_both):
        await notifier.feed(story.taken_back(), story.on_hold(), story.resumed(), story.failed())
    told = await stream(notifier, CITY)
    assert len(told) == 2 * 4
    failed = [each.data for each in told if each.type == "lotse.referral.failed.v1"]
    assert [each.get("reason") for each in failed] == [None, "moved-away"]
    unanswered = Story()
    await notifier.feed(unanswered.consent(), unanswered.requested(), unanswered.expired_referral())
    assert (await heard(notifier, CITY))[-1] == "referral.expired"
    assert (await heard(notifier, AWO))[-1] == "referral.expired"


async def test_a_reminder_is_the_services_alone(notifier: Running) -> None:
    """Whatever the sender may know: it would hear how the service works. Not without the consent to the transfer."""
    story = Story()
    await notifier.feed(story.consent(), story.feedback(), story.feedback(Scope.FEEDBACK_OUTCOME))
    await notifier.feed(story.requested(), story.reminded())
    assert (await heard(notifier, AWO))[-1] == "referral.reminded"
    assert "referral.reminded" not in await heard(notifier, CITY)
    await notifier.feed(story.withdrawn(), story.reminded())
    assert (await heard(notifier, AWO)).count("referral.reminded") == 1


async def test_a_household_is_told_to_the_service_on_the_consent_that_names_it(notifier: Running) -> None:
    """By its own reference, and never who else belongs to it; not to the sender, whose own word it is."""
    story, without = Story(), Story()
    await notifier.feed(story.consent(), story.feedback(), story.requested(), story.linked(), without.linked())
    *_, linked = await stream(notifier, AWO)
    assert linked.type == "lotse.referral.linked.v1"
    assert linked.data.keys() == {"case_ref", "referral_id", "from_unit", "to_unit", "household_ref"}
    assert linked.data["household_ref"] == notifier.reference(AWO, story.household_id)
    assert "referral.linked" not in await heard(notifier, CITY)


async def test_another_consent_to_the_transfer_does_not_tell_the_household(notifier: Running) -> None:
    """One that was withdrawn before it could be told, none at all, one the other way round; the referral goes on."""
    story = Story()
    named, back = ConsentId(new_id()), story.feedback()
    household = story.consent(consent_id=named, data_categories=(DataCategory.HOUSEHOLD,))
    await notifier.feed(story.consent(), household, back, story.requested(), story.withdrawn(household))
    for consent_id in (named, back.consent_id, None):
        await notifier.feed(story.linked(consent_id=consent_id))
    assert "referral.linked" not in await heard(notifier, AWO)
    await notifier.feed(story.linked(), story.withdrawn(), story.linked())
    assert (await heard(notifier, AWO)).count("referral.linked") == 1


async def test_who_was_told_of_a_household_is_asked_when_its_consent_ends(notifier: Running) -> None:
    """Although the referral rests on another."""
    story = Story()
    household = story.consent(consent_id=ConsentId(new_id()), data_categories=(DataCategory.HOUSEHOLD,))
    await notifier.feed(story.consent(), household, story.requested(), story.linked(consent_id=household.consent_id))
    await notifier.feed(story.withdrawn(household))
    assert (await heard(notifier, AWO))[-1] == "consent.withdrawn"
    recalls = await notifier.rows("select partner, consent_id from notifier.recall")
    assert [(each["partner"], each["consent_id"]) for each in recalls] == [(AWO, household.consent_id)]


async def test_after_an_error_nobody_hears_of_the_referral_any_more(notifier: Running) -> None:
    """Whoever knew of it is told, with or without a consent; what comes late is not."""
    story, unknown = Story(), Story()
    await notifier.feed(story.consent(), story.requested(), story.withdrawn(), story.entered_in_error())
    await notifier.feed(story.received(), story.accepted(), unknown.entered_in_error())
    assert (await heard(notifier, AWO))[-1] == "referral.entered_in_error"
    assert (await heard(notifier, AWO)).count("referral.entered_in_error") == 1
    assert await silence(notifier, CARITAS, JOBCENTER)


async def test_how_it_ended_needs_feedback_status(notifier: Running) -> None:
    """Without it the sender hears that it ended, not whether by cancelling or detaching, nor why."""
    without, with_status = Story(), Story()
    for story in (without, with_status):
        await notifier.feed(story.consent(), story.requested())
    await notifier.feed(with_status.feedback())
    await notifier.feed(without.ended(), with_status.ended())
    silent, told = (each.data for each in await stream(notifier, CITY))
    assert silent.keys().isdisjoint({"mode", "reason", "state"})
    assert (told["mode"], told["reason"]) == ("detached", "consent-withdrawn")
    assert all(each.data["mode"] == "detached" for each in await stream(notifier, AWO) if "ended" in each.type)


async def test_outcome_needs_feedback_outcome(notifier: Running) -> None:
    """With status alone the sender hears that the work is done, not what came of it."""
    story, open_story = Story(), Story()
    await notifier.feed(story.consent(), story.feedback(), story.requested(), story.completed())
    await notifier.feed(
        open_story.consent(),
        open_story.feedback(),
        open_story.feedback(Scope.FEEDBACK_OUTCOME),
        open_story.status_shared(),
    )
    completed, shared = await stream(notifier, CITY)
    assert "outcome" not in completed.data
    assert (shared.data["status"], shared.data["outcome"]) == ("completed", "need-met")


async def test_withdrawal_in_the_same_run_silences_what_comes_after_it(notifier: Running) -> None:
    """The run is judged in order: before the withdrawal told, after it silent but for the closing."""
    story = Story()
    await notifier.feed(
        story.consent(),
        story.feedback(),
        story.requested(),
        story.withdrawn(),
        story.received(),
        story.accepted(),
        story.ended(),
    )
    closing = ["consent.withdrawn", "referral.ended"]
    assert await heard(notifier, AWO) == ["referral.requested", *closing]
    assert await heard(notifier, CITY) == closing


async def test_withdrawal_of_feedback_silences_status_but_not_what_rests_on_the_transfer(notifier: Running) -> None:
    """Each consent carries its own purpose only."""
    story = Story()
    await notifier.feed(story.consent(), story.feedback(), story.requested(), story.accepted())
    await notifier.feed(story.withdrawn(story.feedback()), story.started(), story.rejected())
    assert await heard(notifier, CITY) == ["referral.accepted", "consent.withdrawn", "referral.rejected"]


async def test_withdrawal_overtaking_its_consent_is_never_revived(notifier: Running) -> None:
    """An end applied first leaves a tombstone that the beginning does not overwrite."""
    story = Story()
    await notifier.feed(story.withdrawn())
    await notifier.feed(story.consent(), story.requested())
    assert await silence(notifier, AWO)


async def test_consent_given_anew_opens_the_case_again(notifier: Running) -> None:
    """A new consent is a new word of the person; the old one stays ended."""
    story, again = Story(), Story()
    await notifier.feed(story.consent(), story.requested(), story.expired(), story.received())
    await notifier.feed(story.consent(consent_id=again.transfer), story.accepted(), story.received(acted_by=None))
    assert await heard(notifier, AWO) == ["referral.requested", "consent.expired", "referral.received"]


async def test_closing_goes_to_those_informed_before_and_to_no_one_else(notifier: Running) -> None:
    """A party that never heard of the case does not learn of it by its end."""
    story = Story()
    await notifier.feed(story.consent(valid_until=YESTERDAY, acted_by=None), story.requested(), story.ended())
    assert await heard(notifier, AWO) == []
    assert await heard(notifier, CITY) == ["referral.ended"]


async def test_fetching_at_the_gate_counts_as_informed(notifier: Running) -> None:
    """Whoever fetched hears of both ends although its stream never named the case."""
    story = Story()
    await notifier.feed(story.consent(valid_until=YESTERDAY, acted_by=None), story.requested(), story.disclosed())
    await notifier.feed(story.withdrawn(), story.ended())
    assert await heard(notifier, AWO) == ["consent.withdrawn", "referral.ended"]
    assert await notifier.rows(
        """
        select type, number, referral_id, consent_id from notifier.told
        where partner = $1 order by number nulls first
        """,
        AWO,
    ) == [
        _row("person.disclosed", None, referral_id=story.referral_id),
        _row("consent.withdrawn", 1, consent_id=story.transfer),
        _row("referral.ended", 2, referral_id=story.referral_id),
    ]


def _row(kind: str, number: int | None, **about: UUID) -> dict[str, Any]:
    return {"type": f"lotse.{kind}.v1", "number": number, "referral_id": None, "consent_id": None, **about}


async def test_ends_are_told_to_those_who_knew_of_that_consent_and_that_referral(notifier: Running) -> None:
    """History l in a case that AWO knows from before: of the second consent and referral it never hears."""
    first = Story()
    again = Story(first.case_id)
    await notifier.feed(first.consent(), first.requested(), first.completed(), first.withdrawn())
    await notifier.feed(again.consent(), again.withdrawn(), again.requested(), again.ended())
    assert await heard(notifier, AWO) == ["referral.requested", "consent.withdrawn"]
    assert await heard(notifier, CITY) == ["consent.withdrawn", "consent.withdrawn", "referral.ended"]


async def test_end_of_a_second_transfer_consent_is_told_to_its_recorder_only(notifier: Running) -> None:
    """A renewal under which nothing was requested is unknown to the service, whatever it knows of the first."""
    story = Story()
    renewal = story.consent(consent_id=Story().transfer)
    await notifier.feed(story.consent(), renewal, story.requested(), story.expired(renewal))
    assert await heard(notifier, AWO) == ["referral.requested"]
    await notifier.feed(story.withdrawn())
    assert await heard(notifier, AWO) == ["referral.requested", "consent.withdrawn"]
    assert await heard(notifier, CITY) == ["consent.expired", "consent.withdrawn"]


async def test_end_of_a_transfer_consent_reaches_who_knows_the_referral_by_a_later_event(notifier: Running) -> None:
    """The request came while nothing could be told of it, the receipt did not."""
    story = Story()
    await notifier.feed(story.requested())
    await notifier.feed(story.consent(), story.received(acted_by=None))
    await notifier.feed(story.withdrawn())
    assert await heard(notifier, AWO) == ["referral.received", "consent.withdrawn"]


async def test_end_of_a_feedback_consent_and_the_erasure_are_told_to_all_who_knew_of_the_case(
    notifier: Running,
) -> None:
    """Both speak of the case, not of one referral: the City acted in it, AWO heard of it."""
    story = Story()
    await notifier.feed(story.consent(), story.requested())
    await notifier.feed(story.withdrawn(story.feedback()), story.erased())
    assert await heard(notifier, CITY) == ["consent.withdrawn", "person.erased"]
    assert await heard(notifier, AWO) == ["referral.requested", "consent.withdrawn", "person.erased"]


@pytest.mark.parametrize("status", [ReferralState.CANCELLED, ReferralState.DETACHED])
async def test_status_of_an_ended_referral_is_never_numbered(notifier: Running, status: ReferralState) -> None:
    """Even where the closing itself was never told."""
    story = Story()
    await notifier.feed(story.consent(), story.feedback(), story.requested(), story.status_shared(status))
    assert await silence(notifier, CITY)


async def test_nothing_follows_the_end_of_a_referral_but_another_referral(notifier: Running) -> None:
    """What says otherwise is not numbered, in the run of the end and in a later one; other referrals go on."""
    story = Story()
    other = Story(story.case_id)
    await notifier.feed(story.consent(), story.feedback(), story.requested(), other.requested())
    await notifier.feed(story.ended(), story.status_shared())
    await notifier.feed(story.received(acted_by=None), story.accepted(), other.accepted())
    assert await heard(notifier, CITY) == ["referral.ended", "referral.accepted"]
    assert await heard(notifier, AWO) == ["referral.requested", "referral.requested", "referral.ended"]


async def test_acting_partner_is_not_told_of_its_own_act_but_is_in_the_ledger(notifier: Running) -> None:
    """Causing an event is a way of knowing it."""
    story = Story()
    (_, requested) = await notifier.feed(story.consent(), story.requested())
    rows = await notifier.rows("select partner, number from notifier.told where event_id = $1 order by 1", requested)
    assert rows == [{"partner": AWO, "number": 1}, {"partner": CITY, "number": None}]


async def test_partner_that_ends_a_referral_itself_hears_nothing_of_it(notifier: Running) -> None:
    """Closing events too spare the one that acted."""
    story = Story()
    await notifier.feed(story.consent(), story.requested(), story.ended(acted_by=CITY))
    assert await silence(notifier, CITY)
    assert await heard(notifier, AWO) == ["referral.requested", "referral.ended"]


async def test_erasure_is_told_to_everyone_who_knew_of_the_case(notifier: Running) -> None:
    """Also to a service that is no longer a party; afterwards nothing but closings is told of the case."""
    story = Story()
    await notifier.feed(story.consent(), story.requested(), story.erased())
    await notifier.feed(story.consent(consent_id=Story().transfer), story.received(), story.ended())
    assert await heard(notifier, AWO) == ["referral.requested", "person.erased", "referral.ended"]
    assert await heard(notifier, CITY) == ["person.erased", "referral.ended"]
    assert await silence(notifier, CARITAS, JOBCENTER)


async def test_erased_twice_is_noted_once(notifier: Running) -> None:
    """A second erasure changes nothing that the first one has noted."""
    story = Story()
    await notifier.feed(story.erased())
    await notifier.feed(story.erased())
    assert len(await notifier.rows("select * from notifier.erased_case")) == 1


async def test_offer_change_is_told_to_all_others_with_the_changed_field(notifier: Running) -> None:
    """Caritas changes its hours; the three others hear the old and the new value."""
    published = offer()
    await notifier.feed(published, offer_changed(published, "Di 14-17"))
    for partner in ALL - {CARITAS}:
        changed = (await stream(notifier, partner))[1]
        assert changed.data["changes"] == [{"field": "schedule", "previous": "Mo 9-12", "new": "Di 14-17"}]
        assert changed.key == str(published.offer_id)
    assert await silence(notifier, CARITAS)


async def test_directory_event_without_an_actor_is_told_to_all(notifier: Running) -> None:
    """When a job acted, the offer's own partner hears of it too."""
    await notifier.feed(contact(acted_by=None))
    assert [await heard(notifier, partner) for partner in ALL] == [["contact.published"]] * 4


async def test_partner_that_left_the_agreement_is_told_nothing(notifier: Running) -> None:
    """A unit of a partner without a file has no stream and no references; the run goes on."""
    story = Story()
    gone = {"to_unit": "red-cross/mbe", "acted_by": None}
    await notifier.feed(story.consent(**gone), story.received(**gone), offer(acted_by="red-cross"))
    assert await heard(notifier, CITY) == ["referral.received", "offer.published"]
    assert await notifier.rows("select 1 from notifier.told where partner = 'red-cross'") == []


async def test_numbers_are_gapless_across_batches_and_stored_for_each_stream(notifier: Running) -> None:
    """Every stream counts for itself from 1."""
    story, published = Story(), offer()
    await notifier.feed(published)
    await notifier.feed(story.consent(), story.requested(), story.received())
    await notifier.feed(offer(), contact())
    assert [each.number for each in await stream(notifier, AWO)] == [1, 2, 3, 4]
    assert [each.number for each in await stream(notifier, JOBCENTER)] == [1, 2, 3]
    assert await notifier.rows("select next_number from notifier.stream where partner = $1", AWO) == [
        {"next_number": 5}
    ]


async def test_batch_that_fails_gives_no_number(notifier: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash between numbering and commit leaves stream, ledger and outbox as they were."""
    from services.notifier import store

    insert, failed = store.insert_lines, []

    async def fail_once(*arguments: object) -> None:
        if not failed:
            failed.append(True)
            raise ConnectionError
        await insert(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "insert_lines", fail_once)
    await notifier.feed(offer())
    assert failed
    assert [each.number for each in await stream(notifier, AWO)] == [1]


async def test_partner_informed_names_events_and_numbers_once_per_partner_and_batch(notifier: Running) -> None:
    """Reporting learns from it who was told what."""
    story, published = Story(), offer()
    ids = await notifier.feed(published, story.consent(), story.requested())
    informed = {event.partner: event for event in await notifier.published("lotse.deliveries")}
    assert informed.keys() == {CITY, AWO, JOBCENTER}
    assert [(told.event_id, told.number) for told in informed[AWO].events] == [(ids[0], 1), (ids[2], 2)]
    assert [told.type for told in informed[CITY].events] == ["lotse.offer.published.v1"]


async def test_large_batch_is_reported_in_parts(notifier: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """No `partner.informed` outgrows what the bus takes."""
    monkeypatch.setattr("services.notifier.commands.EVENTS_A_BATCH", 2)
    await notifier.feed(*(offer() for _ in range(5)))
    parts = [event for event in await notifier.published("lotse.deliveries") if event.partner == AWO]
    assert [len(part.events) for part in parts] == [2, 2, 1]
    assert [told.number for part in parts for told in part.events] == [1, 2, 3, 4, 5]


async def test_nothing_to_tell_publishes_nothing(notifier: Running) -> None:
    """A batch that tells nobody anything leaves the outbox empty."""
    await notifier.feed(Story().consent(), Story().disclosed())
    assert await notifier.outbox_rows() == []


async def test_records_are_cloudevents_whose_data_keeps_the_partner_schema(notifier: Running) -> None:
    """Each record of each stream is read by the contract's own reader and validates against the committed schema."""
    story, published = Story(), offer()
    await notifier.feed(
        published,
        offer_changed(published, "Di"),
        story.consent(),
        story.feedback(),
        story.feedback(Scope.FEEDBACK_OUTCOME),
        story.requested(),
        story.received(),
        story.completed(),
        story.withdrawn(),
        story.ended(),
        story.erased(),
    )
    seen = set()
    for partner in ALL:
        for each in await stream(notifier, partner):
            envelope = parse_headers([(name, value.encode()) for name, value in each.headers.items()])
            assert envelope.source == f"/koblenz/{partner}"
            assert envelope.key == each.key
            assert envelope.dataschema == dataschema(EVENTS[each.type], partner=True)
            jsonschema.validate(each.data, _partner_schema(each.type))
            seen.add(each.type)
    assert len(seen) == 8


async def test_two_partners_cannot_join_their_events_but_by_the_referral(notifier: Running) -> None:
    """No id and no header value that could name the case is common to both but referral and public offer."""
    story = Story()
    ids = await notifier.feed(
        story.consent(), story.feedback(), story.requested(), story.received(acted_by=None), story.withdrawn()
    )
    city, awo = await _identifying(notifier, CITY), await _identifying(notifier, AWO)
    assert city & awo == {str(story.referral_id)}
    inner = {str(story.case_id), str(story.transfer), story.case_id.hex, story.transfer.hex, *map(str, ids)}
    assert inner.isdisjoint(city | awo)


def _partner_schema(event_type: str) -> dict[str, Any]:
    written = max((SCHEMAS_DIR / event_type).glob("*.partner.json"))
    schema: dict[str, Any] = json.loads(written.read_text())
    return schema


async def _identifying(notifier: Running, partner: str) -> set[str]:
    """Every value in a stream's headers, keys and data that looks like an id."""
    found = set()
    for each in await stream(notifier, partner):
        assert each.headers.keys().isdisjoint({"ce_correlationid", "ce_causationid", "traceparent"})
        texts = [*each.headers.values(), each.key, *map(str, each.data.values())]
        found |= {part for text in texts for part in text.split("/") if _is_id(part)}
    return found


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


async def test_same_event_keeps_its_partner_id(notifier: Running) -> None:
    """The record's id follows from the event's, so that a repeat is recognised."""
    (event_id,) = await notifier.feed(offer())
    (told,) = await stream(notifier, AWO)
    assert told.headers["ce_id"] == str(UUID(hex=notifier.reference(AWO, event_id)))
    assert told.headers["ce_time"].endswith("Z")


@pytest.mark.parametrize("kind", ["offer", "contact"])
async def test_a_reminder_is_told_to_the_owner_alone(notifier: Running, kind: str) -> None:
    """Nobody else needs to know that a unit has not looked at its entries."""
    await notifier.feed(a(f"lotse.{kind}.assurance_due.v1"))
    assert await heard(notifier, AWO) == [f"{kind}.assurance_due"]
    assert await silence(notifier, CITY, CARITAS, JOBCENTER)
