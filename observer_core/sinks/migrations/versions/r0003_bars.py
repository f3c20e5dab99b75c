"""What bars need to be kept on line: whether a window is over, and where its volume and time begin and end."""

from alembic import op

from observer_core.sinks.sql.statements import statement

revision = "0003"
down_revision: str | None = "0002"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Add the columns; bars that were there already count as over."""
    op.get_bind().exec_driver_sql(statement("schema_0003_up"))


def downgrade() -> None:
    """Drop the columns; the bars stay."""
    op.get_bind().exec_driver_sql(statement("schema_0003_down"))
