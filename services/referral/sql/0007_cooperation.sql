-- Cooperations on a case: who takes part, on which consents, and what was agreed to do until when.
create table referral.cooperation (
    cooperation_id     uuid        primary key,
    case_id            uuid        not null,
    state              text        not null check (state in ('proposed', 'agreed', 'lapsed', 'ended')),
    proposed_at        timestamptz not null,
    changed_at         timestamptz not null,
    meets_on           date,
    meeting_planned_by text,
    end_reason         text,
    ended_by           text,
    check ((end_reason is null) = (state in ('proposed', 'agreed'))),
    check ((meets_on is null) = (meeting_planned_by is null))
);
create index cooperation_case on referral.cooperation (case_id);
create index cooperation_over on referral.cooperation (changed_at) where state in ('lapsed', 'ended');

-- `place` is the order of the proposal; 0 proposed it. `rests_on`: the consents between the proposer and this unit,
-- there, and once it takes part, back. `responsible`: a function, never told on the bus.
create table referral.participant (
    cooperation_id uuid    not null references referral.cooperation on delete cascade,
    unit           text    not null,
    place          integer not null check (place >= 0),
    state          text    not null check (state in ('asked', 'agreed', 'declined', 'left')),
    responsible    text,
    rests_on       uuid[]  not null,
    primary key (cooperation_id, unit)
);
create index participant_unit on referral.participant (unit, cooperation_id);

create table referral.agreed_step (
    step_id        uuid    primary key,
    cooperation_id uuid    not null references referral.cooperation on delete cascade,
    kind           text    not null,
    done_by        text    not null,
    due_on         date    not null,
    planned_by     text    not null,
    state          text    not null check (state in ('planned', 'done', 'dropped')),
    settled_by     text,
    check ((settled_by is null) = (state = 'planned'))
);
create index agreed_step_cooperation on referral.agreed_step (cooperation_id, step_id);
