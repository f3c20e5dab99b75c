INSERT INTO {table} (day, symbol, start_at, open, high, low, close, volume, value, records, coverage, from_volume,
                     until_volume, from_value, until_value, first_ns, last_ns, final)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (day, symbol, start_at) DO UPDATE SET
    open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close, volume = excluded.volume,
    value = excluded.value, records = excluded.records, coverage = excluded.coverage,
    from_volume = excluded.from_volume, until_volume = excluded.until_volume, from_value = excluded.from_value,
    until_value = excluded.until_value, first_ns = excluded.first_ns, last_ns = excluded.last_ns, final = excluded.final
