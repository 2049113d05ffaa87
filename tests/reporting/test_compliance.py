"""What each clause amounts to, from events through the inbox to the answer."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from schemas import (
    ContactChanged,
    ContactPublished,
    ContactWithdrawn,
    Event,
    EventId,
    InformationCounted,
    OfferPublished,
    PartnerInformed,
    PartnerSlug,
    Told,
    UnitId,
    new_id,
)
from schemas.codes import ContactLevel
from services.chassis import offsets
from services.chassis.offsets import Partition
from tests.harness import INTAKE, REFERRAL, Running
from tests.notifier.events import (
    ALL,
    AWO,
    AWO_UNIT,
    CARITAS,
    CARITAS_UNIT,
    CITY,
    CITY_UNIT,
    JOBCENTER,
    Story,
    contact,
    offer,
)
from tests.reporting.conftest import Compliance
from tests.schemas.samples import a

NOTIFIER = "/koblenz/notifier/1"
JOBCENTER_UNIT = UnitId("jobcenter-koblenz/jobcenter")
THIS_YEAR = datetime.now(UTC).year
COUNTED = {"K1", "K2", "K4", "K5", "K6", "K7", "K8", "K9", "K10"}


def counted(count: int, unit: str = CITY_UNIT, month: str = f"{THIS_YEAR}-03") -> InformationCounted:
    """A unit told people of the offers, in Arabic."""
    return InformationCounted(unit=UnitId(unit), language="ar", month=month, count=count)


async def tell(
    reporting: Running, events: Sequence[tuple[UUID, str]], partner: str, at: datetime | None = None
) -> None:
    """The notifier told a partner of events (id and type)."""
    told = tuple(
        Told(event_id=EventId(event_id), type=type_, number=number)
        for number, (event_id, type_) in enumerate(events, start=1)
    )
    await reporting.feed(PartnerInformed(partner=PartnerSlug(partner), events=told), source=NOTIFIER, at=at)


async def publish(reporting: Running, *events: Event, to: Sequence[str] = (), at: datetime | None = None) -> None:
    """The partners published something, and these others were told of it."""
    ids = await reporting.feed(*events, source=REFERRAL, at=at)
    for partner in to:
        pairs = [(event_id, event.event_type) for event_id, event in zip(ids, events, strict=True)]
        await tell(reporting, pairs, partner, at)


def changed(published: ContactPublished, **new: Any) -> ContactChanged:
    """A contact changed; what exactly is not counted."""
    return ContactChanged(**{**published.model_dump(), **new, "changes": ()})


async def test_without_events_counted_clauses_say_zero_and_the_others_why_not(compliance: Compliance) -> None:
    """All fifteen clauses answer; none invents a number or a date."""
    rows = await compliance()
    assert list(rows) == [f"K{number}" for number in range(1, 16)]
    for clause, row in rows.items():
        assert (row["status"] == "counted") == (clause in COUNTED)
        assert row["done"] == (0 if clause in COUNTED else None)
        assert (row["reason"] is None) == (clause in COUNTED)
        assert row["late"] is None
    assert rows["K3"]["status"] == "not-measured"
    assert rows["K12"]["due"] == "yearly"
    assert {row["due"] for clause, row in rows.items() if clause != "K12"} == {None}


async def test_texts_are_the_agreements_own(compliance: Compliance) -> None:
    """German, as in the file; a duty owed to nobody in particular says so with null."""
    rows = await compliance()
    assert (rows["K4"]["from"], rows["K4"]["to"]) == ("Migrationsdienste", "Stadt")
    assert rows["K4"]["duty"] == "über Beratungsangebote informieren"
    assert rows["K13"]["to"] is None


async def test_k1_sums_the_people_told_by_units_of_the_city_only(reporting: Running, compliance: Compliance) -> None:
    """Several counts in one batch and across batches add up; a service's own counting is not the City's."""
    await reporting.feed(counted(3), counted(4), counted(100, unit=AWO_UNIT))
    await reporting.feed(counted(5, month=f"{THIS_YEAR}-04"))
    assert (await compliance(THIS_YEAR))["K1"]["done"] == 12


async def test_k1_counts_for_the_month_it_was_counted_for(reporting: Running, compliance: Compliance) -> None:
    """A count of December that arrives in January belongs to the old year."""
    await reporting.feed(counted(7, month="2029-12"), at=datetime(2030, 1, 2, tzinfo=UTC))
    assert (await compliance(2029))["K1"]["done"] == 7
    assert (await compliance(2030))["K1"]["done"] == 0


async def test_k2_counts_referrals_received_that_the_city_sent(reporting: Running, compliance: Compliance) -> None:
    """Not those that were only requested, and not those of another sender."""
    stories = [Story(), Story(), Story()]
    foreign = {"from_unit": CARITAS_UNIT}
    await reporting.feed(
        stories[0].requested(), stories[0].received(), stories[1].requested(), stories[2].received(**foreign)
    )
    assert (await compliance())["K2"]["done"] == 1


async def test_k2_counts_what_reached_a_migration_service_only(reporting: Running, compliance: Compliance) -> None:
    """The City's referrals to the Jobcenter are no mediation to a migration service."""
    to_jobcenter, to_caritas = {"to_unit": JOBCENTER_UNIT}, {"to_unit": CARITAS_UNIT}
    await reporting.feed(Story().received(**to_jobcenter), Story().received(), Story().received(**to_caritas))
    await reporting.feed(Story().received(**to_jobcenter), Story().received())
    assert (await compliance())["K2"]["done"] == 3


