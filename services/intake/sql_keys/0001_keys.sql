-- The data keys of the vault, one a person, wrapped by the operator's key. Deleting a row erases the person for good.

create schema vault;

create table vault.data_key (
    key_id  uuid primary key,
    version smallint    not null,
    nonce   bytea       not null,
    wrapped bytea       not null,
    made_at timestamptz not null default clock_timestamp()
);
