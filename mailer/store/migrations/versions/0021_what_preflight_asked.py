"""What the DNS and web servers answered when preflight asked them.

Revision: 0021; follows 0020; made 2026-11-26.
"""

import sqlalchemy as sa
from alembic import op

revision = '0021'
down_revision = '0020'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        'domain_look',
        sa.Column('sender', sa.String(80), nullable=False),
        sa.Column('looked_at', sa.BigInteger(), nullable=False),
        sa.Column('about', sa.String(64), nullable=False),
        sa.Column('findings', sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint('sender', name=op.f('pk_domain_look')),
    )
    op.create_table(
        'link_look',
        sa.Column('digest', sa.LargeBinary(32), nullable=False),
        sa.Column('address', sa.Text(), nullable=False),
        sa.Column('looked_at', sa.BigInteger(), nullable=False),
        sa.Column('answer', sa.String(40), nullable=False),
        sa.Column('status', sa.Integer(), nullable=False, server_default='0'),
        sa.Column('leads_to', sa.Text(), nullable=False, server_default=''),
        sa.PrimaryKeyConstraint('digest', name=op.f('pk_link_look')),
    )


def downgrade() -> None:
    """Take the change back."""
    op.drop_table('link_look')
    op.drop_table('domain_look')
