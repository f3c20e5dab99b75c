"""A table for the broker's own minute bars of minutes with a proved gap."""

from alembic import op

from observer_core.sinks.sql.statements import statement

revision = "0004"
down_revision: str | None = "0003"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Make the table."""
    op.get_bind().exec_driver_sql(statement("schema_0004_up"))


def downgrade() -> None:
    """Drop it with what is in it."""
    op.get_bind().exec_driver_sql(statement("schema_0004_down"))
