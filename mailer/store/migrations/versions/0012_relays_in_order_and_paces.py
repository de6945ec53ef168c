"""Relays in order, caps by day, rates, and a queue by class of domain.

A relay that fails steps aside for a while, and what it may take on a day and in a second is on
record, so that all sender processes keep to it. Each delivery knows the class of its domain, so that
a slow provider holds up nobody else.

Revision: 0012; follows 0011; made 2026-11-26.
"""

import sqlalchemy as sa
from alembic import op

revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None

_INSTANT = sa.BigInteger()


def upgrade() -> None:
    """Make the change."""
    op.add_column(
        'delivery',
        sa.Column('domain_class', sa.String(length=20), server_default='other', nullable=False)
    )
    # What has ended is claimed no more.
    op.execute(
        "UPDATE delivery SET domain_class = coalesce("
        "(SELECT supporter.domain_class FROM supporter WHERE supporter.id = delivery.supporter_id), "
        "'other') WHERE state IN ('due', 'deferred', 'sending')"
    )
    op.drop_index('ix_delivery_queue', table_name='delivery')
    op.create_index(
        'ix_delivery_queue', 'delivery',
        ['state', 'mailing_id', 'share_id', 'domain_class', 'next_attempt_at']
    )
    op.add_column(
        'relay_contact',
        sa.Column('failures', sa.Integer(), server_default='0', nullable=False)
    )
    op.add_column('relay_contact', sa.Column('aside_until', _INSTANT, nullable=True))
    op.add_column(
        'worker',
        sa.Column('sends_mailings', sa.Boolean(), server_default=sa.true(), nullable=False)
    )
    op.create_table('relay_day',
    sa.Column('relay', sa.String(length=60), nullable=False),
    sa.Column('day', sa.String(length=10), nullable=False),
    sa.Column('claimed', sa.Integer(), server_default='0', nullable=False),
    sa.PrimaryKeyConstraint('relay', 'day', name=op.f('pk_relay_day'))
    )
    op.create_table('pace',
    sa.Column('relay', sa.String(length=60), nullable=False),
    sa.Column('domain_class', sa.String(length=20), nullable=False),
    sa.Column('domain_digest', sa.LargeBinary(length=16), nullable=False),
    sa.Column('tokens', sa.Float(), nullable=True),
    sa.Column('filled_at', _INSTANT, nullable=True),
    sa.Column('base_per_s', sa.Float(), server_default='0', nullable=False),
    sa.Column('halvings', sa.Integer(), server_default='0', nullable=False),
    sa.Column('paused_until', _INSTANT, nullable=True),
    sa.Column('reason', sa.String(length=60), server_default='', nullable=False),
    sa.PrimaryKeyConstraint('relay', 'domain_class', 'domain_digest', name=op.f('pk_pace'))
    )


def downgrade() -> None:
    """Take the change back; the facts about paces and days are dropped."""
    op.drop_table('pace')
    op.drop_table('relay_day')
    op.drop_column('worker', 'sends_mailings')
    op.drop_column('relay_contact', 'aside_until')
    op.drop_column('relay_contact', 'failures')
    op.drop_index('ix_delivery_queue', table_name='delivery')
    op.create_index(
        'ix_delivery_queue', 'delivery',
        ['state', 'mailing_id', 'share_id', 'next_attempt_at']
    )
    op.drop_column('delivery', 'domain_class')
