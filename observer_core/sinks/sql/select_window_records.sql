-- The records of some windows. By the index on symbol and time of receipt, within the day's partition.
SELECT wanted.number, record.symbol, record.received_ns, record.source_time, record.price, record.volume,
       record.cumulative_volume, record.cumulative_value, record.session_code
FROM unnest(%s::date[], %s::text[], %s::timestamptz[]) WITH ORDINALITY AS wanted (day, symbol, start_at, number)
JOIN pattern_records AS record ON record.day = wanted.day AND record.symbol = wanted.symbol
WHERE record.kind = %s
  AND {time} >= wanted.start_at AND {time} < wanted.start_at + %s::interval
