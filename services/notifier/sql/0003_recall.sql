-- What partners were asked: what became of what they were told or had fetched, once a consent ended or a person was
-- erased. One row an end and partner; the first answer stays.
create table notifier.recall (
    partner         text        not null,
    event_id        uuid        not null,
    type            text        not null,
    case_id         uuid        not null,
    consent_id      uuid,
    opened_at       timestamptz not null,
    due_at          timestamptz not null,
    acknowledged_at timestamptz,
    action          text,
    primary key (partner, event_id),
    check ((acknowledged_at is null) = (action is null))
);
create index recall_order on notifier.recall (partner, opened_at, event_id);
create index recall_open on notifier.recall (due_at) where acknowledged_at is null;
