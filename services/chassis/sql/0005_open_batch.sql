-- What the consumer asks once a batch has been placed, in one round trip; plpgsql for the same reason as `lock_keys`.

-- Lock the keys of a batch, then say which of them are parked, the versions applied of them, and the time.
-- One row, an array for each column of what was found.
create function chassis.open_batch(
    topics text[], keys text[],
    out moment timestamptz, out parked_topics text[], out parked_keys text[],
    out applied_topics text[], out applied_keys text[], out applied_sources text[], out applied_versions bigint[]
) language plpgsql as
$$
begin
    select coalesce(array_agg(l.topic), '{}'), coalesce(array_agg(l.key), '{}')
    into parked_topics, parked_keys
    from chassis.lock_keys(topics, keys) as l where l.parked;

    select coalesce(array_agg(a.topic), '{}'), coalesce(array_agg(a.key), '{}'), coalesce(array_agg(a.source), '{}'),
           coalesce(array_agg(a.version), '{}')
    into applied_topics, applied_keys, applied_sources, applied_versions
    from chassis.applied as a
    join unnest(topics, keys) as wanted (topic, key) on a.topic = wanted.topic and a.key = wanted.key;

    moment := chassis.lotse_now();
end
$$;
