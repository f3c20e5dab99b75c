"""Where records end: the JSONL archive and Postgres."""
