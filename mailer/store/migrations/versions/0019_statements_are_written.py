"""Statements that are being written, and who is writing which edition.

Revision: 0019; follows 0018; made 2026-11-26.
"""

import sqlalchemy as sa
from alembic import op

revision = '0019'
down_revision = '0018'
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
_INSTANT = sa.BigInteger()


def upgrade() -> None:
    """Make the change."""
    op.create_table('working_copy',
    sa.Column('id', _ID, sa.Identity(always=False), nullable=False),
    sa.Column('slug', sa.String(length=120), nullable=False),
    sa.Column('based_on', _ID, nullable=True),
    sa.Column('version', sa.Integer(), server_default='0', nullable=False),
    sa.Column('created_at', _INSTANT, nullable=False),
    sa.Column('created_by', sa.String(length=120), nullable=False),
    sa.Column('updated_at', _INSTANT, nullable=False),
    sa.Column('updated_by', sa.String(length=120), nullable=False),
    sa.ForeignKeyConstraint(['based_on'], ['revision.id'], name=op.f('fk_working_copy_based_on')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_working_copy')),
    sa.UniqueConstraint('slug', name=op.f('uq_working_copy_slug')),
    sqlite_autoincrement=True
    )
    op.create_table('working_file',
    sa.Column('copy_id', _ID, nullable=False),
    sa.Column('name', sa.String(length=120), nullable=False),
    sa.Column('content', sa.LargeBinary(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('saved_at', _INSTANT, nullable=False),
    sa.Column('saved_by', sa.String(length=120), nullable=False),
    sa.ForeignKeyConstraint(['copy_id'], ['working_copy.id'],
                            name=op.f('fk_working_file_copy_id')),
    sa.PrimaryKeyConstraint('copy_id', 'name', name=op.f('pk_working_file'))
    )
    op.create_table('edition_lock',
    sa.Column('copy_id', _ID, nullable=False),
    sa.Column('language', sa.String(length=35), nullable=False),
    sa.Column('user_id', _ID, nullable=False),
    sa.Column('session_id', _ID, nullable=False),
    sa.Column('held_by', sa.String(length=120), nullable=False),
    sa.Column('until', _INSTANT, nullable=False),
    sa.ForeignKeyConstraint(['copy_id'], ['working_copy.id'],
                            name=op.f('fk_edition_lock_copy_id')),
    sa.PrimaryKeyConstraint('copy_id', 'language', name=op.f('pk_edition_lock'))
    )
    op.create_table('working_source',
    sa.Column('copy_id', _ID, nullable=False),
    sa.Column('content_hash', sa.String(length=64), nullable=False),
    sa.Column('content', sa.LargeBinary(), nullable=False),
    sa.Column('marked_at', _INSTANT, nullable=False),
    sa.ForeignKeyConstraint(['copy_id'], ['working_copy.id'],
                            name=op.f('fk_working_source_copy_id')),
    sa.PrimaryKeyConstraint('copy_id', 'content_hash', name=op.f('pk_working_source'))
    )


def downgrade() -> None:
    """Take the change back; what was not saved as a revision is lost."""
    op.drop_table('working_source')
    op.drop_table('edition_lock')
    op.drop_table('working_file')
    op.drop_table('working_copy')
