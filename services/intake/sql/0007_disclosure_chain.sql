-- The disclosure log as one hash chain per recipient (a partner's slug).

-- A row without a number is not in its chain yet: written before this migration, or by a process older than it. A job
-- takes it in. What a chained row says is what its recipient may read, in the recipient's own references; consent_ids,
-- which lead to a person, are only in rows that still wait.
alter table intake.disclosure
    alter column referral_id drop not null,
    alter column case_ref drop not null,
    alter column to_unit drop not null,
    alter column fetched_by drop not null,
    alter column consent_ids drop not null,
    add column kind          text not null default 'earlier',
    add column recipient     text,
    add column number        bigint,
    add column consent_refs  text[],
    add column epoch         bigint,
    add column previous_hash bytea,
    add column row_hash      bytea,
    add check (kind in ('disclosed', 'earlier', 'adopted', 'restored')),
    add check (num_nulls(recipient, number, consent_refs, previous_hash, row_hash) in (0, 5)),
    add check ((number is null) = (consent_ids is not null)),
    add check ((kind = 'restored') = (epoch is not null)),
    add check (num_nulls(referral_id, case_ref, to_unit, fetched_by) = case when kind = 'restored' then 4 else 0 end);
update intake.disclosure set kind = 'adopted' where fetched_by = 'unknown since a restore';

create unique index disclosure_chain on intake.disclosure (recipient, number);
create index disclosure_waits_for_chain on intake.disclosure (disclosed_at, disclosure_id) where number is null;
create unique index disclosure_restored on intake.disclosure (recipient, epoch) where kind = 'restored';

-- Where each chain ends. Rewritten with every disclosure, so its pages keep room for new versions of the row.
create table intake.disclosure_head (
    recipient text primary key,
    number    bigint not null default 0,
    hash      bytea  not null default decode(repeat('00', 32), 'hex')
) with (fillfactor = 20);

create table intake.signing_key (
    key_id        text primary key,
    public_key    bytea       not null,
    first_used_at timestamptz not null,
    last_used_at  timestamptz not null
);

create table intake.signed_head (
    recipient text   not null,
    day       date   not null,
    number    bigint not null,
    hash      bytea  not null,
    key_id    text   not null references intake.signing_key,
    signature bytea  not null,
    primary key (recipient, day)
);

-- Rows on their way into their chain, within one transaction: never a row here when it has ended, so nothing to log.
-- before, after: the row's canonical JSON up to its number and from behind its previous_hash; the two stand side by side.
create unlogged table intake.disclosure_draft (
    disclosure_id   uuid primary key,
    before          text        not null,
    after           text        not null,
    recipient       text        not null,
    kind            text        not null,
    disclosed_at    timestamptz not null,
    referral_id     uuid,
    case_ref        text,
    to_unit         text,
    fetched_by      text,
    consent_refs    text[]      not null,
    data_categories text[]      not null,
    epoch           bigint
);

-- Everybody who discloses to the same recipient waits for the head, so it is locked as late and for as short a time as
-- can be: when the transaction commits, with no way to the service and back in between, and after all other locks.
-- plpgsql so that what was waited for is seen (see the chassis's lock_keys).
create function intake.chain_draft() returns trigger language plpgsql as
$$
declare
    last intake.disclosure_head;
    place bigint;
    hashed bytea;
begin
    select * into last from intake.disclosure_head where recipient = new.recipient for update;
    if not found then
        insert into intake.disclosure_head (recipient) values (new.recipient) on conflict do nothing;
        select * into strict last from intake.disclosure_head where recipient = new.recipient for update;
    end if;
    place := last.number + 1;
    hashed := sha256(convert_to(
        new.before || '"number":' || place || ',"previous_hash":"' || encode(last.hash, 'hex') || '"' || new.after,
        'UTF8'
    ));
    insert into intake.disclosure (disclosure_id, disclosed_at, referral_id, case_ref, to_unit, fetched_by, consent_refs,
                                   data_categories, kind, epoch, recipient, number, previous_hash, row_hash)
    values (new.disclosure_id, new.disclosed_at, new.referral_id, new.case_ref, new.to_unit, new.fetched_by,
            new.consent_refs, new.data_categories, new.kind, new.epoch, new.recipient, place, last.hash, hashed);
    update intake.disclosure_head set number = place, hash = hashed where recipient = new.recipient;
    delete from intake.disclosure_draft where disclosure_id = new.disclosure_id;
    return null;
end
$$;

create constraint trigger disclosure_draft_chains after insert on intake.disclosure_draft
    deferrable initially deferred for each row execute function intake.chain_draft();
