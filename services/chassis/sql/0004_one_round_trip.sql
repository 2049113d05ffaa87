-- What every transaction begins with, in one round trip. plpgsql on purpose: each statement of such a function sees
-- what was committed before that statement, not before the function; one plain statement would not see the rows it
-- has just waited for.

-- Lock the rows of these keys until the transaction ends, making those that are missing, and say which are parked.
-- Insert first: the rows that are made and the rows that are locked are each gone through in the same order by
-- everybody, so that two transactions never wait for each other crosswise.
-- Row by row through the primary key, however many there are and whatever PostgreSQL believes of the table: a plan that
-- fits always need not be made anew each time, which would cost more than the locks.
create function chassis.lock_keys(topics text[], keys text[])
    returns table (topic text, key text, parked boolean) language plpgsql set plan_cache_mode = force_generic_plan as
$$
#variable_conflict use_column
begin
    insert into chassis.key (topic, key)
    select wanted.topic, wanted.key from unnest(topics, keys) as wanted (topic, key) order by 1, 2
    on conflict do nothing;
    return query
    select locked.*
    from (select * from unnest(topics, keys) as wanted (topic, key) order by 1, 2) as wanted
    cross join lateral (
        select k.topic, k.key, k.parked_at is not null from chassis.key as k
        where k.topic = wanted.topic and k.key = wanted.key
        for update
    ) as locked;
end
$$;

-- Begin a change: take the Idempotency-Key (if one was sent), lock the keys, read the clock, in this order.
-- A key that was used before locks nothing more: is_repeat, and what is kept of the earlier request.
create function chassis.open_change(
    by_partner text, on_route text, sent_key text, sent_digest bytea, made text[], topics text[], keys text[],
    out moment timestamptz, out is_repeat boolean, out earlier_digest bytea, out earlier_ids text[]
) language plpgsql as
$$
begin
    is_repeat := false;
    if sent_key is not null then
        insert into chassis.idempotency (partner, route, key, digest, ids, created_at)
        values (by_partner, on_route, sent_key, sent_digest, made, chassis.lotse_now())
        on conflict do nothing;
        is_repeat := not found;
    end if;
    if is_repeat then
        select digest, ids into earlier_digest, earlier_ids
        from chassis.idempotency where partner = by_partner and route = on_route and key = sent_key;
    else
        perform chassis.lock_keys(topics, keys);
    end if;
    moment := chassis.lotse_now();
end
$$;
