-- What a restored notifier found on the bus of its own: who was told of which event under which number (`number`),
-- and what reporting has heard of that (`reported_number`). A row leaves when the ledger has it again.
create table notifier.found (
    event_id        uuid not null,
    partner         text not null,
    number          bigint,
    reported_number bigint,
    primary key (event_id, partner)
);
