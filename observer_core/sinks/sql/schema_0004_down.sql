DROP TABLE backfill_1m;
