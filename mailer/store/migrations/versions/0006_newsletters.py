"""Keep newsletters, their issues, and what each issue tells of.

Revision: 0006; follows 0005; made 2026-11-26.
"""

import sqlalchemy as sa
from alembic import op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def _id(name: str, *parts: object) -> sa.Column:
    kind = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
    return sa.Column(name, kind, *parts, nullable=False)


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        'newsletter',
        _id('id', sa.Identity(always=False)),
        sa.Column('slug', sa.String(length=120), nullable=False),
        sa.Column('document', sa.Text(), nullable=False),
        sa.Column('loaded_at', sa.BigInteger(), nullable=False),
        sa.Column('active_from', sa.BigInteger(), nullable=False),
        sa.Column('stopped_at', sa.BigInteger(), nullable=True),
        sa.Column('turn', sa.Integer(), server_default='0', nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_newsletter')),
        sa.UniqueConstraint('slug', name=op.f('uq_newsletter_slug')),
        sqlite_autoincrement=True,
    )
    op.create_table(
        'newsletter_issue',
        _id('id', sa.Identity(always=False)),
        _id('newsletter_id'),
        sa.Column('number', sa.Integer(), nullable=False),
        sa.Column('occurrence_at', sa.BigInteger(), nullable=True),
        sa.Column('made_at', sa.BigInteger(), nullable=False),
        sa.Column(
            'mailing_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True
        ),
        sa.ForeignKeyConstraint(
            ['mailing_id'], ['mailing.id'], name=op.f('fk_newsletter_issue_mailing_id')
        ),
        sa.ForeignKeyConstraint(
            ['newsletter_id'], ['newsletter.id'], name=op.f('fk_newsletter_issue_newsletter_id')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_newsletter_issue')),
        sa.UniqueConstraint(
            'newsletter_id', 'occurrence_at',
            name=op.f('uq_newsletter_issue_newsletter_id_occurrence_at'),
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        'newsletter_item',
        _id('issue_id'),
        _id('revision_id'),
        sa.ForeignKeyConstraint(
            ['issue_id'], ['newsletter_issue.id'], name=op.f('fk_newsletter_item_issue_id')
        ),
        sa.ForeignKeyConstraint(
            ['revision_id'], ['revision.id'], name=op.f('fk_newsletter_item_revision_id')
        ),
        sa.PrimaryKeyConstraint('issue_id', 'revision_id', name=op.f('pk_newsletter_item')),
    )


def downgrade() -> None:
    """Take the change back; issues that were made stay as mailings."""
    op.drop_table('newsletter_item')
    op.drop_table('newsletter_issue')
    op.drop_table('newsletter')
