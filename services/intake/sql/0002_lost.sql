-- When a restore found that this person's data is gone for good: the consents are known from the bus, the vault is empty.
alter table intake.person add column lost_at timestamptz;
