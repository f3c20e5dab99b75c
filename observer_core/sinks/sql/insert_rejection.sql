INSERT INTO ingest_errors (day, shard, epoch, seq, received_ns, received_at, schema_version, track, stage, symbol,
                           source, session_id, reasons, payload_raw)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, to_jsonb(%s::text))
ON CONFLICT DO NOTHING
