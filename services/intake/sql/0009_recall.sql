-- What partners were asked after a consent ended or a person was erased, and what they answered, as the notifier says.
create table intake.recall (
    partner         text        not null,
    event_id        uuid        not null,
    type            text        not null,
    case_id         uuid        not null,
    consent_id      uuid,
    told_at         timestamptz not null,
    due_at          timestamptz not null,
    acknowledged_at timestamptz,
    action          text,
    primary key (partner, event_id)
);
create index recall_case on intake.recall (case_id, told_at);
