-- Under which key a data key is wrapped, so that old and new ones stand side by side. Null: from before; opened by
-- trying the keys that are known, and named by the next rotation.
alter table vault.data_key add column wrapped_by text;
create index data_key_wrapped_by on vault.data_key (wrapped_by, key_id);
