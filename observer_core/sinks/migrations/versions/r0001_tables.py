"""Observations, errors, usage, events, gaps, the overflow ledger, bars and the sinks' offsets."""

from alembic import op

from observer_core.sinks.sql.statements import statement

revision = "0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Make the tables."""
    op.get_bind().exec_driver_sql(statement("schema_0001_up"))


def downgrade() -> None:
    """Drop the tables with their rows."""
    op.get_bind().exec_driver_sql(statement("schema_0001_down"))
