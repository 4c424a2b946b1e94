"""First schema."""

from alembic import op

from rollout.adapters.store.schema import metadata

revision = "0001"
down_revision = None


def upgrade() -> None:
    metadata.create_all(op.get_bind())
    op.execute("INSERT INTO store_clock (id, at) VALUES (1, 0)")


def downgrade() -> None:
    metadata.drop_all(op.get_bind())
