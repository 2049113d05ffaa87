"""The cost of a run does not grow with its events, and the API describes itself."""

from datetime import UTC, datetime, timedelta

from schemas import Event
from services.chassis.keys import Key, lock_keys
from services.notifier import commands
from services.notifier.commands import Office
from tests.harness import Running, received
from tests.notifier.events import ALL, Story, offer


async def statements(notifier: Running, events: list[Event]) -> int:
    """How many statements telling this run takes, beside those of the inbox."""
    office = Office("koblenz", ALL, notifier.context.references, timedelta(days=7))
    run, counted = [received(event) for event in events], []
    async with notifier.context.database.transaction() as conn:
        await lock_keys(conn, [Key(event.topic, event.key) for event in events])
        with conn.query_logger(counted.append):
            await commands.tell(conn, office, run, datetime.now(UTC))
    return len(counted)


def mixed(stories: int) -> list[Event]:
    """A run of everything: offers, consents, referrals, ends."""
    events: list[Event] = []
    for story in [Story() for _ in range(stories)]:
        events += [
            offer(),
            story.consent(),
            story.requested(),
            story.received(),
            story.withdrawn(),
            story.ended(),
            story.erased(),
        ]
    return events


async def test_a_run_takes_as_many_statements_for_many_events_as_for_few(notifier: Running) -> None:
    """Set-based: sixty events cost what six cost."""
    await statements(notifier, mixed(1))  # the first run also asks for the database's types
    assert await statements(notifier, mixed(10)) == await statements(notifier, mixed(1))


async def test_api_describes_itself_with_its_problems(notifier: Running) -> None:
    """OpenAPI 3.1, each route with the answers that say no."""
    document = (await notifier.client.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    for path in ("/v1/stream", "/v1/told"):
        assert {"200", "401", "403", "422"} <= document["paths"][path]["get"]["responses"].keys()
