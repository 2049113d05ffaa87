"""What happens to trainings reaches the three other partners, whichever of them did it."""

import pytest

from schemas import EVENTS, TrainingCountEvent, TrainingEvent, TrainingNeedEvent
from tests.harness import REFERRAL, Running
from tests.notifier.events import ALL, AWO, CARITAS, CITY, JOBCENTER
from tests.notifier.streams import heard, stream
from tests.schemas.samples import a

TYPES = sorted(
    name
    for name, event_class in EVENTS.items()
    if issubclass(event_class, TrainingCountEvent | TrainingEvent | TrainingNeedEvent)
)


def test_there_are_eight_kinds_of_change() -> None:
    """Three of a need, three of a training, and two of its people."""
    assert len(TYPES) == 8


@pytest.mark.parametrize("event_type", TYPES)
async def test_each_change_is_told_to_the_three_others(notifier: Running, event_type: str) -> None:
    """Whole, under the id of the need or training, and not to the partner that acted."""
    event = a(event_type)
    await notifier.feed(event, source=REFERRAL)
    assert await heard(notifier, event.acted_by) == []
    for partner in ALL - {event.acted_by}:
        [told] = await stream(notifier, partner)
        assert (told.type, told.key) == (event_type, event.key)
        assert told.data == event.model_dump(mode="json", exclude={"acted_by"})


async def test_the_offering_partner_hears_who_registers(notifier: Running) -> None:
    """And so do the others, who see the seats go."""
    offered = a("lotse.training.offered.v1")
    await notifier.feed(offered, a("lotse.training.registrations_changed.v1"), source=REFERRAL)
    assert await heard(notifier, AWO) == ["training.registrations_changed"]
    assert await heard(notifier, CARITAS) == ["training.offered"]
    for partner in (CITY, JOBCENTER):
        assert await heard(notifier, partner) == ["training.offered", "training.registrations_changed"]
