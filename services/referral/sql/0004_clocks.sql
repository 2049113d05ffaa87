-- What a referral waits for and until when, how often it was put on hold, and what its sender has to do about it.
alter table referral.referral
    -- When the work rested: pairs of moments, the last without an end while it rests.
    add column holds        jsonb       not null default '[]',
    add column clock        text        check (clock in ('answer', 'first-contact', 'review')),
    add column due_at       timestamptz,
    add column escalates_at timestamptz,
    add column expires_at   timestamptz,
    add column is_proposed  boolean     not null default false,
    add column reminded     text        check (reminded in ('operational', 'coordinating')),
    -- Under which terms (the agreement's deadlines, the unit's closures) these moments were reckoned.
    add column terms        text,
    -- When something follows next: a reminder or the expiry.
    add column acts_at      timestamptz,
    add column sender_task  text        check (sender_task in ('waits', 'returned')),
    add constraint referral_clock_of_its_own check (
        clock is not null or num_nonnulls(due_at, escalates_at, expires_at, reminded, terms, acts_at) = 0);

update referral.referral set accepted_at = changed_at where state = 'accepted' and accepted_at is null;
-- What the sender was told is not known here any more: without a word to the contrary it waits.
update referral.referral set sender_task = 'waits'
where state in ('requested', 'received', 'accepted', 'in-progress', 'on-hold') and closed_by_sender_at is null;
update referral.referral set sender_task = 'returned' where state in ('rejected', 'expired');

create index referral_acts_at on referral.referral (acts_at) where acts_at is not null;
create index referral_terms on referral.referral (to_unit, terms)
    where state in ('requested', 'received', 'accepted', 'on-hold');
create index referral_to_do on referral.referral (to_unit, referral_id)
    where state in ('requested', 'received', 'accepted', 'on-hold');
create index referral_sender_task on referral.referral (from_unit, sender_task, referral_id)
    where sender_task is not null;
create index referral_second_person on referral.referral (from_unit, referral_id)
    where error_reported_by is not null and state <> 'entered-in-error';
create index referral_due on referral.referral (to_unit, due_at, referral_id) where due_at is not null;
create index referral_late on referral.referral (to_unit, due_at, referral_id)
    where due_at is not null and clock <> 'review' and not is_proposed;
create index referral_escalated on referral.referral (to_unit, due_at, referral_id) where reminded = 'coordinating';
create index referral_due_sent on referral.referral (from_unit, due_at, referral_id) where state = 'requested';
