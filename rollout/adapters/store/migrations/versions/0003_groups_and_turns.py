"""Groups and turns."""

import sqlalchemy as sa
from alembic import op

revision = '0003'
down_revision = '0002'


def upgrade() -> None:
    with op.batch_alter_table('host', schema=None) as batch_op:
        batch_op.add_column(sa.Column('group', sa.String(length=128), nullable=True))
        batch_op.create_index('host_by_group', ['group'], unique=False)

    with op.batch_alter_table('member', schema=None) as batch_op:
        batch_op.add_column(sa.Column('turn', sa.String(length=63), nullable=True))



def downgrade() -> None:
    with op.batch_alter_table('member', schema=None) as batch_op:
        batch_op.drop_column('turn')

    with op.batch_alter_table('host', schema=None) as batch_op:
        batch_op.drop_index('host_by_group')
        batch_op.drop_column('group')

