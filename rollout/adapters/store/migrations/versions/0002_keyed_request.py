"""Keyed request."""

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'


def upgrade() -> None:
    op.create_table('keyed_request',
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('body', sa.String(length=64), nullable=False),
    sa.Column('at', sa.Float(), nullable=False),
    sa.Column('owner', sa.String(length=32), nullable=False),
    sa.Column('counter', sa.Integer(), nullable=False),
    sa.Column('status', sa.Integer(), nullable=True),
    sa.Column('kind', sa.Text(), nullable=True),
    sa.Column('answer', sa.LargeBinary(), nullable=True),
    sa.PrimaryKeyConstraint('name')
    )
    with op.batch_alter_table('keyed_request', schema=None) as batch_op:
        batch_op.create_index('keyed_request_by_time', ['at'], unique=False)



def downgrade() -> None:
    with op.batch_alter_table('keyed_request', schema=None) as batch_op:
        batch_op.drop_index('keyed_request_by_time')

    op.drop_table('keyed_request')
