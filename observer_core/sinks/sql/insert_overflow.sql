INSERT INTO overflow_ledger (day, shard, epoch, seq, at_ns, at, symbol, trigger, score, reason, appkey, state)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb)
ON CONFLICT DO NOTHING
