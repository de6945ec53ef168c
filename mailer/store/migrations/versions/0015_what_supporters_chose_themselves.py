"""Whether somebody chose languages and time zone themselves, so that no file writes over it.

Revision: 0015; follows 0014; made 2026-11-26.
"""

import sqlalchemy as sa
from alembic import op

revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.add_column('supporter', sa.Column('chosen_at', sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Take the change back."""
    op.drop_column('supporter', 'chosen_at')
