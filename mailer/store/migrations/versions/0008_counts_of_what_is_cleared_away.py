"""Counts of what is cleared away.

Deliveries and attempts that are older than `[retention]` says are deleted; what a report tells of
them moves into these tables in the same transaction.

Revision: 0008; follows 0007; made 2026-11-26.
"""

import sqlalchemy as sa
from alembic import op

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table('delivery_count',
    sa.Column('mailing_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('list_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('language', sa.String(length=40), nullable=False),
    sa.Column('state', sa.String(length=40), nullable=False),
    sa.Column('skip_reason', sa.String(length=40), nullable=False),
    sa.Column('code', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('enhanced_code', sa.String(length=12), nullable=False),
    sa.Column('deliveries', sa.Integer(), server_default='0', nullable=False),
    sa.Column('memberships', sa.Integer(), server_default='0', nullable=False),
    sa.ForeignKeyConstraint(['mailing_id'], ['mailing.id'], name=op.f('fk_delivery_count_mailing_id')),
    sa.PrimaryKeyConstraint('mailing_id', 'list_id', 'language', 'state', 'skip_reason', 'code',
        'enhanced_code', name=op.f('pk_delivery_count'))
    )
    op.create_table('attempt_count',
    sa.Column('mailing_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('relay', sa.String(length=60), nullable=False),
    sa.Column('outcome', sa.String(length=40), nullable=False),
    sa.Column('attempts', sa.Integer(), server_default='0', nullable=False),
    sa.ForeignKeyConstraint(['mailing_id'], ['mailing.id'], name=op.f('fk_attempt_count_mailing_id')),
    sa.PrimaryKeyConstraint('mailing_id', 'relay', 'outcome', name=op.f('pk_attempt_count'))
    )


def downgrade() -> None:
    """Take the change back; the counts are dropped."""
    op.drop_table('attempt_count')
    op.drop_table('delivery_count')
