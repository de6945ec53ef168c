"""Say of each mailing by which sender it is found, and whether it was a rehearsal.

Before this no relay could be verified, so that whatever was scheduled was for the sandbox, and
stays there. A worker says which relay it hands mail to.

Revision: 0009; follows 0008; made 2026-11-26.
"""

import json

import sqlalchemy as sa
from alembic import op

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.add_column(
        'mailing',
        sa.Column('sender_key', sa.String(length=80), server_default='', nullable=False)
    )
    op.add_column(
        'mailing',
        sa.Column('rehearsal', sa.Boolean(), server_default=sa.true(), nullable=False)
    )
    op.add_column(
        'worker',
        sa.Column('relay', sa.String(length=80), server_default='', nullable=False)
    )
    connection = op.get_bind()
    mailing = sa.table(
        'mailing', sa.column('id', sa.BigInteger()), sa.column('sender', sa.Text()),
        sa.column('sender_key', sa.String()),
    )
    for row in connection.execute(sa.select(mailing.c.id, mailing.c.sender)).all():
        connection.execute(
            mailing.update()
            .where(mailing.c.id == row.id)
            .values(sender_key=json.loads(row.sender).get('key', ''))
        )


def downgrade() -> None:
    """Take the change back."""
    op.drop_column('worker', 'relay')
    op.drop_column('mailing', 'rehearsal')
    op.drop_column('mailing', 'sender_key')
