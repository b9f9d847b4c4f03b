# SPDX-License-Identifier: Apache-2.0
"""Alembic's entry: runs migrations on the connection that `estiva.db.migrate` gives it, in its transaction."""

from alembic import context

from estiva.db.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a table by copying it
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
