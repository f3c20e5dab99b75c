SELECT kind, symbol, received_ns, source_time, price, volume, cumulative_volume, cumulative_value, session_code
FROM pattern_records
WHERE day = %s AND kind IN ('trade', 'quote')
