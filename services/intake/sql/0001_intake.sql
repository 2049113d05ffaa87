-- Persons, consents, disclosures. In clear only ids, units, dates and codes; what a person said stands in `sealed`.

create schema intake;

create table intake.person (
    case_id          uuid primary key,
    registered_by    text        not null,
    key_id           uuid        not null unique,
    registered_at    timestamptz not null,
    first_consent_at timestamptz,
    erased_at        timestamptz,
    erasure_reason   text,
    check ((erased_at is null) = (erasure_reason is null))
);
create index person_never_consented on intake.person (registered_at)
    where first_consent_at is null and erased_at is null;

-- One row a data category, each sealed by itself; `version` says how.
create table intake.sealed (
    case_id    uuid     not null references intake.person,
    category   text     not null,
    version    smallint not null,
    nonce      bytea    not null,
    ciphertext bytea    not null,
    primary key (case_id, category)
);

-- Data keys to destroy from `due_at` on. A key that is being made stands here too, until its person is stored:
-- so a key whose person never came is found without comparing two databases.
create table intake.key_to_destroy (
    key_id uuid primary key,
    due_at timestamptz not null
);
create index key_to_destroy_due on intake.key_to_destroy (due_at);

create table intake.consent (
    consent_id      uuid primary key,
    case_id         uuid        not null references intake.person,
    from_unit       text        not null,
    to_unit         text        not null,
    scope           text        not null,
    data_categories text[]      not null,
    given_at        timestamptz not null,
    valid_until     timestamptz not null,
    notice_version  text        not null,
    notice_language text        not null,
    form            text        not null,
    recorded_by     text        not null,
    state           text        not null default 'given' check (state in ('given', 'withdrawn', 'expired')),
    ended_at        timestamptz,
    end_recorded_by text,
    check ((state = 'given') = (ended_at is null))
);
create index consent_case on intake.consent (case_id);
create index consent_valid_until on intake.consent (valid_until) where state = 'given';

-- What the bus said about referrals. No reference to person: a referral may be heard of before its person is back.
create table intake.referral (
    referral_id uuid primary key,
    case_id     uuid not null,
    from_unit   text not null,
    to_unit     text not null,
    state       text not null
);

-- Who fetched what on which consent. The person stands here as the recipient's reference, not as an id in clear.
create table intake.disclosure (
    disclosure_id   uuid primary key,
    disclosed_at    timestamptz not null,
    referral_id     uuid        not null,
    case_ref        text        not null,
    to_unit         text        not null,
    fetched_by      text        not null,
    consent_ids     uuid[]      not null,
    data_categories text[]      not null
);
create index disclosure_referral on intake.disclosure (referral_id);

-- How many people a unit told of the offers; no person.
create table intake.information (
    information_id uuid primary key,
    unit           text        not null,
    language       text        not null,
    month          text        not null,
    count          integer     not null check (count between 1 and 1000),
    counted_at     timestamptz not null
);
