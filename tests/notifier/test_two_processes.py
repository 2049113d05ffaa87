"""Two processes of the notifier write the same streams at the same time."""

import asyncio

from tests.harness import REFERRAL, Running
from tests.notifier.events import ALL, AWO, Story, contact, offer
from tests.notifier.streams import stream

ROUNDS = 15


async def test_numbers_stay_gapless_and_rise_in_the_order_of_the_outbox(notifier: Running) -> None:
    """Cases and directory are applied side by side; each stream is numbered as it will be sent."""
    for _ in range(ROUNDS):
        story = Story()
        await asyncio.gather(
            notifier.feed(story.consent(), story.requested(), story.received(), story.withdrawn()),
            notifier.feed(offer(), contact(), offer(), source=REFERRAL),
        )
    for partner in ALL:
        numbers = [each.number for each in await stream(notifier, partner)]
        assert numbers == list(range(1, len(numbers) + 1))
    assert len(await stream(notifier, AWO)) == ROUNDS * 5
