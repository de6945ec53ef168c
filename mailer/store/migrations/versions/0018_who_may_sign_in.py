"""Who may sign in at the desk: staff, their sessions, codes and links, and tries that failed.

Revision: 0018; follows 0017; made 2026-11-26.
"""

import sqlalchemy as sa
from alembic import op

revision = '0018'
down_revision = '0017'
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
_INSTANT = sa.BigInteger()


def upgrade() -> None:
    """Make the change."""
    op.create_table('sign_in_try',
    sa.Column('name_digest', sa.LargeBinary(length=16), nullable=False),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('last_at', _INSTANT, nullable=False),
    sa.Column('next_at', _INSTANT, nullable=False),
    sa.PrimaryKeyConstraint('name_digest', name=op.f('pk_sign_in_try'))
    )
    op.create_index('ix_sign_in_try_last_at', 'sign_in_try', ['last_at'])
    op.create_table('staff_user',
    sa.Column('id', _ID, sa.Identity(always=False), nullable=False),
    sa.Column('login', sa.String(length=40), nullable=False),
    sa.Column('name', sa.String(length=120), nullable=False),
    sa.Column('roles', sa.Text(), nullable=False),
    sa.Column('languages', sa.Text(), nullable=False),
    sa.Column('desk_language', sa.String(length=35), server_default='', nullable=False),
    sa.Column('password_hash', sa.Text(), server_default='', nullable=False),
    sa.Column('totp_box', sa.LargeBinary(), nullable=True),
    sa.Column('totp_step', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('made_at', _INSTANT, nullable=False),
    sa.Column('confirmed_at', _INSTANT, nullable=True),
    sa.Column('disabled_at', _INSTANT, nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_staff_user')),
    sa.UniqueConstraint('login', name=op.f('uq_staff_user_login')),
    sqlite_autoincrement=True
    )
    op.create_table('staff_invitation',
    sa.Column('id', _ID, sa.Identity(always=False), nullable=False),
    sa.Column('user_id', _ID, nullable=False),
    sa.Column('token_digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('expires_at', _INSTANT, nullable=False),
    sa.Column('password_hash', sa.Text(), server_default='', nullable=False),
    sa.Column('totp_box', sa.LargeBinary(), nullable=True),
    sa.ForeignKeyConstraint(['user_id'], ['staff_user.id'], name=op.f('fk_staff_invitation_user_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_staff_invitation')),
    sa.UniqueConstraint('token_digest', name=op.f('uq_staff_invitation_token_digest')),
    sa.UniqueConstraint('user_id', name=op.f('uq_staff_invitation_user_id')),
    sqlite_autoincrement=True
    )
    op.create_table('staff_recovery_code',
    sa.Column('id', _ID, sa.Identity(always=False), nullable=False),
    sa.Column('user_id', _ID, nullable=False),
    sa.Column('code_digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('used_at', _INSTANT, nullable=True),
    sa.ForeignKeyConstraint(['user_id'], ['staff_user.id'], name=op.f('fk_staff_recovery_code_user_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_staff_recovery_code')),
    sa.UniqueConstraint('user_id', 'code_digest', name=op.f('uq_staff_recovery_code_user_id_code_digest')),
    sqlite_autoincrement=True
    )
    op.create_table('staff_session',
    sa.Column('id', _ID, sa.Identity(always=False), nullable=False),
    sa.Column('user_id', _ID, nullable=False),
    sa.Column('token_digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('started_at', _INSTANT, nullable=False),
    sa.Column('seen_at', _INSTANT, nullable=False),
    sa.Column('browser', sa.String(length=60), server_default='', nullable=False),
    sa.Column('totp_box', sa.LargeBinary(), nullable=True),
    sa.ForeignKeyConstraint(['user_id'], ['staff_user.id'], name=op.f('fk_staff_session_user_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_staff_session')),
    sa.UniqueConstraint('token_digest', name=op.f('uq_staff_session_token_digest')),
    sqlite_autoincrement=True
    )
    op.create_index('ix_staff_session_user_id', 'staff_session', ['user_id'])


def downgrade() -> None:
    """Take the change back."""
    op.drop_table('staff_session')
    op.drop_table('staff_recovery_code')
    op.drop_table('staff_invitation')
    op.drop_table('staff_user')
    op.drop_table('sign_in_try')
