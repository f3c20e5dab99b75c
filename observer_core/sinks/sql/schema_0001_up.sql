-- Revision 0001. Fixed-width columns come first, widest first, so that no row carries padding.

CREATE TABLE pattern_records (
    received_ns         int8        NOT NULL,
    seq                 int8        NOT NULL,
    received_at         timestamptz NOT NULL,
    source_time         timestamptz,
    requested_at        timestamptz,
    price               int8,
    volume              int8,
    cumulative_volume   int8,
    cumulative_value    int8,
    open                int8,
    high                int8,
    low                 int8,
    change              int8,
    previous_close      int8,
    base_price          int8,
    ask                 int8,
    bid                 int8,
    ask_size            int8,
    bid_size            int8,
    total_ask_size      int8,
    total_bid_size      int8,
    upper_limit         int8,
    lower_limit         int8,
    expected_price      int8,
    expected_volume     int8,
    vi_reference        int8,
    day                 date        NOT NULL,
    epoch               int4        NOT NULL,
    schema_version      int2        NOT NULL,
    halted              bool,
    shard               text        NOT NULL,
    track               text        NOT NULL,
    kind                text        NOT NULL,
    symbol              text        NOT NULL,
    side                text,
    session_code        text,
    operation_code      text,
    venue_code          text,
    quality             text        NOT NULL,
    source              text        NOT NULL,
    session_id          text        NOT NULL,
    reasons             text[]      NOT NULL,
    asks                int8[],
    bids                int8[],
    ask_sizes           int8[],
    bid_sizes           int8[],
    payload_raw         jsonb,
    PRIMARY KEY (day, shard, epoch, seq)
) PARTITION BY RANGE (day);

CREATE INDEX pattern_records_symbol_time ON pattern_records (symbol, received_at);

COMMENT ON TABLE pattern_records IS 'Observations: one row per trade, quote or book; daily partitions made by the writer';
COMMENT ON COLUMN pattern_records.received_ns IS 'Receive time, nanoseconds since 1970 UTC; received_at is the same in microseconds';
COMMENT ON COLUMN pattern_records.day IS 'Korean calendar day of the receive time';
COMMENT ON COLUMN pattern_records.payload_raw IS 'The payload as received, as one JSON string; NULL when raw payloads are not kept';

CREATE TABLE ingest_errors (
    received_ns     int8        NOT NULL,
    seq             int8        NOT NULL,
    received_at     timestamptz NOT NULL,
    day             date        NOT NULL,
    epoch           int4        NOT NULL,
    schema_version  int2        NOT NULL,
    shard           text        NOT NULL,
    track           text        NOT NULL,
    stage           text        NOT NULL,
    symbol          text,
    source          text        NOT NULL,
    session_id      text        NOT NULL,
    reasons         text[]      NOT NULL,
    payload_raw     jsonb       NOT NULL,
    PRIMARY KEY (day, shard, epoch, seq)
);

CREATE TABLE usage_metrics (
    minute_at           timestamptz NOT NULL,
    seq                 int8        NOT NULL,
    records             int8        NOT NULL,
    errors              int8        NOT NULL,
    cpu_ms              int8        NOT NULL,
    memory_bytes        int8        NOT NULL,
    disk_written_bytes  int8        NOT NULL,
    calls               int8        NOT NULL,
    day                 date        NOT NULL,
    epoch               int4        NOT NULL,
    shard               text        NOT NULL,
    process             text        NOT NULL,
    PRIMARY KEY (day, shard, epoch, seq)
);

CREATE TABLE events (
    at_ns       int8        NOT NULL,
    seq         int8        NOT NULL,
    at          timestamptz NOT NULL,
    day         date        NOT NULL,
    epoch       int4        NOT NULL,
    shard       text        NOT NULL,
    severity    text        NOT NULL,
    name        text        NOT NULL,
    subject     text        NOT NULL,
    text        text        NOT NULL,
    PRIMARY KEY (day, shard, epoch, seq)
);

-- Severity of a gap by its length; for an open gap pass the present instant as its end.
CREATE FUNCTION gap_severity(from_ns int8, until_ns int8) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN CASE
        WHEN until_ns - from_ns >= 300000000000 THEN 'critical'
        WHEN until_ns - from_ns >= 60000000000 THEN 'major'
        WHEN until_ns - from_ns >= 10000000000 THEN 'minor'
        ELSE 'brief'
    END;

CREATE TABLE gaps (
    from_ns         int8        NOT NULL,
    until_ns        int8,
    opened_ns       int8        NOT NULL,
    from_at         timestamptz NOT NULL,
    until_at        timestamptz,
    seq             int8        NOT NULL,
    missed_volume   int8,
    missed_records  int8,
    day             date        NOT NULL,
    epoch           int4        NOT NULL,
    gap_id          text        PRIMARY KEY,
    shard           text        NOT NULL,
    track           text        NOT NULL,
    reason          text        NOT NULL,
    detail          text        NOT NULL,
    severity        text        GENERATED ALWAYS AS (gap_severity(from_ns, until_ns)) STORED,
    symbols         text[]      NOT NULL
);

CREATE INDEX gaps_day ON gaps (day, track);

COMMENT ON TABLE gaps IS 'Missing observations; a gap is sent again with the same id when it closes';
COMMENT ON COLUMN gaps.seq IS 'Number, within (shard, epoch), of the latest record that told about this gap';
COMMENT ON COLUMN gaps.severity IS 'NULL while the gap is open';

CREATE TABLE overflow_ledger (
    at_ns   int8                NOT NULL,
    seq     int8                NOT NULL,
    at      timestamptz         NOT NULL,
    score   double precision    NOT NULL,
    day     date                NOT NULL,
    epoch   int4                NOT NULL,
    shard   text                NOT NULL,
    symbol  text                NOT NULL,
    trigger text                NOT NULL,
    state   jsonb               NOT NULL,
    PRIMARY KEY (day, shard, epoch, seq)
);

COMMENT ON TABLE overflow_ledger IS 'Candidates for a tick slot that did not get one';

CREATE TABLE bars_1m (
    start_at    timestamptz NOT NULL,
    open        int8        NOT NULL,
    high        int8        NOT NULL,
    low         int8        NOT NULL,
    close       int8        NOT NULL,
    volume      int8        NOT NULL,
    value       int8,
    records     int4        NOT NULL,
    coverage    real,
    day         date        NOT NULL,
    symbol      text        NOT NULL,
    PRIMARY KEY (day, symbol, start_at)
);

COMMENT ON TABLE bars_1m IS 'One-minute bars from trades; coverage = traded volume seen / volume the exchange reported';

CREATE TABLE bars_10m (
    start_at    timestamptz NOT NULL,
    open        int8        NOT NULL,
    high        int8        NOT NULL,
    low         int8        NOT NULL,
    close       int8        NOT NULL,
    volume      int8        NOT NULL,
    value       int8,
    records     int4        NOT NULL,
    coverage    real,
    day         date        NOT NULL,
    symbol      text        NOT NULL,
    PRIMARY KEY (day, symbol, start_at)
);

COMMENT ON TABLE bars_10m IS 'Ten-minute bars from sweeps; coverage = observations seen / observations expected';

CREATE TABLE observer_offset (
    seq         int8        NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    epoch       int4        NOT NULL,
    sink        text        NOT NULL,
    shard       text        NOT NULL,
    PRIMARY KEY (sink, shard)
) WITH (fillfactor = 20);

COMMENT ON TABLE observer_offset IS 'Last record of each shard that is durable here; written in the transaction of the rows';
