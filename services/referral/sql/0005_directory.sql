-- The directory also holds information material and change notices.
alter table referral.entry
    drop constraint entry_kind_check,
    add constraint entry_kind_check check (kind in ('offer', 'contact', 'material', 'notice'));
