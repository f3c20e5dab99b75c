"""Alembic environment and revisions of the Postgres schema; imported by short-lived database commands only."""
