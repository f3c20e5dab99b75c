SELECT bar.day, bar.symbol, bar.start_at
FROM unnest(%s::date[], %s::text[], %s::timestamptz[]) AS wanted (day, symbol, start_at)
JOIN {table} AS bar USING (day, symbol, start_at)
