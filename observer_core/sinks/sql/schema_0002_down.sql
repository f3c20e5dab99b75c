DROP INDEX overflow_ledger_symbol;
ALTER TABLE overflow_ledger DROP COLUMN appkey, DROP COLUMN reason;
