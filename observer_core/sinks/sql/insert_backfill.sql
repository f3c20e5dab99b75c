INSERT INTO backfill_1m (
    day, shard, epoch, seq, source, endpoint, received_ns, requested_at, start_at, symbol,
    open, high, low, close, volume, cumulative_value, gap_ids, payload_raw
)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, to_jsonb(%s::text))
ON CONFLICT DO NOTHING
