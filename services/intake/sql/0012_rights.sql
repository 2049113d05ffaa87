-- Rights of the person: who was told what, corrections, legal holds, and how long what is kept.

-- What stands on partners' streams about a person's case, as the notifier says: for the person who asks.
create table intake.told (
    event_id uuid        not null,
    partner  text        not null,
    case_id  uuid        not null,
    type     text        not null,
    told_at  timestamptz not null,
    primary key (event_id, partner)
);
create index told_case on intake.told (case_id, told_at);

-- The same for the person's own page.
create view page.told as
select receipt.receipt_id, told.told_at, told.partner, told.type
from intake.told
join intake.receipt using (case_id);

-- As before, and what was told. A role that was let in before is let in again by `lotse apply` or by hand.
create or replace function page.let_in(role text) returns void language plpgsql as
$$
begin
    execute format('grant usage on schema page, intake, chassis to %I', role);
    execute format('grant select on page.receipt, page.fetch, page.told to %I', role);
    execute format('grant select, insert, update, delete on page.attempt to %I', role);
    execute format('grant select, insert, update on intake.consent, chassis.key to %I', role);
    execute format('grant insert on intake.consent_event, chassis.outbox to %I', role);
    execute format('grant select (event_id) on chassis.outbox to %I', role);
    execute format('grant insert, select, update (done_at, done_by) on intake.task to %I', role);
    execute format('grant select on chassis.identity, chassis.clock to %I', role);
end
$$;

-- While one stands, nothing about the person is erased, neither on request nor by the clock.
create table intake.legal_hold (
    hold_id     uuid primary key,
    case_id     uuid        not null references intake.person,
    ground      text        not null,
    set_by      text        not null,
    set_at      timestamptz not null,
    released_by text,
    released_at timestamptz,
    check (num_nulls(released_by, released_at) in (0, 2))
);
create index legal_hold_case on intake.legal_hold (case_id);
create view intake.held as select distinct case_id from intake.legal_hold where released_at is null;

-- version: what If-Match is compared with. correct_again: what a restore found to have been corrected since, and lost.
alter table intake.person
    add column version       integer not null default 1,
    add column correct_again text[]  not null default '{}';

-- When the bus last said something of it. Of those from before, the day of this migration.
alter table intake.referral add column changed_at timestamptz not null default chassis.lotse_now();
create index referral_case on intake.referral (case_id);

create index person_consented on intake.person (first_consent_at)
    where erased_at is null and first_consent_at is not null;
create index person_erased on intake.person (erased_at) where erased_at is not null;
create index consent_ended on intake.consent (ended_at) where ended_at is not null;
