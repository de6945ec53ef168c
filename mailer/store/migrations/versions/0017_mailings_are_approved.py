"""Votes on mailings, links for reviewers, and who made a mailing.

Revision: 0017; follows 0016; made 2026-11-26.
"""

import sqlalchemy as sa
from alembic import op

revision = '0017'
down_revision = '0016'
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    """Make the change."""
    op.create_table('approval',
    sa.Column('id', _ID, sa.Identity(always=False), nullable=False),
    sa.Column('mailing_id', _ID, nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('language', sa.String(length=40), nullable=False),
    sa.Column('vote', sa.String(length=40), nullable=False),
    sa.Column('comment', sa.Text(), server_default='', nullable=False),
    sa.Column('actor_kind', sa.String(length=40), nullable=False),
    sa.Column('actor_name', sa.String(length=80), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(
        ['mailing_id'], ['mailing.id'], name=op.f('fk_approval_mailing_id')
    ),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_approval')),
    sqlite_autoincrement=True
    )
    op.create_index('ix_approval_mailing_id', 'approval', ['mailing_id'])
    op.create_table('review_link',
    sa.Column('id', _ID, sa.Identity(always=False), nullable=False),
    sa.Column('mailing_id', _ID, nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('language', sa.String(length=40), nullable=False),
    sa.Column('reviewer', sa.String(length=80), nullable=False),
    sa.Column('token_digest', sa.LargeBinary(length=16), nullable=False),
    sa.Column('made_by', sa.String(length=80), nullable=False),
    sa.Column('made_at', sa.BigInteger(), nullable=False),
    sa.Column('expires_at', sa.BigInteger(), nullable=False),
    sa.Column('ended_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(
        ['mailing_id'], ['mailing.id'], name=op.f('fk_review_link_mailing_id')
    ),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_review_link')),
    sa.UniqueConstraint('token_digest', name=op.f('uq_review_link_token_digest')),
    sqlite_autoincrement=True
    )
    op.create_index('ix_review_link_mailing_id', 'review_link', ['mailing_id'])
    op.add_column(
        'mailing', sa.Column('made_by', sa.String(length=80), server_default='', nullable=False)
    )
    op.add_column(
        'mailing', sa.Column('asked_by', sa.String(length=80), server_default='', nullable=False)
    )
    op.add_column('mailing', sa.Column('asked_at', sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Take the change back; votes and links are dropped."""
    op.drop_column('mailing', 'asked_at')
    op.drop_column('mailing', 'asked_by')
    op.drop_column('mailing', 'made_by')
    op.drop_table('review_link')
    op.drop_table('approval')