async def test_k4_counts_offers_of_migration_services_told_to_the_city(
    reporting: Running, compliance: Compliance
) -> None:
    """The Jobcenter's offers and what others were told are not K4; K8 counts all tellings."""
    await publish(reporting, offer(), to=[CITY, AWO, JOBCENTER])
    await publish(reporting, offer(unit=JOBCENTER_UNIT), to=[CITY, AWO, CARITAS])
    rows = await compliance()
    assert rows["K4"]["done"] == 1
    assert rows["K8"]["done"] == 6


async def test_k5_counts_material_of_migration_services_told_to_the_city(
    reporting: Running, compliance: Compliance
) -> None:
    """Not the City's own, not what others were told, and no offer."""
    await publish(reporting, a("lotse.material.published.v1"), to=[CITY, CARITAS])
    await publish(reporting, a("lotse.material.changed.v1", material_id=new_id()), to=[CITY])
    own = a("lotse.material.published.v1", material_id=new_id(), unit=CITY_UNIT, acted_by=CITY)
    await publish(reporting, own, to=[AWO, CARITAS])
    await publish(reporting, offer(), to=[CITY])
    rows = await compliance()
    assert (rows["K5"]["done"], rows["K8"]["done"]) == (2, 1)


async def test_k8_counts_notices_of_relevant_changes_beside_offers(reporting: Running, compliance: Compliance) -> None:
    """Of all partners, to all partners; they are no offers for K4."""
    await publish(reporting, a("lotse.notice.published.v1"), to=[CITY, CARITAS, JOBCENTER])
    await publish(reporting, offer(), to=[CITY])
    rows = await compliance()
    assert (rows["K8"]["done"], rows["K4"]["done"]) == (4, 1)


async def test_offer_that_nobody_was_told_of_is_not_done(reporting: Running, compliance: Compliance) -> None:
    """Publishing alone informs nobody."""
    await publish(reporting, offer())
    rows = await compliance()
    assert (rows["K4"]["done"], rows["K8"]["done"]) == (0, 0)


async def test_telling_that_arrives_before_its_event_is_counted(reporting: Running, compliance: Compliance) -> None:
    """The two topics are read side by side; which comes first does not matter."""
    event_id = UUID("0197f000-0000-7000-8000-000000000001")
    await tell(reporting, [(event_id, OfferPublished.event_type)], CITY)
    assert (await compliance())["K4"]["done"] == 0
    await bring(reporting, [(offer(), event_id, REFERRAL)], offset=1)
    assert (await compliance())["K4"]["done"] == 1


async def test_partner_told_of_its_own_offer_is_not_informed_by_another(
    reporting: Running, compliance: Compliance
) -> None:
    """When a job acted, the owner is told too; that fulfils no duty to others."""
    await publish(reporting, offer(acted_by=None), to=[CARITAS, AWO])
    assert (await compliance())["K8"]["done"] == 1


