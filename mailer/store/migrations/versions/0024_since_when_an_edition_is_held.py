"""Whoever finds an edition held reads since when.

Revision: 0024; follows 0023; made 2026-11-27.
"""

import sqlalchemy as sa
from alembic import op

revision = '0024'
down_revision = '0023'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.add_column('edition_lock', sa.Column('since', sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Take the change back."""
    op.drop_column('edition_lock', 'since')
