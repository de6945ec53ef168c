"""Count what comes of deliveries, and let a mailing pin what it pauses at.

What was recorded before is counted from the attempts that are there; mailings of before have no
limits and no canary.

Revision: 0011; follows 0010; made 2026-11-26.
"""

import sqlalchemy as sa
from alembic import op

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
#: A refusal that was a deferral first grew too old; 5.7.x is policy, 5.1.x and 5.2.x the address.
_COUNT = """
INSERT INTO outcome_count (mailing_id, relay, domain_class, ending, reason, deliveries)
SELECT mailing_id, relay, domain_class, ending, reason, count(*) FROM (
    SELECT delivery.mailing_id, attempt.relay, coalesce(supporter.domain_class, 'other')
            AS domain_class,
        CASE WHEN attempt.outcome = 'deferred' AND delivery.state = 'refused'
            AND attempt.number = delivery.attempts THEN 'refused' ELSE attempt.outcome END AS ending,
        CASE WHEN attempt.outcome = 'deferred' AND delivery.state = 'refused'
                AND attempt.number = delivery.attempts THEN 'gave_up'
            WHEN attempt.outcome != 'refused' THEN ''
            WHEN attempt.enhanced_code LIKE '5.7.%' THEN 'spam'
            WHEN attempt.enhanced_code LIKE '5.1.%' OR attempt.enhanced_code LIKE '5.2.%'
                THEN 'address'
            ELSE 'other' END AS reason
    FROM attempt JOIN delivery ON delivery.id = attempt.delivery_id
    LEFT JOIN supporter ON supporter.id = delivery.supporter_id
) AS found
GROUP BY mailing_id, relay, domain_class, ending, reason
"""


def upgrade() -> None:
    """Make the change."""
    op.create_table('outcome_count',
    sa.Column('mailing_id', _ID, nullable=False),
    sa.Column('relay', sa.String(length=60), nullable=False),
    sa.Column('domain_class', sa.String(length=20), nullable=False),
    sa.Column('ending', sa.String(length=40), nullable=False),
    sa.Column('reason', sa.String(length=40), nullable=False),
    sa.Column('deliveries', sa.Integer(), server_default='0', nullable=False),
    sa.ForeignKeyConstraint(['mailing_id'], ['mailing.id'], name=op.f('fk_outcome_count_mailing_id')),
    sa.PrimaryKeyConstraint('mailing_id', 'relay', 'domain_class', 'ending', 'reason',
        name=op.f('pk_outcome_count'))
    )
    for column in (
        sa.Column('canary', sa.Integer(), server_default='0', nullable=False),
        sa.Column('canary_tried_at', sa.BigInteger(), nullable=True),
        sa.Column('canary_passed_at', sa.BigInteger(), nullable=True),
        sa.Column('limits', sa.Text(), nullable=True),
        sa.Column('judged_from', sa.Text(), nullable=True),
        sa.Column('pause_reason', sa.String(length=200), server_default='', nullable=False),
    ):
        op.add_column('mailing', column)
    op.execute(_COUNT)


def downgrade() -> None:
    """Take the change back; the counts are dropped."""
    for name in ('pause_reason', 'judged_from', 'limits', 'canary_passed_at', 'canary_tried_at',
                 'canary'):
        op.drop_column('mailing', name)
    op.drop_table('outcome_count')
