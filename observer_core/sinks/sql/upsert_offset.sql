INSERT INTO observer_offset AS known (sink, shard, epoch, seq, updated_at)
VALUES (%s, %s, %s, %s, now())
ON CONFLICT (sink, shard) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq, updated_at = excluded.updated_at
WHERE (known.epoch, known.seq) < (excluded.epoch, excluded.seq)
