-- Which offers may be open now is found by an index: `open_minutes` holds the minutes of the week (Monday 00:00 is 0) at
-- which any of an offer's hours may hold, whatever their intervals and dates; the service looks at those few for itself.
-- Hours of which nothing can be made, written by newer code, hold at no minute.
create function referral.minutes_of_the_week(schedules jsonb) returns int4multirange
    language sql immutable parallel safe as $$
    select coalesce(range_agg(int4range(weekday.place * 1440 + opens, weekday.place * 1440 + closes)), '{}')
    from jsonb_array_elements(case jsonb_typeof(schedules) when 'array' then schedules else '[]' end) as hours,
        lateral (
            select left(hours ->> 'opens_at', 2)::int * 60 + right(hours ->> 'opens_at', 2)::int as opens,
                left(hours ->> 'closes_at', 2)::int * 60 + right(hours ->> 'closes_at', 2)::int as closes
        ) as times,
        lateral (
            select array_position('{MO,TU,WE,TH,FR,SA,SU}', right(name, 2)) - 1 as place
            from regexp_split_to_table(hours ->> 'byday', ',') as name
        ) as weekday
    where opens < closes and weekday.place is not null
    $$;
alter table referral.entry
    add column open_minutes int4multirange generated always as (referral.minutes_of_the_week(state -> 'schedules')) stored;
create index entry_open on referral.entry using gist (open_minutes) where kind = 'offer' and not isempty(open_minutes);
create index entry_state on referral.entry using gin (state jsonb_path_ops);
create index entry_closed on referral.entry ((state ->> 'unit')) where kind = 'notice' and state ->> 'category' = 'closed';
