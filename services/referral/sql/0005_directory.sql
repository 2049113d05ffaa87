-- The directory also holds information material and change notices. `capacity`: whether an offer has places, as its unit
-- last said; null: it never did. `pending_act`: what is to happen to it at the beginning of `effective_on` in Koblenz;
-- `pending_state`: to which state it is to change. One that is still to be published has a `published_at` to come.
-- `assured_on`: when its unit last said that it is right, by saying so or by changing it (null: written by older code, the
-- day of its last change); `reminded_on`: when the unit was asked to say so again, since then.
alter table referral.entry
    drop constraint entry_kind_check,
    add constraint entry_kind_check check (kind in ('offer', 'contact', 'material', 'notice')),
    add column capacity      jsonb,
    add column pending_act   text check (pending_act in ('publish', 'change', 'withdraw')),
    add column pending_state jsonb,
    add column effective_on  date,
    add column assured_on    date,
    add column reminded_on   date,
    add constraint entry_pending check (
        (pending_act is null) = (effective_on is null)
        and (pending_act is not distinct from 'change') = (pending_state is not null));
create index entry_effective on referral.entry (effective_on) where effective_on is not null;
