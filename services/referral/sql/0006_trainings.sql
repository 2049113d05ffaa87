-- Trainings and the needs they answer are entries of the directory too; which kinds there are, the code says.
alter table referral.entry
    drop constraint entry_kind_check,
    add constraint entry_kind_check check (kind ~ '^[a-z]+(-[a-z]+)*$');

-- How many people each unit has registered for a training; a unit without any has no row.
create table referral.training_registration (
    training_id uuid    not null references referral.entry,
    unit        text    not null,
    people      integer not null check (people >= 1),
    primary key (training_id, unit)
);

-- How many people of each partner were there, as the offering unit counted them.
create table referral.training_attendance (
    training_id uuid    not null references referral.entry,
    partner     text    not null,
    people      integer not null check (people >= 1),
    primary key (training_id, partner)
);
