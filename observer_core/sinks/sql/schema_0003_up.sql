-- Revision 0003. Bars are written by the Postgres writer on line and by `observerctl bars rebuild`.

ALTER TABLE bars_1m
    ALTER COLUMN coverage TYPE double precision,
    ADD COLUMN from_volume int8,
    ADD COLUMN until_volume int8,
    ADD COLUMN from_value int8,
    ADD COLUMN until_value int8,
    ADD COLUMN first_ns int8,
    ADD COLUMN last_ns int8,
    ADD COLUMN final bool NOT NULL DEFAULT true;

CREATE INDEX bars_1m_open ON bars_1m (day) WHERE NOT final;

COMMENT ON TABLE bars_1m IS 'One-minute bars from trades; coverage = share of the volume executed that is in the bar, 1 = proved to be all';
COMMENT ON COLUMN bars_1m.day IS 'Korean calendar day of the receive time';
COMMENT ON COLUMN bars_1m.final IS 'False while the window is open: its figures are those of its first records';

ALTER TABLE bars_10m
    ALTER COLUMN coverage TYPE double precision,
    ADD COLUMN from_volume int8,
    ADD COLUMN until_volume int8,
    ADD COLUMN from_value int8,
    ADD COLUMN until_value int8,
    ADD COLUMN first_ns int8,
    ADD COLUMN last_ns int8,
    ADD COLUMN final bool NOT NULL DEFAULT true;

CREATE INDEX bars_10m_open ON bars_10m (day) WHERE NOT final;

COMMENT ON TABLE bars_10m IS 'Ten-minute bars from sweeps; coverage = share of the minutes with an observation';
COMMENT ON COLUMN bars_10m.day IS 'Korean calendar day of the receive time';
COMMENT ON COLUMN bars_10m.final IS 'False while the window is open: its figures are those of its first records';
