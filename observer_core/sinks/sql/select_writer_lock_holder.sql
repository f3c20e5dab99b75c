SELECT pid FROM pg_locks
WHERE locktype = 'advisory' AND granted AND classid::int8 = %s AND objid::int8 = hashtext(%s)::int8 & 4294967295
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
