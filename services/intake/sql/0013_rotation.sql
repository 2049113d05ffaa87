-- Who began to wrap the data keys anew, when, why, and under which key. Kept; no person in it.
create table intake.rotation (
    rotation_id uuid        primary key,
    at          timestamptz not null,
    author      text        not null,
    reason      text        not null,
    to_key      text        not null
);
create index rotation_at on intake.rotation (at);
