-- What a service needs to go on after its database came back older than the bus.

-- The epoch in which `version` counts, and the place that the first event of this epoch follows.
alter table chassis.key
    add column epoch           bigint not null default 1,
    add column follows_epoch   bigint,
    add column follows_version bigint;

-- `adopting`: reading from the bus what this service said since; `catching-up`: reading what the others said. Null: in order.
alter table chassis.identity
    alter column epoch type bigint,
    -- The history of PostgreSQL's log at the last look at the bus: another one means a failover or a recovery since.
    add column timeline text,
    add column recovery text check (recovery in ('adopting', 'catching-up'));

-- Behind the last record this service sent, per partition. Its own events found beyond are unknown to a restored database.
create table chassis.sent_offset (
    topic       text    not null,
    partition   integer not null,
    next_offset bigint  not null,
    primary key (topic, partition)
);
