-- What a person takes home. A code opens the person's own page together with a PIN; of both only hashes stand here.

create table intake.receipt (
    receipt_id uuid primary key,
    case_id    uuid        not null references intake.person,
    -- SHA-256 of 128 random bits, which nobody can try out; the PIN is short, so it is under argon2id.
    code_hash  bytea unique,
    pin_hash   text,
    language   text        not null,
    made_by    text        not null,
    made_at    timestamptz not null,
    blocked_at timestamptz,
    check (num_nulls(code_hash, pin_hash) in (0, 2))
);
-- One code opens a person's page at a time: a new receipt blocks those before it.
create unique index receipt_in_force on intake.receipt (case_id) where blocked_at is null and code_hash is not null;
create index receipt_case on intake.receipt (case_id);

-- Under which references the recipients' disclosure chains know the person of a receipt: the process that serves the
-- page has none of the keys that references are made with. Goes with the receipt when the person is erased.
create table intake.receipt_reference (
    receipt_id uuid not null references intake.receipt on delete cascade,
    recipient  text not null,
    case_ref   text not null,
    primary key (receipt_id, recipient)
);
create index disclosure_person on intake.disclosure (recipient, case_ref);
