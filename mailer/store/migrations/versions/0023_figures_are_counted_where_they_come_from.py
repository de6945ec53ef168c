"""Figures of a mailing are counted in the transactions that change them, those of the past now.

Revision: 0023; follows 0022; made 2026-11-26.
"""

import sqlalchemy as sa
from alembic import op

revision = '0023'
down_revision = '0022'
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
#: What is there, and what was cleared away.
_DELIVERIES = """
INSERT INTO delivery_tally
    (mailing_id, list_id, language, state, skip_reason, code, enhanced_code, deliveries)
SELECT mailing_id, list_id, language, state, skip_reason, code, enhanced_code, sum(deliveries) FROM (
    SELECT mailing_id, list_id, coalesce(language, '') AS language,
        CASE state WHEN 'sending' THEN 'due' ELSE state END AS state,
        CASE state WHEN 'skipped' THEN coalesce(skip_reason, '') ELSE '' END AS skip_reason,
        CASE state WHEN 'refused' THEN coalesce(code, 0) ELSE 0 END AS code,
        CASE state WHEN 'refused' THEN coalesce(enhanced_code, '') ELSE '' END AS enhanced_code,
        count(*) AS deliveries
    FROM delivery GROUP BY 1, 2, 3, 4, 5, 6, 7
    UNION ALL
    SELECT mailing_id, list_id, language, state, skip_reason,
        CASE state WHEN 'refused' THEN code ELSE 0 END,
        CASE state WHEN 'refused' THEN enhanced_code ELSE '' END, deliveries
    FROM delivery_count
) AS found GROUP BY 1, 2, 3, 4, 5, 6, 7
"""
_MEMBERSHIPS = """
UPDATE mailing SET memberships =
    (SELECT count(*) FROM delivery JOIN delivery_list ON delivery_list.delivery_id = delivery.id
        WHERE delivery.mailing_id = mailing.id)
    + coalesce((SELECT sum(delivery_count.memberships) FROM delivery_count
        WHERE delivery_count.mailing_id = mailing.id), 0)
"""
#: Attempts that were cleared away before outcomes were counted.
_ATTEMPTS = """
INSERT INTO outcome_count (mailing_id, relay, domain_class, ending, reason, deliveries)
SELECT mailing_id, relay, 'other', outcome, CASE outcome WHEN 'refused' THEN 'other' ELSE '' END,
    attempts
FROM attempt_count WHERE NOT EXISTS (SELECT 1 FROM outcome_count
    WHERE outcome_count.mailing_id = attempt_count.mailing_id
        AND outcome_count.relay = attempt_count.relay)
"""
#: What a person's word says no relay said.
_ENDS_BY_HOUR = """
INSERT INTO hour_tally (mailing_id, hour, event, happened)
SELECT mailing_id, finished_at / 3600000000, state, count(*) FROM delivery
WHERE state IN ('accepted', 'refused') AND finished_at IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM settlement WHERE settlement.delivery_id = delivery.id
        AND settlement.decision != 'resend')
GROUP BY 1, 2, 3
"""
_LEFT_BY_HOUR = """
INSERT INTO hour_tally (mailing_id, hour, event, happened)
SELECT delivery.mailing_id, unsubscription.at / 3600000000, 'unsubscribed', count(*)
FROM unsubscription JOIN delivery ON delivery.id = unsubscription.delivery_id
WHERE unsubscription.undone_at IS NULL
GROUP BY 1, 2
"""
#: Each delivery once as bounced and once as complained of.
_RETURNED_BY_HOUR = """
INSERT INTO hour_tally (mailing_id, hour, event, happened)
SELECT mailing_id, received_at / 3600000000, event, count(*) FROM (
    SELECT feedback_finding.mailing_id, feedback_event.received_at,
        CASE feedback_finding.kind WHEN 'hard' THEN 'hard_bounce' WHEN 'soft' THEN 'soft_bounce'
            ELSE 'complaint' END AS event,
        row_number() OVER (
            PARTITION BY feedback_finding.delivery_id,
                CASE feedback_finding.kind WHEN 'complaint' THEN 1 ELSE 0 END
            ORDER BY feedback_finding.id) AS place
    FROM feedback_finding JOIN feedback_event ON feedback_event.id = feedback_finding.event_id
    WHERE feedback_finding.kind IN ('hard', 'soft', 'complaint') AND feedback_event.source != 'smtp'
        AND feedback_finding.effect IN ('counted', 'suppressed', 'told_staff')
        AND feedback_finding.mailing_id IS NOT NULL
) AS found WHERE place = 1
GROUP BY 1, 2, 3
"""


