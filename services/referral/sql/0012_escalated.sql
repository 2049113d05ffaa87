-- What a sender waits for in vain, found without looking at what other senders wait for.
create index referral_escalated_sent on referral.referral (from_unit, due_at, referral_id)
    where state = 'requested' and reminded = 'coordinating';
