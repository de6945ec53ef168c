"""Service mails, alerts, and how the last meeting with each relay went.

Revision: 0003; follows 0002; made 2026-11-26.
"""

import sqlalchemy as sa
from alembic import op

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    """Make the change."""
    op.create_table('service_mail',
    sa.Column('id', Id, autoincrement=False, nullable=False),
    sa.Column('purpose', sa.String(length=40), nullable=False),
    sa.Column('request', sa.String(length=80), nullable=False),
    sa.Column('address_digest', sa.LargeBinary(length=16), nullable=False),
    sa.Column('address_sealed', sa.LargeBinary(), nullable=False),
    sa.Column('mail_sealed', sa.LargeBinary(), nullable=True),
    sa.Column('facts', sa.Text(), nullable=True),
    sa.Column('relay', sa.String(length=60), nullable=False),
    sa.Column('state', sa.String(length=40), nullable=False),
    sa.Column('attempts', sa.Integer(), server_default='0', nullable=False),
    sa.Column('next_attempt_at', sa.BigInteger(), nullable=True),
    sa.Column('first_attempt_at', sa.BigInteger(), nullable=True),
    sa.Column('claimed_by', sa.String(length=60), nullable=True),
    sa.Column('code', sa.Integer(), nullable=True),
    sa.Column('enhanced_code', sa.String(length=12), nullable=True),
    sa.Column('reply', sa.Text(), nullable=True),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('finished_at', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_service_mail')),
    sa.UniqueConstraint('purpose', 'address_digest', 'request', name=op.f('uq_service_mail_purpose_address_digest_request'))
    )
    with op.batch_alter_table('service_mail', schema=None) as batch_op:
        batch_op.create_index('ix_service_mail_queue', ['state', 'relay', 'next_attempt_at'], unique=False)

    op.create_table('alert',
    sa.Column('id', Id, sa.Identity(always=False), nullable=False),
    sa.Column('kind', sa.String(length=40), nullable=False),
    sa.Column('subject', sa.String(length=140), nullable=False),
    sa.Column('facts', sa.Text(), nullable=False),
    sa.Column('raised_at', sa.BigInteger(), nullable=False),
    sa.Column('resolved_at', sa.BigInteger(), nullable=True),
    sa.Column('mailed_at', sa.BigInteger(), nullable=True),
    sa.Column('commanded_at', sa.BigInteger(), nullable=True),
    sa.Column('command_tries', sa.Integer(), server_default='0', nullable=False),
    sa.Column('command_next_at', sa.BigInteger(), nullable=True),
    sa.Column('command_failure', sa.String(length=200), server_default='', nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_alert')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('alert', schema=None) as batch_op:
        batch_op.create_index('ix_alert_subject', ['kind', 'subject'], unique=False)

    op.create_table('relay_contact',
    sa.Column('relay', sa.String(length=60), nullable=False),
    sa.Column('connected_at', sa.BigInteger(), nullable=True),
    sa.Column('failed_at', sa.BigInteger(), nullable=True),
    sa.Column('failure', sa.String(length=300), server_default='', nullable=False),
    sa.PrimaryKeyConstraint('relay', name=op.f('pk_relay_contact'))
    )


def downgrade() -> None:
    """Take the change back."""
    op.drop_table('relay_contact')
    with op.batch_alter_table('alert', schema=None) as batch_op:
        batch_op.drop_index('ix_alert_subject')

    op.drop_table('alert')
    with op.batch_alter_table('service_mail', schema=None) as batch_op:
        batch_op.drop_index('ix_service_mail_queue')

    op.drop_table('service_mail')
