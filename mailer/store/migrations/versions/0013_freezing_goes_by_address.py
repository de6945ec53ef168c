"""Freezing goes by address digest, not by list and supporter id.

A mailing that is freezing begins again and finds what it has written. No index of deliveries by
supporter is left: a person's deliveries are found by their address.

Revision: 0013; follows 0012; made 2026-11-26.
"""

import sqlalchemy as sa
from alembic import op

revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.add_column('mailing', sa.Column('freeze_after', sa.LargeBinary(length=16), nullable=True))
    op.drop_column('mailing', 'freeze_pass')
    op.drop_column('mailing', 'freeze_position')
    op.drop_column('mailing', 'freeze_next_id')
    op.drop_index('ix_delivery_supporter_id', table_name='delivery')


def downgrade() -> None:
    """Take the change back."""
    op.create_index('ix_delivery_supporter_id', 'delivery', ['supporter_id'])
    op.add_column(
        'mailing',
        sa.Column(
            'freeze_next_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'),
            server_default='0', nullable=False,
        )
    )
    op.add_column(
        'mailing', sa.Column('freeze_position', sa.Integer(), server_default='0', nullable=False)
    )
    op.add_column(
        'mailing', sa.Column('freeze_pass', sa.Integer(), server_default='0', nullable=False)
    )
    op.drop_column('mailing', 'freeze_after')
