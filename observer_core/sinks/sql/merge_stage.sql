INSERT INTO pattern_records SELECT * FROM observer_stage ON CONFLICT DO NOTHING
