-- Which persons are one household, as a unit that referred them says; nobody else's to change, and gone with the person.
create table referral.household (
    unit         text not null,
    case_id      uuid not null,
    household_id uuid not null,
    primary key (unit, case_id)
);
create index household_members on referral.household (household_id);
create index household_case on referral.household (case_id);

-- Whom a participant has named as case lead.
alter table referral.participant add column lead text;

-- Whether a consent names the household among the data that may be told.
alter table referral.consent add column covers_household boolean not null default false;
