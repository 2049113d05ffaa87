-- What the agreement's duties are counted from. Everything in `view` can be dropped and counted again from the topics.
-- Years are those of the calendar in Koblenz.

create schema view;

-- People told of the services' offers, as the counting units said.
create table view.information (
    year   integer not null,
    unit   text    not null,
    people bigint  not null,
    primary key (year, unit)
);

-- How often something happened; `sender` is the partner it came from and `recipient` the one it went to, each empty
-- where an event names none.
create table view.event_count (
    year      integer not null,
    type      text    not null,
    sender    text    not null,
    recipient text    not null,
    events    bigint  not null,
    primary key (year, type, sender, recipient)
);

-- What the partners published of themselves, in the order of the bus for each offer or contact (`entity`).
create table view.directory_event (
    seq      bigint      generated always as identity,
    event_id uuid        primary key,
    type     text        not null,
    entity   text        not null,
    partner  text        not null,
    level    text,
    ended    boolean     not null,
    at       timestamptz not null
);
create index directory_event_entity on view.directory_event (entity, seq);

-- Which partner was told of which of them; a row may come before the event it speaks of.
create table view.told (
    event_id uuid    not null,
    partner  text    not null,
    year     integer not null,
    primary key (event_id, partner)
);
create index told_year on view.told (year);