async def test_tellings_of_cases_are_not_kept(reporting: Running) -> None:
    """Who was told of which case stays with the notifier; reporting stores no id of it."""
    story = Story()
    (event_id,) = await reporting.feed(story.received())
    await tell(reporting, [(event_id, "lotse.referral.received.v1"), (event_id, "lotse.unheard.of.v1")], AWO)
    assert await reporting.rows("select * from view.told") == []
    assert await reporting.rows("select * from view.directory_event") == []
    tables = await reporting.rows("select * from view.event_count")
    assert str(story.case_id) not in str(tables)
    assert str(story.referral_id) not in str(tables)


@pytest.mark.parametrize(
    ("clause", "other", "level"), [("K6", "K7", ContactLevel.COORDINATING), ("K7", "K6", ContactLevel.OPERATIONAL)]
)
async def test_contacts_count_for_their_own_level_and_name_who_has_none(
    reporting: Running, compliance: Compliance, clause: str, other: str, level: ContactLevel
) -> None:
    """A contact of one level fulfils nothing on the other."""
    await publish(reporting, contact(level=level), to=[CITY, AWO, JOBCENTER])
    rows = await compliance()
    assert (rows[clause]["done"], rows[other]["done"]) == (3, 0)
    assert rows[clause]["missing"] == sorted(ALL - {CARITAS})
    assert rows[other]["missing"] == sorted(ALL)
    assert rows["K8"]["missing"] is None


async def test_nobody_is_missing_when_all_four_partners_named_a_contact(
    reporting: Running, compliance: Compliance
) -> None:
    """One valid contact per partner is enough, whichever unit names it."""
    units = (CITY_UNIT, AWO_UNIT, JOBCENTER_UNIT, UnitId("caritas-koblenz/jmd"))
    await publish(reporting, *(contact(unit=unit) for unit in units), to=[CITY])
    assert (await compliance())["K6"]["missing"] == []


async def test_withdrawn_contact_is_missing_and_changed_level_moves_it(
    reporting: Running, compliance: Compliance
) -> None:
    """What counts is the last state of each contact."""
    gone, moved = contact(), contact(unit=AWO_UNIT)
    await publish(reporting, gone, moved)
    await publish(
        reporting,
        ContactWithdrawn(**gone.model_dump()),
        changed(moved, level=ContactLevel.OPERATIONAL),
    )
    rows = await compliance()
    assert rows["K6"]["missing"] == sorted(ALL)
    assert rows["K7"]["missing"] == sorted(ALL - {AWO})


async def test_what_is_only_announced_of_a_contact_does_not_count(reporting: Running, compliance: Compliance) -> None:
    """Neither as a contact that is there nor as one that is gone, and not as a telling either."""
    to_come = a("lotse.contact.announced.v1", unit=CITY_UNIT, level=ContactLevel.COORDINATING, act="publish")
    named = contact()
    await publish(reporting, named, to_come, to=[AWO])
    leaving = a("lotse.contact.announced.v1", **named.model_dump(exclude={"acted_by"}), act="withdraw")
    await publish(reporting, leaving, to=[CITY])
    row = (await compliance())["K6"]
    assert (row["done"], row["missing"]) == (1, sorted(ALL - {CARITAS}))


async def test_a_level_left_without_a_contact_shows_and_a_reminder_changes_nothing(
    reporting: Running, compliance: Compliance
) -> None:
    """A contact that should be looked at again is there, until it is withdrawn."""
    named = contact()
    await publish(reporting, named)
    due = a("lotse.contact.assurance_due.v1", **named.model_dump(exclude={"acted_by"}))
    await publish(reporting, due, to=[CARITAS])
    row = (await compliance())["K6"]
    assert (row["done"], CARITAS in row["missing"]) == (0, False)
    await publish(reporting, ContactWithdrawn(**named.model_dump()))
    assert CARITAS in (await compliance())["K6"]["missing"]


