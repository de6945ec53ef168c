"""What a person decides about deliveries in doubt.

Who decided, when, and about which attempt; and when a delivery was sent again, from which on it
counts how long it is tried.

Revision: 0010; follows 0009; made 2026-11-26.
"""

import sqlalchemy as sa
from alembic import op

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.add_column('delivery', sa.Column('resent_at', sa.BigInteger(), nullable=True))
    op.create_table('settlement',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), sa.Identity(),
        nullable=False),
    sa.Column('mailing_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('delivery_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('attempt', sa.Integer(), nullable=False),
    sa.Column('decision', sa.String(length=40), nullable=False),
    sa.Column('decided_at', sa.BigInteger(), nullable=False),
    sa.Column('decided_by', sa.String(length=80), nullable=False),
    sa.ForeignKeyConstraint(['mailing_id'], ['mailing.id'], name=op.f('fk_settlement_mailing_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_settlement')),
    sqlite_autoincrement=True
    )
    op.create_index('ix_settlement_mailing_id', 'settlement', ['mailing_id', 'decision'])


def downgrade() -> None:
    """Take the change back; who decided what is dropped."""
    op.drop_table('settlement')
    op.drop_column('delivery', 'resent_at')
