-- Referrals that a unit prepares and has not sent: its own matter, of which nobody is told. The id becomes the referral's.
create table referral.draft (
    referral_id   uuid        primary key,
    case_id       uuid        not null,
    from_unit     text        not null,
    offer_id      uuid        references referral.entry,
    based_on      uuid,
    sender_number text,
    version       integer     not null check (version >= 1),
    made_at       timestamptz not null
);
create index draft_of_unit on referral.draft (from_unit, referral_id);
create index draft_of_case on referral.draft (case_id);
create index draft_made on referral.draft (made_at);
