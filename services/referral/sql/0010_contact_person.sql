-- Who holds the function that a contact names, with that person's agreement: {"name", "agreed_on"}; null: nobody is named.
-- It is read here alone and never told, so that it is gone when it is taken back.
alter table referral.entry
    add column person jsonb,
    add constraint entry_person check (person is null or kind = 'contact' and withdrawn_at is null);
