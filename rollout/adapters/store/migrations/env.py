"""Alembic's entry: migrations run on the connection that `migrate` hands over."""

from alembic import context

from rollout.adapters.store.schema import metadata

with context.config.attributes["connection"].begin():
    context.configure(
        connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True
    )
    context.run_migrations()
