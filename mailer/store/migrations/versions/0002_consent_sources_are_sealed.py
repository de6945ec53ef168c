"""Seal where a consent came from.

What was on record in clear is dropped, not sealed: a migration has no seal.key, and text that
anybody can read who has the database is what this takes away. Basis and day of every consent stay,
so that nobody stops being mailed; whoever needs the old texts copies the column before. SQLite
overwrites what is dropped, once its write-ahead log is back in the database.

Revision: 0002; follows 0001; made 2026-11-25.
"""

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    with op.batch_alter_table('membership', schema=None) as batch_op:
        batch_op.add_column(sa.Column('consent_source_sealed', sa.LargeBinary(), nullable=True))
        batch_op.drop_column('consent_source')


def downgrade() -> None:
    """Take the change back; what is sealed is dropped."""
    with op.batch_alter_table('membership', schema=None) as batch_op:
        batch_op.add_column(
            sa.Column('consent_source', sa.Text(), server_default='', nullable=False)
        )
        batch_op.drop_column('consent_source_sealed')
