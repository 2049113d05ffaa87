-- The directory, the referrals, and what is known of the consents they rest on.

create schema referral;

-- One row an offer or contact; `state` is the whole of what its unit publishes.
create table referral.entry (
    entry_id     uuid        primary key,
    kind         text        not null check (kind in ('offer', 'contact')),
    state        jsonb       not null,
    version      integer     not null check (version >= 1),
    published_at timestamptz not null,
    changed_at   timestamptz not null,
    withdrawn_at timestamptz
);
create index entry_kind on referral.entry (kind, entry_id);

-- What the bus said of each consent. An ended one stays ended: its row is the tombstone that an older event finds,
-- also where the consent was ended before it was known (valid_until is null then).
create table referral.consent (
    consent_id  uuid not null primary key,
    case_id     uuid not null,
    from_unit   text not null,
    to_unit     text not null,
    scope       text not null,
    state       text not null check (state in ('given', 'withdrawn', 'expired')),
    valid_until timestamptz,
    check (state <> 'given' or valid_until is not null)
);
create index consent_case on referral.consent (case_id, from_unit, to_unit);

-- Cases whose person is erased: nothing about them is given any more.
create table referral.erased_case (
    case_id   uuid        primary key,
    erased_at timestamptz not null
);

create table referral.referral (
    referral_id      uuid        primary key,
    case_id          uuid        not null,
    consent_id       uuid        not null,
    offer_id         uuid        not null references referral.entry,
    from_unit        text        not null,
    to_unit          text        not null,
    state            text        not null check (state in ('requested', 'received', 'accepted', 'rejected',
                                                           'in-progress', 'completed', 'cancelled', 'detached')),
    version          integer     not null check (version >= 1),
    rejection_reason text,
    first_contact_on date,
    outcome          text,
    end_reason       text,
    requested_at     timestamptz not null,
    changed_at       timestamptz not null,
    -- When a sender that may not know of the completion cancelled: it reads `ended` from then on. The state stays.
    closed_by_sender_at timestamptz check (closed_by_sender_at is null or state = 'completed'),
    -- What the sender was last told after the fact.
    shared_status    text,
    shared_outcome   text
);
create index referral_case on referral.referral (case_id);
create index referral_sent on referral.referral (from_unit, referral_id);
create index referral_received on referral.referral (to_unit, referral_id);
