"""Alembic's entry: runs revisions on the connection that `observer_core.cli.db` hands over.

There is no alembic.ini and no way to run it without a connection: the address of the database is a secret.
"""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=None,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
