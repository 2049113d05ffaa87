"""Histories a and b of a parked case, at the notifier: silent but for its closing, and right after the repair."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from schemas import ConsentGiven, Event, Received, ReferralReceived, Topic
from services.chassis import parking
from services.chassis.db import Connection
from services.chassis.handling import Handlers, Permanent
from services.chassis.inbox import Inbox
from services.chassis.keys import Key
from tests.harness import Running
from tests.notifier.events import AWO, CARITAS, CITY, Story, offer
from tests.notifier.streams import heard, stream


def broken(handlers: Handlers, refuses: Callable[[Event], bool]) -> Handlers:
    """The same handlers as old code that can never apply certain events."""
    assert handlers.run is not None
    run = handlers.run

    async def refusing(conn: Connection, events: Sequence[Received[Event]], now: datetime) -> None:
        if any(refuses(event.data) for event in events):
            raise Permanent("this code cannot apply it")
        await run(conn, events, now)

    return replace(handlers, run=refusing)


def break_at(notifier: Running, refuses: Callable[[Event], bool]) -> None:
    """Let the notifier refuse certain events for good."""
    handlers = notifier.service.handlers(notifier.context)
    notifier.inbox = Inbox(notifier.context.database, broken(handlers, refuses))


async def mend(notifier: Running, story: Story) -> bool:
    """New code starts and tries the parked case again."""
    handlers = notifier.service.handlers(notifier.context)
    notifier.inbox = Inbox(notifier.context.database, handlers)
    return await parking.retry(notifier.context.database, handlers, Key(Topic.CASES, str(story.case_id)))


async def test_parked_case_is_silent_but_for_its_closing_which_is_numbered_once(notifier: Running) -> None:
    """An event fails for good, others wait, the withdrawal is told at once and not again after the repair."""
    story = Story()
    break_at(notifier, lambda event: isinstance(event, ReferralReceived))
    await notifier.feed(story.consent(), story.feedback(), story.requested())
    await notifier.feed(story.received(), story.accepted(), offer())
    assert [letter["code"] for letter in await notifier.parked()] == ["refused", "waits"]
    assert await heard(notifier, AWO) == ["referral.requested", "offer.published"]
    await notifier.feed(story.withdrawn())
    await notifier.feed(story.ended())
    told = ["referral.requested", "offer.published", "consent.withdrawn"]
    assert await heard(notifier, AWO) == told
    assert await heard(notifier, CITY) == ["offer.published", "consent.withdrawn"]

    assert await mend(notifier, story)
    assert await heard(notifier, AWO) == [*told, "referral.ended"]
    assert await heard(notifier, CITY) == ["offer.published", "consent.withdrawn", "referral.ended"]
    assert [each.number for each in await stream(notifier, AWO)] == [1, 2, 3, 4]


async def test_withdrawal_of_a_parked_consent_is_not_revived_by_the_repair(notifier: Running) -> None:
    """The consent itself could not be applied, its withdrawal came first, and the repair opens nothing."""
    story = Story()
    break_at(notifier, lambda event: isinstance(event, ConsentGiven))
    await notifier.feed(story.consent(), story.requested(), story.withdrawn())
    assert await heard(notifier, AWO) == []
    assert await mend(notifier, story)
    await notifier.feed(story.received())
    assert await heard(notifier, AWO) == []
    # The City recorded the consent and asked: the repair makes known that it knows, and it hears the end.
    assert await heard(notifier, CITY) == ["consent.withdrawn"]


async def test_parked_case_stops_no_other(notifier: Running) -> None:
    """What another case and the directory say goes on meanwhile (key by key, so in any order between them)."""
    story, other = Story(), Story()
    break_at(notifier, lambda event: isinstance(event, ReferralReceived) and event.case_id == story.case_id)
    await notifier.feed(
        story.consent(), other.consent(), story.received(), other.requested(), offer(), other.received()
    )
    assert sorted(await heard(notifier, AWO)) == ["offer.published", "referral.requested"]
    assert sorted(await heard(notifier, CITY)) == ["offer.published", "referral.received"]
    assert await heard(notifier, CARITAS) == []
