-- What the process that serves the person's own page may see and do. Views run with the rights of their owner.

create schema page;

-- Receipts whose code opens a page: not blocked, of a person whose record is kept.
create view page.receipt as
select receipt.receipt_id, receipt.case_id, receipt.code_hash, receipt.pin_hash, receipt.language
from intake.receipt
join intake.person using (case_id)
where receipt.code_hash is not null and receipt.blocked_at is null and person.erased_at is null
  and (person.first_consent_at is not null or person.registered_at > chassis.lotse_now() - interval '72 hours');

-- Who fetched what of the person of a receipt.
create view page.fetch as
select reference.receipt_id, disclosure.disclosed_at, disclosure.to_unit, disclosure.data_categories
from intake.receipt_reference as reference
join intake.disclosure using (recipient, case_ref)
where disclosure.to_unit is not null;

-- Wrong codes and PINs: by code and by network address, both as keyed hashes.
create table page.attempt (
    subject    bytea primary key,
    wrong      integer     not null,
    wait_until timestamptz not null,
    seen_at    timestamptz not null
);
create index attempt_seen_at on page.attempt (seen_at);

-- Let a role serve the page. It reads no vault and no index of persons, and of receipts and disclosures only the views.
-- Withdrawing is the same command as everywhere, so it writes where that writes: the consent, its events, what units
-- have to do, the lock and version of the case, the outbox.
create function page.let_in(role text) returns void language plpgsql as
$$
begin
    execute format('grant usage on schema page, intake, chassis to %I', role);
    execute format('grant select on page.receipt, page.fetch to %I', role);
    execute format('grant select, insert, update, delete on page.attempt to %I', role);
    execute format('grant select, insert, update on intake.consent, chassis.key to %I', role);
    execute format('grant insert on intake.consent_event, chassis.outbox to %I', role);
    execute format('grant select (event_id) on chassis.outbox to %I', role);
    execute format('grant insert, select, update (done_at, done_by) on intake.task to %I', role);
    execute format('grant select on chassis.identity, chassis.clock to %I', role);
end
$$;
revoke execute on function page.let_in(text) from public;
