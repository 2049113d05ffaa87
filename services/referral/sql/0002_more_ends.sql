-- A consent may also be revoked, or turn out never to have counted.
alter table referral.consent
    drop constraint consent_state_check,
    add constraint consent_state_check check (state in ('given', 'withdrawn', 'expired', 'revoked', 'invalidated'));
