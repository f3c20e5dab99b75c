"""The overflow ledger says why a candidate got no slot, and of which appkey."""

from alembic import op

from observer_core.sinks.sql.statements import statement

revision = "0002"
down_revision: str | None = "0001"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Add the columns."""
    op.get_bind().exec_driver_sql(statement("schema_0002_up"))


def downgrade() -> None:
    """Take the columns away with what they hold."""
    op.get_bind().exec_driver_sql(statement("schema_0002_down"))
