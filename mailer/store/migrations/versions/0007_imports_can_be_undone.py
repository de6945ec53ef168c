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
    with op.batch_alter_table('import_batch', schema=None) as batch_op:
        batch_op.add_column(
            sa.Column('can_be_undone', sa.Boolean(), server_default=sa.false(), nullable=False)
        )
        batch_op.add_column(sa.Column('undone_at', sa.BigInteger(), nullable=True))
    with op.batch_alter_table('suppression', schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                'batch_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True
            )
        )
        batch_op.create_index('ix_suppression_batch_id', ['batch_id'])
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
    with op.batch_alter_table('suppression', schema=None) as batch_op:
        batch_op.drop_index('ix_suppression_batch_id')
        batch_op.drop_column('batch_id')
    with op.batch_alter_table('import_batch', schema=None) as batch_op:
        batch_op.drop_column('undone_at')
        batch_op.drop_column('can_be_undone')
