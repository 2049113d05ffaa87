-- The tables every service has: the lock and version of each key, what was applied, what waits to be sent.

create schema chassis;

-- Which database this is, so that one restored from an older state is noticed, and the source its events name.
create table chassis.identity (
    only_row          boolean primary key default true check (only_row),
    system_identifier text    not null,
    database_oid      bigint  not null,
    epoch             integer not null check (epoch >= 1),
    source            text    not null
);

-- A test may move the clock; production keeps the one row at zero.
create table chassis.clock (
    only_row boolean  primary key default true check (only_row),
    ahead    interval not null default interval '0'
);
insert into chassis.clock default values;

create function chassis.lotse_now() returns timestamptz language sql volatile as
$$ select clock_timestamp() + ahead from chassis.clock $$;

-- One row a key: the lock that orders everything about it, and the version of this service's last event.
create table chassis.key (
    topic     text   not null,
    key       text   not null,
    version   bigint not null default 0,
    parked_at timestamptz,
    primary key (topic, key)
);
create index key_parked on chassis.key (parked_at) where parked_at is not null;

-- The last version applied from each source: inbox, order check and loss detection in one.
create table chassis.applied (
    topic   text   not null,
    source  text   not null,
    key     text   not null,
    version bigint not null,
    primary key (topic, key, source)
);

-- Where to read on. A first version above 1 is accepted below baseline_until only (a topic trimmed before our first start).
create table chassis.next_offset (
    topic          text    not null,
    partition      integer not null,
    next_offset    bigint  not null,
    baseline_until bigint  not null default 0,
    primary key (topic, partition)
);

-- What could not be applied, and what waits behind it in the order of the bus.
create table chassis.dead_letter (
    topic         text        not null,
    partition     integer     not null,
    record_offset bigint      not null,
    key           text,
    source        text,
    version       bigint,
    type          text,
    code          text        not null,
    reason        text        not null,
    record_key    bytea,
    header_names  text[]      not null,
    header_values bytea[]     not null,
    value         bytea,
    parked_at     timestamptz not null,
    primary key (topic, partition, record_offset)
);
create index dead_letter_key on chassis.dead_letter (topic, key, partition, record_offset);

-- Events that wait for the bus. Rows leave when Kafka has them.
create table chassis.outbox (
    seq        bigint generated always as identity primary key,
    event_id   uuid        not null,
    topic      text        not null,
    key        text        not null,
    headers    text[]      not null,
    value      bytea       not null,
    created_at timestamptz not null default clock_timestamp()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);

-- What an Idempotency-Key answered: ids only, never a body.
create table chassis.idempotency (
    partner    text        not null,
    route      text        not null,
    key        text        not null,
    digest     bytea       not null,
    ids        text[]      not null default '{}',
    created_at timestamptz not null,
    primary key (partner, route, key)
);
create index idempotency_age on chassis.idempotency (created_at);

create table chassis.job (
    name   text primary key,
    due_at timestamptz not null
);
