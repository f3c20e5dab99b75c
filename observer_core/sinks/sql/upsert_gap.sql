-- A record read again must not reopen a gap that a later record has closed.
INSERT INTO gaps AS known (day, shard, epoch, seq, gap_id, track, reason, symbols, from_ns, from_at, until_ns, until_at,
                           opened_ns, detail, missed_volume, missed_records)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (gap_id) DO UPDATE SET
    day = excluded.day, shard = excluded.shard, epoch = excluded.epoch, seq = excluded.seq, track = excluded.track,
    reason = excluded.reason, symbols = excluded.symbols, from_ns = excluded.from_ns, from_at = excluded.from_at,
    until_ns = excluded.until_ns, until_at = excluded.until_at, opened_ns = excluded.opened_ns,
    detail = excluded.detail, missed_volume = excluded.missed_volume, missed_records = excluded.missed_records
WHERE CASE
    WHEN known.shard = excluded.shard THEN (known.epoch, known.seq) < (excluded.epoch, excluded.seq)
    ELSE known.until_ns IS NULL
END
