"""Who did what, when: entries in a chain, each with the digest of the one before.

Revision: 0016; follows 0015; made 2026-11-26.
"""

import sqlalchemy as sa
from alembic import op

revision = '0016'
down_revision = '0015'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table('audit_entry',
    sa.Column(
        'id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'),
        autoincrement=False, nullable=False
    ),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('actor_kind', sa.String(length=20), nullable=False),
    sa.Column('actor_name', sa.String(length=80), nullable=False),
    sa.Column('action', sa.String(length=40), nullable=False),
    sa.Column('subject', sa.String(length=200), nullable=False),
    sa.Column('facts', sa.Text(), nullable=False),
    sa.Column('previous', sa.String(length=64), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_audit_entry'))
    )
    op.create_index('ix_audit_entry_subject', 'audit_entry', ['subject', 'id'])
    op.create_index('ix_audit_entry_actor_name', 'audit_entry', ['actor_name', 'id'])
    op.create_table('audit_head',
    sa.Column('chain', sa.String(length=20), nullable=False),
    sa.Column(
        'entries', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False
    ),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.PrimaryKeyConstraint('chain', name=op.f('pk_audit_head'))
    )


def downgrade() -> None:
    """Take the change back; the log is dropped."""
    op.drop_table('audit_head')
    op.drop_table('audit_entry')
