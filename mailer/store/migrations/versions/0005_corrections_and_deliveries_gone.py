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
    with op.batch_alter_table('mailing', schema=None) as batch_op:
        batch_op.add_column(sa.Column('corrects_id', sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column('deliveries_gone_at', sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Take the change back; what a mailing corrects is forgotten."""
    with op.batch_alter_table('mailing', schema=None) as batch_op:
        batch_op.drop_column('deliveries_gone_at')
        batch_op.drop_column('corrects_id')
