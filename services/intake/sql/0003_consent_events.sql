-- Consents to full depth: what happened to each is kept as events that are never changed; `consent` is derived from them.

create table intake.consent_event (
    consent_id           uuid        not null,
    number               integer     not null check (number > 0),
    state                text        not null,
    at                   timestamptz not null,
    -- The unit that the person told, or that acted; null: the clock.
    recorded_by          text,
    valid_until          timestamptz,
    notice_version       text,
    notice_language      text,
    notice_sha256        text,
    form                 text,
    given_by             text,
    age_band             text,
    interpreter_kind     text,
    interpreter_language text,
    file_ref             text,
    channel              text,
    reason               text,
    primary key (consent_id, number)
);

-- Only the retention job, which says so, may take events away; nobody may change one.
create function intake.consent_events_stay() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and current_setting('lotse.retention', true) = 'on' then
        return old;
    end if;
    raise exception 'consent events are never changed' using errcode = 'insufficient_privilege';
end
$$;

create trigger consent_events_stay before update or delete on intake.consent_event
    for each row execute function intake.consent_events_stay();

create trigger consent_events_stay_together before truncate on intake.consent_event
    for each statement execute function intake.consent_events_stay();

alter table intake.consent
    add column notice_sha256        text,
    add column given_by             text not null default 'self',
    add column age_band             text,
    add column interpreter_kind     text,
    add column interpreter_language text,
    add column file_ref             text,
    add column requested_at         timestamptz,
    add column reminded_at          timestamptz,
    add column end_channel          text,
    add column end_reason           text,
    add column events               integer not null default 1,
    alter column given_at drop not null,
    alter column form drop not null,
    drop constraint consent_state_check,
    drop constraint consent_check,
    add constraint consent_state_known check (
        state in ('requested', 'given', 'renewed', 'withdrawn', 'expired', 'revoked', 'invalidated')
    ),
    add constraint consent_is_given_once_answered check ((state = 'requested') = (given_at is null)),
    add constraint consent_ends_for_good check ((state in ('requested', 'given', 'renewed')) = (ended_at is null));

drop index intake.consent_valid_until;
create index consent_valid_until on intake.consent (valid_until) where state in ('given', 'renewed');
create index consent_to_remind on intake.consent (valid_until)
    where state in ('given', 'renewed') and reminded_at is null;
create index consent_requested on intake.consent (requested_at) where state = 'requested';

-- What was recorded before.
insert into intake.consent_event (consent_id, number, state, at, recorded_by, valid_until, notice_version,
                                  notice_language, form, given_by)
select consent_id, 1, 'given', given_at, recorded_by, valid_until, notice_version, notice_language, form, 'self'
from intake.consent;

insert into intake.consent_event (consent_id, number, state, at, recorded_by)
select consent_id, 2, state, ended_at, end_recorded_by from intake.consent where state <> 'given';

update intake.consent set events = 2 where state <> 'given';

-- Refusals, without a person: by unit, and by language apart from the units, so that the two cannot be joined.
create table intake.refusal (
    unit    text    not null,
    month   text    not null,
    count   integer not null check (count > 0),
    told_at timestamptz,
    primary key (unit, month)
);

create table intake.refusal_language (
    month    text    not null,
    language text    not null,
    count    integer not null check (count > 0),
    primary key (month, language)
);

-- What a unit has to do about a consent; no person in it.
create table intake.task (
    task_id    uuid primary key,
    consent_id uuid        not null,
    unit       text        not null,
    kind       text        not null check (kind in ('renew', 'ask-again-at-15', 'destroy-sheet')),
    due_on     date        not null,
    made_at    timestamptz not null,
    done_at    timestamptz,
    done_by    text,
    unique (consent_id, kind, due_on)
);
create index task_open on intake.task (unit, due_on, task_id) where done_at is null;
