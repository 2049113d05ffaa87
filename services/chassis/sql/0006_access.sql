-- Who was shown what over HTTP, in the partner's own references: kept for 90 days, then forgotten by a job.
create table chassis.access (
    at      timestamptz not null,
    unit    text        not null,
    subject text        not null,
    action  text        not null,
    refs    text[]      not null
);
create index access_at on chassis.access (at);
