-- What the notifier knows: consents, erased cases, the partners' streams, and who was told of what.

create schema notifier;

-- One row a consent; `ended` stays true for good. One that ended before we heard of its beginning has no end of validity.
create table notifier.consent (
    consent_id  uuid    primary key,
    case_id     uuid    not null,
    from_unit   text    not null,
    to_unit     text    not null,
    scope       text    not null,
    valid_until timestamptz,
    ended       boolean not null
);
create index consent_case on notifier.consent (case_id);

-- Cases about which nothing but closing events is told any more, whatever arrives late.
create table notifier.erased_case (
    case_id   uuid        primary key,
    erased_at timestamptz not null
);

-- The number the next record of a partner's stream gets; the row is the lock of the stream.
create table notifier.stream (
    partner     text   primary key,
    next_number bigint not null default 1 check (next_number >= 1)
);

-- Who knows of which event: told under a number of its stream, or (without a number) because it acted or fetched.
-- `referral_id` and `consent_id` say what the event spoke of: an end is told to those who know of just that.
create table notifier.told (
    event_id uuid        not null,
    partner  text        not null,
    topic    text        not null,
    key      text        not null,
    type     text        not null,
    number   bigint      check (number >= 1),
    referral_id uuid,
    consent_id  uuid,
    told_at  timestamptz not null,
    primary key (event_id, partner)
);
create index told_key on notifier.told (topic, key);
create unique index told_number on notifier.told (partner, number) where number is not null;
