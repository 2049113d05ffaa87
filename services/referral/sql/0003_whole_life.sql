-- The whole life of a referral: on hold, failed, expired, entered in error; what goes on from where.
alter table referral.referral
    drop constraint referral_state_check,
    add constraint referral_state_check check (state in (
        'requested', 'received', 'accepted', 'rejected', 'in-progress', 'on-hold', 'completed', 'failed', 'expired',
        'cancelled', 'detached', 'entered-in-error')),
    add column based_on                 uuid,
    add column responsible              text,
    add column first_contact_planned_on date,
    add column accepted_at              timestamptz,
    add column taken_back_reason        text,
    add column hold_reason              text,
    add column review_on                date,
    add column held_from                text,
    add column failure_reason           text,
    add column error_reason             text,
    add column happened_on              date,
    -- Who in the sender's unit has said that it should never have existed (the subject of the token); another confirms.
    add column error_reported_by        text,
    -- Each side's own number of it, for nobody but itself.
    add column sender_number            text,
    add column recipient_number         text,
    drop constraint referral_check,
    add constraint referral_closed_quietly check (
        closed_by_sender_at is null or state in ('completed', 'failed', 'entered-in-error')),
    add constraint referral_held_from_a_state check ((held_from is null) = (state <> 'on-hold'));
create index referral_sender_number on referral.referral (from_unit, sender_number) where sender_number is not null;
create index referral_recipient_number on referral.referral (to_unit, recipient_number)
    where recipient_number is not null;
