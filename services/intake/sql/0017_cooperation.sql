-- Cooperations that are going on, as the bus told of them: a unit that was asked records its own consents by them.
create table intake.cooperation (
    cooperation_id uuid   primary key,
    case_id        uuid   not null,
    units          text[] not null check (cardinality(units) >= 1)
);
create index cooperation_case on intake.cooperation (case_id);
