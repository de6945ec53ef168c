"""Files of people that staff upload, sealed until they are imported.

Revision: 0020; follows 0019; made 2026-11-26.
"""

import sqlalchemy as sa
from alembic import op

revision = '0020'
down_revision = '0019'
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
_INSTANT = sa.BigInteger()


def upgrade() -> None:
    """Make the change."""
    op.create_table('import_upload',
    sa.Column('id', _ID, autoincrement=False, nullable=False),
    sa.Column('list_key', sa.String(length=80), nullable=False),
    sa.Column('name_sealed', sa.LargeBinary(), nullable=False),
    sa.Column('uploaded_by', sa.String(length=100), nullable=False),
    sa.Column('uploaded_at', _INSTANT, nullable=False),
    sa.Column('state', sa.String(length=40), nullable=False),
    sa.Column('encoding', sa.String(length=40), nullable=False),
    sa.Column('separator', sa.String(length=1), nullable=False),
    sa.Column('lines', sa.Integer(), nullable=False),
    sa.Column('targets', sa.Text(), nullable=True),
    sa.Column('done', sa.Integer(), server_default='0', nullable=False),
    sa.Column('moved_at', _INSTANT, nullable=False),
    sa.Column('result', sa.Text(), nullable=True),
    sa.Column('batch_id', _ID, nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_import_upload'))
    )
    op.create_index('ix_import_upload_uploaded_at', 'import_upload', ['uploaded_at'])
    op.create_table('import_upload_chunk',
    sa.Column('upload_id', _ID, nullable=False),
    sa.Column('number', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('content_sealed', sa.LargeBinary(), nullable=False),
    sa.ForeignKeyConstraint(
        ['upload_id'], ['import_upload.id'], name=op.f('fk_import_upload_chunk_upload_id')
    ),
    sa.PrimaryKeyConstraint('upload_id', 'number', name=op.f('pk_import_upload_chunk'))
    )


def downgrade() -> None:
    """Take the change back; files that wait are gone."""
    op.drop_table('import_upload_chunk')
    op.drop_table('import_upload')
