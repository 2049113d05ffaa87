"""Corrections are told to whom they concern, and an erased case is forgotten in the end."""

from datetime import timedelta

from schemas import PartnerInformed
from services.notifier.jobs import ERASED_KEPT
from tests.harness import Running
from tests.notifier.events import AWO, AWO_UNIT, CARITAS, CITY, JOBCENTER, Story, offer
from tests.notifier.streams import heard, stream


async def test_a_correction_is_told_to_the_unit_that_fetched_and_to_nobody_else(notifier: Running) -> None:
    """With the referral by which it fetches again and the categories, under its own reference of the case."""
    story = Story()
    await notifier.feed(story.consent(), story.requested(), story.corrected())
    last = (await stream(notifier, AWO))[-1]
    assert last.type == "lotse.person.corrected.v1"
    assert last.data == {
        "case_ref": notifier.reference(AWO, story.case_id),
        "referral_id": str(story.referral_id),
        "from_unit": "stadt-koblenz/integration",
        "to_unit": AWO_UNIT,
        "data_categories": ["contact"],
    }
    for other in (CITY, CARITAS, JOBCENTER):
        assert "person.corrected" not in await heard(notifier, other)


async def test_after_the_end_of_the_consent_a_correction_is_not_told(notifier: Running) -> None:
    """However late it arrives: silence."""
    story = Story()
    await notifier.feed(story.consent(), story.requested(), story.withdrawn(), story.corrected())
    assert await heard(notifier, AWO) == ["referral.requested", "consent.withdrawn"]


async def test_what_is_reported_names_the_case_of_what_is_about_a_person(notifier: Running) -> None:
    """So that intake can tell the person who was told what; an offer has no case."""
    story = Story()
    await notifier.feed(story.consent(), story.requested())
    await notifier.feed(offer())
    told = [
        (each.type, each.case_id)
        for event in await notifier.published()
        if isinstance(event, PartnerInformed) and event.partner == AWO
        for each in event.events
    ]
    assert ("lotse.referral.requested.v1", story.case_id) in told
    assert {case_id for kind, case_id in told if "offer" in kind} <= {None}


async def test_the_ledger_of_an_erased_case_goes_when_the_streams_have_forgotten_it(notifier: Running) -> None:
    """Rows of other cases stay, and so does an unanswered recall."""
    gone, kept = Story(), Story()
    for story in (gone, kept):
        await notifier.feed(story.consent(), story.requested())
    await notifier.feed(gone.erased())
    await notifier.move_clock(ERASED_KEPT - timedelta(days=1))
    assert await notifier.run_job("forget-erased-cases") == 0
    await notifier.move_clock(ERASED_KEPT + timedelta(days=1))
    assert await notifier.run_job("forget-erased-cases") == 1
    keys = {row["key"] for row in await notifier.rows("select key from notifier.told")}
    assert keys == {str(kept.case_id)}
    assert [row["case_id"] for row in await notifier.rows("select case_id from notifier.consent")] == [kept.case_id]
    assert {row["case_id"] for row in await notifier.rows("select case_id from notifier.recall")} == {gone.case_id}
    assert await notifier.run_job("forget-erased-cases") == 0