def upgrade() -> None:
    """Make the change."""
    op.create_table('delivery_tally',
    sa.Column('mailing_id', _ID, autoincrement=False, nullable=False),
    sa.Column('list_id', _ID, autoincrement=False, nullable=False),
    sa.Column('language', sa.String(length=40), nullable=False),
    sa.Column('state', sa.String(length=40), nullable=False),
    sa.Column('skip_reason', sa.String(length=40), nullable=False),
    sa.Column('code', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('enhanced_code', sa.String(length=12), nullable=False),
    sa.Column('deliveries', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('mailing_id', 'list_id', 'language', 'state', 'skip_reason', 'code',
        'enhanced_code', name=op.f('pk_delivery_tally')),
    sqlite_with_rowid=False
    )
    op.create_table('hour_tally',
    sa.Column('mailing_id', _ID, autoincrement=False, nullable=False),
    sa.Column('hour', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('event', sa.String(length=40), nullable=False),
    sa.Column('happened', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('mailing_id', 'hour', 'event', name=op.f('pk_hour_tally')),
    sqlite_with_rowid=False
    )
    op.add_column('mailing',
        sa.Column('memberships', sa.Integer(), server_default='0', nullable=False))
    for one in (_DELIVERIES, _MEMBERSHIPS, _ATTEMPTS, _ENDS_BY_HOUR, _LEFT_BY_HOUR,
                _RETURNED_BY_HOUR):
        op.execute(one)
    op.drop_table('attempt_count')
    op.drop_table('delivery_count')


def downgrade() -> None:
    """Take the change back; what was cleared away keeps its counts, the hours are dropped."""
    op.create_table('delivery_count',
    sa.Column('mailing_id', _ID, nullable=False),
    sa.Column('list_id', _ID, nullable=False),
    sa.Column('language', sa.String(length=40), nullable=False),
    sa.Column('state', sa.String(length=40), nullable=False),
    sa.Column('skip_reason', sa.String(length=40), nullable=False),
    sa.Column('code', sa.Integer(), nullable=False),
    sa.Column('enhanced_code', sa.String(length=12), nullable=False),
    sa.Column('deliveries', sa.Integer(), server_default='0', nullable=False),
    sa.Column('memberships', sa.Integer(), server_default='0', nullable=False),
    sa.ForeignKeyConstraint(['mailing_id'], ['mailing.id'], name=op.f('fk_delivery_count_mailing_id')),
    sa.PrimaryKeyConstraint('mailing_id', 'list_id', 'language', 'state', 'skip_reason', 'code',
        'enhanced_code', name=op.f('pk_delivery_count'))
    )
    op.create_table('attempt_count',
    sa.Column('mailing_id', _ID, nullable=False),
    sa.Column('relay', sa.String(length=60), nullable=False),
    sa.Column('outcome', sa.String(length=40), nullable=False),
    sa.Column('attempts', sa.Integer(), server_default='0', nullable=False),
    sa.ForeignKeyConstraint(['mailing_id'], ['mailing.id'], name=op.f('fk_attempt_count_mailing_id')),
    sa.PrimaryKeyConstraint('mailing_id', 'relay', 'outcome', name=op.f('pk_attempt_count'))
    )
    op.execute("""
        INSERT INTO delivery_count (mailing_id, list_id, language, state, skip_reason, code,
            enhanced_code, deliveries)
        SELECT mailing_id, list_id, language, state, skip_reason, code, enhanced_code, deliveries
        FROM delivery_tally WHERE deliveries > 0 AND NOT EXISTS (SELECT 1 FROM delivery
            WHERE delivery.mailing_id = delivery_tally.mailing_id)
    """)
    op.drop_column('mailing', 'memberships')
    op.drop_table('hour_tally')
    op.drop_table('delivery_tally')
