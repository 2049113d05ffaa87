"""The statements of reporting: counting, and reading what was counted."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from schemas import InformationCounted, PartnerSlug, TrainingAttended, UnitId
from services.chassis.db import Connection
from services.reporting.model import Happened, Named, People, Telling, Year


class Seen(NamedTuple):
    """What events are counted by."""

    year: int
    type: str
    sender: str
    recipient: str


class Published(NamedTuple):
    """An event of the directory; `at`: for when it counts."""

    event_id: UUID
    type: str
    entity: str
    partner: str
    level: str | None
    ended: bool
    at: datetime


class Heard(NamedTuple):
    """A partner was told of an event at a time."""

    event_id: UUID
    partner: str
    at: datetime


async def add_information(conn: Connection, counted: Sequence[InformationCounted]) -> None:
    """Add people told of the services' offers to the year of the month they were counted for."""
    await conn.execute(
        """
        insert into view.information (year, unit, people)
        select left(month, 4)::integer, unit, sum(people)
        from unnest($1::text[], $2::text[], $3::integer[]) as given (month, unit, people)
        group by 1, 2 order by 1, 2
        on conflict (year, unit) do update set people = information.people + excluded.people
        """,
        [event.month for event in counted],
        [event.unit for event in counted],
        [event.count for event in counted],
    )


async def add_events(conn: Connection, seen: Mapping[Seen, int]) -> None:
    """Add to how many events there were of each year, type, sender and recipient."""
    await conn.execute(
        """
        insert into view.event_count (year, type, sender, recipient, events)
        select * from unnest($1::integer[], $2::text[], $3::text[], $4::text[], $5::bigint[]) order by 1, 2, 3, 4
        on conflict (year, type, sender, recipient) do update set events = event_count.events + excluded.events
        """,
        *_columns(list(seen), Seen),
        list(seen.values()),
    )


async def insert_published(conn: Connection, published: Sequence[Published]) -> None:
    """Keep events of the directory, in the order given; one met before stays as it is."""
    await conn.execute(
        """
        insert into view.directory_event (event_id, type, entity, partner, level, ended, at)
        select event_id, type, entity, partner, level, ended, at
        from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::timestamptz[])
             with ordinality as given (event_id, type, entity, partner, level, ended, at, place)
        order by place
        on conflict do nothing
        """,
        *_columns(published, Published),
    )


async def insert_heard(conn: Connection, heard: Sequence[Heard]) -> None:
    """Keep who was told of an event of the directory; only the first time counts."""
    await conn.execute(
        """
        insert into view.told (event_id, partner, year)
        select event_id, partner, extract(year from at at time zone 'Europe/Berlin')
        from unnest($1::uuid[], $2::text[], $3::timestamptz[]) as given (event_id, partner, at)
        order by 1, 2
        on conflict do nothing
        """,
        *_columns(heard, Heard),
    )


def _columns(rows: Sequence[NamedTuple], kind: type[NamedTuple]) -> list[list[object]]:
    return [[row[place] for row in rows] for place in range(len(kind._fields))]


async def read_year(conn: Connection, year: int | None, now: datetime) -> Year:
    """The bounds of a calendar year in Koblenz, the present one unless one is given."""
    row = await conn.fetchrow(
        """
        select year, least(ends_at, $2) as ends_at, ends_at <= $2 as is_over
        from (select coalesce($1, extract(year from $2::timestamptz at time zone 'Europe/Berlin')::integer))
             as wanted (year),
             lateral make_timestamptz(year + 1, 1, 1, 0, 0, 0, 'Europe/Berlin') as ends_at
        """,
        year,
        now,
    )
    return Year(*row)


async def people_told(conn: Connection, year: int) -> list[People]:
    """People told of the services' offers in a year, by unit."""
    rows = await conn.fetch("select unit, people from view.information where year = $1", year)
    return [People(UnitId(row["unit"]), row["people"]) for row in rows]


async def events_counted(conn: Connection, year: int) -> list[Happened]:
    """Events of a year by type, sender and recipient."""
    rows = await conn.fetch("select type, sender, recipient, events from view.event_count where year = $1", year)
    return [
        Happened(row["type"], PartnerSlug(row["sender"]), PartnerSlug(row["recipient"]), row["events"]) for row in rows
    ]


async def tellings(conn: Connection, year: int) -> list[Telling]:
    """How often partners were told of each other's directory events in a year."""
    rows = await conn.fetch(
        """
        select published.type, published.partner as teller, told.partner as hearer, published.level, count(*) as times
        from view.told join view.directory_event as published using (event_id)
        where told.year = $1 and told.partner <> published.partner
        group by 1, 2, 3, 4
        """,
        year,
    )
    return [
        Telling(row["type"], PartnerSlug(row["teller"]), PartnerSlug(row["hearer"]), row["level"], row["times"])
        for row in rows
    ]


async def valid_contacts(conn: Connection, at: datetime) -> list[Named]:
    """Which partners had a valid contact of which level just before `at`."""
    rows = await conn.fetch(
        """
        select distinct partner, level
        from (select distinct on (entity) partner, level, ended from view.directory_event
              where level is not null and at < $1 order by entity, seq desc) as last
        where not ended
        """,
        at,
    )
    return [Named(PartnerSlug(row["partner"]), row["level"]) for row in rows]


async def trainings_attended(conn: Connection, year: int) -> int:
    """How many trainings that ended in a year somebody attended, by the last that was said of each."""
    trainings: int = await conn.fetchval(
        """
        select count(*)
        from (select distinct on (entity) ended, at from view.directory_event
              where type = $1 order by entity, seq desc) as last
        where not ended and extract(year from at at time zone 'Europe/Berlin') = $2
        """,
        TrainingAttended.event_type,
        year,
    )
    return trainings
