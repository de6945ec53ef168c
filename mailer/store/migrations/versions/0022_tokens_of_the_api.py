"""Tokens by which other programs use the API, and what they asked for under a key.

Revision: 0022; follows 0021; made 2026-11-26.
"""

import sqlalchemy as sa
from alembic import op

revision = '0022'
down_revision = '0021'
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
_INSTANT = sa.BigInteger()


def upgrade() -> None:
    """Make the change."""
    op.create_table('api_token',
    sa.Column('id', _ID, sa.Identity(always=False), nullable=False),
    sa.Column('name', sa.String(length=40), nullable=False),
    sa.Column('purposes', sa.Text(), nullable=False),
    sa.Column('token_digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('made_by', sa.String(length=100), nullable=False),
    sa.Column('made_at', _INSTANT, nullable=False),
    sa.Column('expires_at', _INSTANT, nullable=False),
    sa.Column('last_used_at', _INSTANT, nullable=True),
    sa.Column('revoked_at', _INSTANT, nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_api_token')),
    sa.UniqueConstraint('name', name=op.f('uq_api_token_name')),
    sa.UniqueConstraint('token_digest', name=op.f('uq_api_token_token_digest')),
    sqlite_autoincrement=True
    )
    op.create_table('api_request',
    sa.Column('id', _ID, sa.Identity(always=False), nullable=False),
    sa.Column('token_id', _ID, nullable=False),
    sa.Column('key_digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('request_digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('begun_at', _INSTANT, nullable=False),
    sa.Column('status', sa.Integer(), nullable=True),
    sa.Column('answer', sa.Text(), nullable=True),
    sa.ForeignKeyConstraint(['token_id'], ['api_token.id'], name=op.f('fk_api_request_token_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_api_request')),
    sa.UniqueConstraint('token_id', 'key_digest', name=op.f('uq_api_request_token_id_key_digest')),
    sqlite_autoincrement=True
    )
    op.create_index('ix_api_request_begun_at', 'api_request', ['begun_at'])


def downgrade() -> None:
    """Take the change back; every token is dropped."""
    op.drop_table('api_request')
    op.drop_table('api_token')
