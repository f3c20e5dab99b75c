INSERT INTO usage_metrics (day, shard, epoch, seq, process, minute_at, records, errors, cpu_ms, memory_bytes,
                           disk_written_bytes, calls)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT DO NOTHING
