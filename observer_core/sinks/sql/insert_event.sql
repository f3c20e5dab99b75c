INSERT INTO events (day, shard, epoch, seq, at_ns, at, severity, name, subject, text)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT DO NOTHING
