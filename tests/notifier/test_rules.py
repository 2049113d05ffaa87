"""What holds in every run of events, whatever its order: tried on random runs, without and with the database."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import Event, Received, ReferralEnded, ReferralEvent
from schemas.codes import Scope
from services.notifier.model import Consents, Entry, Ledger, judge
from tests.harness import Running, received
from tests.notifier.events import ALL, AWO, AWO_UNIT, CITY, CITY_UNIT, NEXT_YEAR, Story
from tests.notifier.streams import stream

ACTS = (
    "consent",
    "feedback",
    "requested",
    "linked",
    "received",
    "accepted",
    "rejected",
    "started",
    "completed",
    "status_shared",
    "disclosed",
    "ended",
    "withdrawn",
    "expired",
    "revoked",
    "invalidated",
    "renewed",
    "expiring",
    "erased",
)
ENDS = {"withdrawn", "expired", "revoked", "invalidated", "erased"}

runs = st.lists(st.lists(st.sampled_from(ACTS), min_size=1, max_size=8), min_size=1, max_size=5)


def events_of(story: Story, acts: Sequence[str]) -> list[Event]:
    """The events of a run, by their names in the story."""
    return [getattr(story, act)() for act in acts]


def judged(story: Story, batches: Sequence[Sequence[str]]) -> list[Entry]:
    """What is decided over several runs, with what was known kept from one to the next."""
    consents, ledger, entries = Consents(), Ledger(), []
    for batch in batches:
        events = [received(event) for event in events_of(story, batch)]
        entries += judge(events, ALL, consents, ledger, datetime.now(UTC))
    return entries


def _told_of(story: Story, acts: Sequence[str]) -> list[Received[Event]]:
    return [entry.event for entry in judged(story, [acts]) if entry.party is not None]


@given(runs)
def test_after_an_end_nothing_but_closings_is_told(batches: Sequence[Sequence[str]]) -> None:
    """Once the transfer was withdrawn, has expired or the person is erased, no party hears anything else."""
    story = Story()
    acts = [act for batch in batches for act in batch]
    until_end = next((place for place, act in enumerate(acts) if act in ENDS), len(acts))
    told = [entry.event.data for entry in judged(story, batches) if entry.party is not None]
    before = [each.data for each in _told_of(story, acts[:until_end])]
    assert told[: len(before)] == before
    assert all(each.closing for each in told[len(before) :])


@given(runs)
def test_after_the_end_of_a_referral_nothing_but_closings_is_told(batches: Sequence[Sequence[str]]) -> None:
    """Whatever arrives late, a partner that was told of the end hears nothing else of that referral."""
    entries = [entry for entry in judged(Story(), batches) if entry.party is not None]
    for partner in (CITY, AWO):
        said = [entry.event.data for entry in entries if entry.partner == partner]
        told = [each for each in said if isinstance(each, ReferralEvent)]
        end = next((place for place, each in enumerate(told) if isinstance(each, ReferralEnded)), len(told))
        assert all(each.closing for each in told[end:])


@given(st.lists(st.sampled_from(ACTS), max_size=20))
def test_nothing_is_told_before_or_without_a_consent(acts: Sequence[str]) -> None:
    """What stands before the first consent of a run is told to nobody, but its closing to those who know."""
    first = next((place for place, act in enumerate(acts) if act in ("consent", "renewed")), len(acts))
    before = acts[:first]
    told = [entry for entry in judged(Story(), [before]) if entry.party is not None]
    assert all(entry.event.data.closing for entry in told)


@given(runs)
def test_only_the_two_parties_ever_hear_of_a_case(batches: Sequence[Sequence[str]]) -> None:
    """Caritas and the Jobcenter have no part in the story and learn nothing of it."""
    assert {entry.partner for entry in judged(Story(), batches)} <= {CITY, AWO}


@given(runs)
def test_sender_sees_no_outcome_without_consent_to_it(batches: Sequence[Sequence[str]]) -> None:
    """The story never gives FEEDBACK_OUTCOME, so that no entry of the City carries it."""
    assert all(
        Scope.FEEDBACK_OUTCOME not in entry.scopes for entry in judged(Story(), batches) if entry.partner == CITY
    )


@given(runs)
def test_an_actor_is_never_told_of_its_own_act(batches: Sequence[Sequence[str]]) -> None:
    """It has an entry in the ledger all the same."""
    for entry in judged(Story(), batches):
        actor = getattr(entry.event.data, "acted_by", None)
        assert (entry.party is None) == (entry.partner == actor)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
async def test_streams_keep_the_rules_through_the_database(notifier: Running, data: st.DataObject) -> None:
    """Random batches through the inbox: gapless numbers, and after an end nothing but closings of that case."""
    story = Story()
    batches = data.draw(runs)
    for batch in batches:
        await notifier.feed(*events_of(story, batch))
    for partner in (CITY, AWO):
        whole = await stream(notifier, partner)
        assert [each.number for each in whole] == list(range(1, len(whole) + 1))
        key = notifier.reference(partner, story.case_id)
        types = [each.type for each in whole if each.key == key]
        ended = [number for number, each in enumerate(types) if each in TRANSFER_ENDS]
        if ended:
            assert set(types[ended[0] :]) <= CLOSING


def test_a_consent_ends_at_the_instant_it_names() -> None:
    """Valid before that instant, not at it."""
    story = Story()
    consents = Consents()
    consents.apply(story.consent())
    pair = (story.case_id, story.consent().from_unit, story.consent().to_unit)
    assert consents.scopes(*pair, NEXT_YEAR) == frozenset()
    assert consents.scopes(*pair, datetime.now(UTC)) == {Scope.TRANSFER}


async def test_a_partner_is_reminded_of_its_own_consent_while_it_holds(notifier: Running) -> None:
    """The sender hears it, nobody else; once the consent has ended nobody does."""
    story, other = Story(), Story()
    await notifier.feed(story.consent(), story.expiring())
    await notifier.feed(other.consent(), other.withdrawn(), other.expiring())
    assert [each.type for each in await stream(notifier, CITY) if "expiring" in each.type] == [
        "lotse.consent.expiring.v1"
    ]
    assert [each.type for each in await stream(notifier, AWO) if "expiring" in each.type] == []


def test_a_renewal_moves_the_end_of_a_consent_and_never_revives_it() -> None:
    """The later time counts; what is over stays over."""
    story, now = Story(), datetime.now(UTC)
    later = NEXT_YEAR + timedelta(days=100)
    consents = Consents()
    for event in (story.consent(), story.renewed(valid_until=later)):
        consents.apply(event)
    held = consents.scopes(story.case_id, CITY_UNIT, AWO_UNIT, NEXT_YEAR + timedelta(days=1))
    assert held == {Scope.TRANSFER}
    for event in (story.withdrawn(), story.renewed(valid_until=later)):
        consents.apply(event)
    assert consents.scopes(story.case_id, CITY_UNIT, AWO_UNIT, now) == frozenset()


TRANSFER_ENDS = {
    "lotse.consent.withdrawn.v1",
    "lotse.consent.expired.v1",
    "lotse.consent.revoked.v1",
    "lotse.consent.invalidated.v1",
    "lotse.person.erased.v1",
}
CLOSING = {*TRANSFER_ENDS, "lotse.referral.ended.v1"}
