-- Finding a person again at the counter: keyed hashes of names and year of birth, each unit under a key of its own.
-- Persons who were registered before this migration are not in it until their record is corrected.
create table intake.person_index (
    unit    text  not null,
    token   bytea not null,
    case_id uuid  not null references intake.person,
    primary key (unit, token, case_id)
);
create index person_index_case on intake.person_index (case_id);

-- How often a unit has searched in the present minute.
create table intake.search_count (
    unit     text        primary key,
    minute   timestamptz not null,
    searches integer     not null
);
