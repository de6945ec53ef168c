"""Keep what an import overwrote, so that it can be undone.

Imports that ran before leave no record of that kind: they cannot be undone, and say so.

Revision: 0007; follows 0006; made 2026-11-26.
"""

import sqlalchemy as sa
from alembic import op

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.add_column(
        'import_batch',
        sa.Column('can_be_undone', sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.add_column('import_batch', sa.Column('undone_at', sa.BigInteger(), nullable=True))
    op.add_column(
        'suppression',
        sa.Column(
            'batch_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True
        )
    )
    op.create_index('ix_suppression_batch_id', 'suppression', ['batch_id'])
    op.create_table(
        'import_change',
        sa.Column('batch_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
        sa.Column(
            'supporter_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False
        ),
        sa.Column('before_sealed', sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ['batch_id'], ['import_batch.id'], name='fk_import_change_batch_id'
        ),
        sa.PrimaryKeyConstraint('batch_id', 'supporter_id', name='pk_import_change'),
    )
    op.create_index('ix_import_change_supporter_id', 'import_change', ['supporter_id'])


def downgrade() -> None:
    """Take the change back; what imports overwrote is dropped."""
    op.drop_table('import_change')
    op.drop_index('ix_suppression_batch_id', table_name='suppression')
    op.drop_column('suppression', 'batch_id')
    op.drop_column('import_batch', 'undone_at')
    op.drop_column('import_batch', 'can_be_undone')
