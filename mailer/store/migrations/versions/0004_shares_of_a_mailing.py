"""Cut mailings into shares by time zone, with windows and quiet days.

Mailings there are have no shares: their deliveries go with them, as before.

Revision: 0004; follows 0003; made 2026-11-26.
"""

import sqlalchemy as sa
from alembic import op

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    counted = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
    op.create_table(
        'mailing_share',
        sa.Column('id', counted, sa.Identity(always=False), nullable=False),
        sa.Column('mailing_id', counted, nullable=False),
        sa.Column('zone', sa.String(length=60), nullable=False),
        sa.Column('due_at', sa.BigInteger(), nullable=False),
        sa.Column('state', sa.String(length=40), nullable=False),
        sa.Column('shuts_at', sa.BigInteger(), nullable=True),
        sa.Column('people', sa.Integer(), nullable=False),
        sa.Column('released_at', sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ['mailing_id'], ['mailing.id'], name=op.f('fk_mailing_share_mailing_id')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_mailing_share')),
        sa.UniqueConstraint('mailing_id', 'zone', name=op.f('uq_mailing_share_mailing_id_zone')),
        sqlite_autoincrement=True,
    )
    op.create_table(
        'mailing_zone',
        sa.Column('mailing_id', counted, nullable=False),
        sa.Column('list_id', counted, nullable=False),
        sa.Column('time_zone', sa.String(length=60), nullable=False),
        sa.Column('share_id', counted, nullable=False),
        sa.ForeignKeyConstraint(
            ['mailing_id'], ['mailing.id'], name=op.f('fk_mailing_zone_mailing_id')
        ),
        sa.ForeignKeyConstraint(
            ['share_id'], ['mailing_share.id'], name=op.f('fk_mailing_zone_share_id')
        ),
        sa.PrimaryKeyConstraint(
            'mailing_id', 'list_id', 'time_zone', name=op.f('pk_mailing_zone')
        ),
    )
    op.add_column('mailing', sa.Column('timing', sa.Text(), nullable=True))
    op.add_column(
        'mailing',
        sa.Column('in_shares', sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.add_column(
        'delivery', sa.Column('share_id', counted, server_default='0', nullable=False)
    )
    op.drop_index('ix_delivery_queue', table_name='delivery')
    op.create_index(
        'ix_delivery_queue', 'delivery', ['state', 'mailing_id', 'share_id', 'next_attempt_at']
    )


def downgrade() -> None:
    """Take the change back; what waits in shares goes as its mailing does."""
    op.drop_index('ix_delivery_queue', table_name='delivery')
    op.create_index('ix_delivery_queue', 'delivery', ['state', 'mailing_id', 'next_attempt_at'])
    op.drop_column('delivery', 'share_id')
    op.drop_column('mailing', 'in_shares')
    op.drop_column('mailing', 'timing')
    op.drop_table('mailing_zone')
    op.drop_table('mailing_share')
