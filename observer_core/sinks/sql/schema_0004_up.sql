-- Revision 0004. What the broker says afterwards of minutes in which trades are proved to be missing.

CREATE TABLE backfill_1m (
    received_ns      int8        NOT NULL,
    requested_at     timestamptz NOT NULL,
    start_at         timestamptz NOT NULL,
    seq              int8        NOT NULL,
    open             int8        NOT NULL,
    high             int8        NOT NULL,
    low              int8        NOT NULL,
    close            int8        NOT NULL,
    volume           int8        NOT NULL,
    cumulative_value int8,
    day              date        NOT NULL,
    epoch            int4        NOT NULL,
    shard            text        NOT NULL,
    symbol           text        NOT NULL,
    source           text        NOT NULL,
    endpoint         text        NOT NULL,
    gap_ids          text[]      NOT NULL,
    payload_raw      jsonb,
    PRIMARY KEY (day, shard, epoch, seq)
);

CREATE INDEX backfill_1m_symbol ON backfill_1m (day, symbol, start_at);

COMMENT ON TABLE backfill_1m IS 'Minute bars of the broker for minutes with a proved gap; asked for afterwards, not observed';
COMMENT ON COLUMN backfill_1m.volume IS 'Of the whole minute, what the stream brought of it included';
COMMENT ON COLUMN backfill_1m.cumulative_value IS 'Of the day, at the end of the minute';
