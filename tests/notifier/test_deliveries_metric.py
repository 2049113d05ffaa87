"""What became of events, counted partner by partner for the operator."""

from services.chassis.metrics import REGISTRY
from tests.harness import Running
from tests.notifier.events import Story, offer


def counted() -> dict[str, float]:
    results = ("told", "closing", "known", "withheld")
    return {each: REGISTRY.get_sample_value("lotse_deliveries_total", {"result": each}) or 0.0 for each in results}


def risen(before: dict[str, float]) -> dict[str, float]:
    return {result: number - before[result] for result, number in counted().items() if number != before[result]}


async def test_an_offer_is_told_to_all_but_its_author(notifier: Running) -> None:
    """Three partners are told, the one that acted knows already."""
    before = counted()
    await notifier.feed(offer())
    assert risen(before) == {"told": 3, "known": 1}


async def test_a_referral_without_consent_is_withheld(notifier: Running) -> None:
    """Its recipient was meant and is not entitled."""
    story = Story()
    before = counted()
    await notifier.feed(story.requested())
    assert risen(before)["withheld"] == 1
    assert "told" not in risen(before)


async def test_an_end_is_counted_as_closing(notifier: Running) -> None:
    """Whoever was told of the referral hears of its end."""
    story = Story()
    await notifier.feed(story.consent(), story.requested())
    before = counted()
    await notifier.feed(story.ended())
    assert risen(before)["closing"] >= 1
    assert "told" not in risen(before)
