"""Let a mailing correct another, and remember when a mailing's deliveries were deleted.

Revision: 0005; follows 0004; made 2026-11-26.
"""

import sqlalchemy as sa
from alembic import op

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.add_column('mailing', sa.Column('corrects_id', sa.BigInteger(), nullable=True))
    op.add_column('mailing', sa.Column('deliveries_gone_at', sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Take the change back; what a mailing corrects is forgotten."""
    op.drop_column('mailing', 'deliveries_gone_at')
    op.drop_column('mailing', 'corrects_id')