async def test_year_ends_at_midnight_in_koblenz(reporting: Running, compliance: Compliance) -> None:
    """31 December 23:30 UTC is the next year in Germany, 22:30 UTC still the old one."""
    late, later = datetime(2025, 12, 31, 22, 30, tzinfo=UTC), datetime(2025, 12, 31, 23, 30, tzinfo=UTC)
    await reporting.feed(Story().received(), at=late)
    await reporting.feed(Story().received(), Story().received(), at=later)
    await publish(reporting, offer(), to=[CITY], at=late)
    await publish(reporting, offer(), contact(), to=[CITY], at=later)
    old, new = await compliance(2025), await compliance(2026)
    assert [(row["K2"]["done"], row["K8"]["done"], row["K6"]["done"]) for row in (old, new)] == [(1, 1, 0), (2, 1, 1)]
    assert CARITAS in old["K6"]["missing"]
    assert CARITAS not in new["K6"]["missing"]


async def test_contact_withdrawn_later_was_valid_at_the_end_of_its_year(
    reporting: Running, compliance: Compliance
) -> None:
    """A past year is judged as it ended, not as things stand now."""
    named = contact()
    await publish(reporting, named, at=datetime(2024, 6, 1, tzinfo=UTC))
    await publish(reporting, ContactWithdrawn(**named.model_dump()), at=datetime(2025, 6, 1, tzinfo=UTC))
    assert CARITAS not in (await compliance(2024))["K6"]["missing"]
    assert CARITAS in (await compliance(2025))["K6"]["missing"]


async def test_present_year_is_the_default(reporting: Running, compliance: Compliance) -> None:
    """Asked without a year the answer is of today's."""
    await reporting.feed(Story().received())
    headers = reporting.headers(CITY_UNIT, "commissioner")
    document = (await reporting.client.get("/v1/compliance", headers=headers)).json()
    assert document["year"] in (THIS_YEAR, THIS_YEAR + 1)
    assert document["agreement"] == "koblenz"
    assert (await compliance())["K2"]["done"] == 1


async def test_every_event_twice_is_counted_once(reporting: Running, compliance: Compliance) -> None:
    """Kafka may bring the same records again; versions keep the counts exact."""
    informed = PartnerInformed(
        partner=CITY,
        events=(
            Told(event_id=EventId(UUID(int=3)), type="lotse.offer.published.v1", number=1),
            Told(event_id=EventId(UUID(int=4)), type="lotse.contact.published.v1", number=2),
        ),
    )
    records = [
        (counted(5), UUID(int=1), INTAKE),
        (Story().received(), UUID(int=2), REFERRAL),
        (offer(), UUID(int=3), REFERRAL),
        (contact(), UUID(int=4), REFERRAL),
        (informed, UUID(int=5), NOTIFIER),
    ]
    await bring(reporting, records, offset=1)
    once = await compliance()
    await bring(reporting, records, offset=101)
    assert await compliance() == once
    assert [once[clause]["done"] for clause in ("K1", "K2", "K4", "K6", "K8")] == [5, 1, 1, 1, 1]


async def bring(reporting: Running, events: Sequence[tuple[Event, UUID, str]], *, offset: int) -> None:
    """Events (with id and source), each the first of its key, as they stand on the bus from an offset on."""
    records = [
        reporting._record(event, event_id, source, datetime.now(UTC), 1)._replace(offset=offset + place)
        for place, (event, event_id, source) in enumerate(events)
    ]
    async with reporting.context.database.transaction() as conn:
        for topic in {record.topic for record in records}:
            await offsets.begin(conn, Partition(topic, 0), beginning=0, end=0)
    assert await reporting.inbox.apply(records)


async def test_k9_counts_each_agreement_once_and_each_end_of_what_was_agreed(
    reporting: Running, compliance: Compliance
) -> None:
    """Not a proposal, a further unit that joins, one that leaves, or what came to nothing."""
    events = [a(f"lotse.cooperation.{name}.v1") for name in ("proposed", "agreed", "joined", "left", "declined")]
    await reporting.feed(*events, source=REFERRAL)
    assert (await compliance())["K9"]["done"] == 1
    await reporting.feed(*(a(f"lotse.cooperation.{name}.v1") for name in ("ended", "lapsed")), source=REFERRAL)
    assert (await compliance())["K9"]["done"] == 2
