-- Revision 0002: why a candidate got no slot, and of which appkey.
ALTER TABLE overflow_ledger
    ADD COLUMN reason text NOT NULL DEFAULT '',
    ADD COLUMN appkey int2;

CREATE INDEX overflow_ledger_symbol ON overflow_ledger (day, symbol);

COMMENT ON COLUMN overflow_ledger.reason IS 'Why it got none: no_slot, dwell, lower_score, ...';
COMMENT ON COLUMN overflow_ledger.state IS 'Slots, lowest score held, mitigation level and pressure when it was decided';
