-- The directory also holds information material and change notices. `capacity`: whether an offer has places, as its unit
-- last said; null: it never did.
alter table referral.entry
    drop constraint entry_kind_check,
    add constraint entry_kind_check check (kind in ('offer', 'contact', 'material', 'notice')),
    add column capacity jsonb;
