-- What operators did by hand to parked keys: who, why, and what came of it. Kept.
create table chassis.operator_act (
    act_id  uuid        primary key,
    at      timestamptz not null,
    author  text        not null,
    act     text        not null check (act in ('retry', 'discard')),
    topic   text        not null,
    key     text,
    reason  text        not null,
    outcome jsonb       not null
);
create index operator_act_at on chassis.operator_act (at, act_id);
