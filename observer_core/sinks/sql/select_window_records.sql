-- The records of some windows: for each the index on symbol and time of receipt, within the day's partition, whatever
-- the planner believes of a partition that was never analyzed. The bound on the receipt is for that index: no record is
-- received two minutes before its window begins, unless a clock is wrong by as much (`observerctl bars rebuild` mends it).
SELECT wanted.number, found.*
FROM unnest(%s::date[], %s::text[], %s::timestamptz[]) WITH ORDINALITY AS wanted (day, symbol, start_at, number)
CROSS JOIN LATERAL (
    SELECT record.symbol, record.received_ns, record.source_time, record.price, record.volume,
           record.cumulative_volume, record.cumulative_value, record.session_code
    FROM pattern_records AS record
    WHERE record.day = wanted.day
      AND record.symbol = wanted.symbol
      AND record.received_at >= wanted.start_at - interval '2 minutes'
      AND record.kind = %s
      AND {time} >= wanted.start_at
      AND {time} < wanted.start_at + %s::interval
    OFFSET 0
) AS found
