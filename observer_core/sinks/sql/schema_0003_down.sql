COMMENT ON TABLE bars_1m IS 'One-minute bars from trades; coverage = traded volume seen / volume the exchange reported';
COMMENT ON COLUMN bars_1m.day IS NULL;
DROP INDEX bars_1m_open;
ALTER TABLE bars_1m
    DROP COLUMN final,
    DROP COLUMN last_ns,
    DROP COLUMN first_ns,
    DROP COLUMN until_value,
    DROP COLUMN from_value,
    DROP COLUMN until_volume,
    DROP COLUMN from_volume,
    ALTER COLUMN coverage TYPE real;

COMMENT ON TABLE bars_10m IS 'Ten-minute bars from sweeps; coverage = observations seen / observations expected';
COMMENT ON COLUMN bars_10m.day IS NULL;
DROP INDEX bars_10m_open;
ALTER TABLE bars_10m
    DROP COLUMN final,
    DROP COLUMN last_ns,
    DROP COLUMN first_ns,
    DROP COLUMN until_value,
    DROP COLUMN from_value,
    DROP COLUMN until_volume,
    DROP COLUMN from_volume,
    ALTER COLUMN coverage TYPE real;
