"""What comes back, sign-ups, topics, urgent mailings, and what the public pages list.

Revision: 0014; follows 0013; made 2026-11-26.
"""

import sqlalchemy as sa
from alembic import op

revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
_INSTANT = sa.BigInteger()


def upgrade() -> None:
    """Make the change."""
    op.create_table('address_change',
    sa.Column('id', _ID, autoincrement=False, nullable=False),
    sa.Column('supporter_id', _ID, nullable=False),
    sa.Column('address_digest', sa.LargeBinary(length=16), nullable=False),
    sa.Column('address_sealed', sa.LargeBinary(), nullable=False),
    sa.Column('asked_at', _INSTANT, nullable=False),
    sa.Column('confirmed_at', _INSTANT, nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_address_change'))
    )
    op.create_index('ix_address_change_asked_at', 'address_change', ['asked_at'])
    op.create_index('ix_address_change_supporter_id', 'address_change', ['supporter_id'])
    op.create_table('feedback_event',
    sa.Column('id', _ID, sa.Identity(always=False), nullable=False),
    sa.Column('source', sa.String(length=80), nullable=False),
    sa.Column('event_id', sa.String(length=200), nullable=False),
    sa.Column('received_at', _INSTANT, nullable=False),
    sa.Column('raw_box', sa.LargeBinary(), nullable=True),
    sa.Column('processed_at', _INSTANT, nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_feedback_event')),
    sa.UniqueConstraint('source', 'event_id', name=op.f('uq_feedback_event_source_event_id')),
    sqlite_autoincrement=True
    )
    op.create_index('ix_feedback_event_received_at', 'feedback_event', ['received_at'])
    op.create_table('signup',
    sa.Column('id', _ID, autoincrement=False, nullable=False),
    sa.Column('address_digest', sa.LargeBinary(length=16), nullable=False),
    sa.Column('address_sealed', sa.LargeBinary(), nullable=False),
    sa.Column('wish', sa.Text(), nullable=False),
    sa.Column('consent_version', sa.String(length=80), nullable=False),
    sa.Column('asked_at', _INSTANT, nullable=False),
    sa.Column('confirmed_at', _INSTANT, nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_signup'))
    )
    op.create_index('ix_signup_address_digest', 'signup', ['address_digest'])
    op.create_index('ix_signup_asked_at', 'signup', ['asked_at'])
    op.create_table('signup_count',
    sa.Column('address_digest', sa.LargeBinary(length=16), nullable=False),
    sa.Column('sent', sa.Integer(), server_default='0', nullable=False),
    sa.Column('last_sent_at', _INSTANT, nullable=False),
    sa.PrimaryKeyConstraint('address_digest', name=op.f('pk_signup_count'))
    )
    op.create_index('ix_signup_count_sent', 'signup_count', ['sent', 'last_sent_at'])
    op.create_table('feedback_finding',
    sa.Column('id', _ID, sa.Identity(always=False), nullable=False),
    sa.Column('event_id', _ID, nullable=False),
    sa.Column('happened_at', _INSTANT, nullable=False),
    sa.Column('kind', sa.String(length=40), nullable=False),
    sa.Column('reason', sa.String(length=40), nullable=False),
    sa.Column('status', sa.String(length=12), server_default='', nullable=False),
    sa.Column('smtp_code', sa.Integer(), server_default='0', nullable=False),
    sa.Column('diagnostic', sa.Text(), server_default='', nullable=False),
    sa.Column('matched_by', sa.String(length=40), nullable=False),
    sa.Column('delivery_id', _ID, nullable=True),
    sa.Column('service_id', _ID, nullable=True),
    sa.Column('mailing_id', _ID, nullable=True),
    sa.Column('address_digest', sa.LargeBinary(length=16), nullable=True),
    sa.Column('effect', sa.String(length=40), nullable=False),
    sa.ForeignKeyConstraint(['event_id'], ['feedback_event.id'], name=op.f('fk_feedback_finding_event_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_feedback_finding')),
    sqlite_autoincrement=True
    )
    op.create_index('ix_feedback_finding_address_digest', 'feedback_finding', ['address_digest', 'happened_at'])
    op.create_index('ix_feedback_finding_delivery_id', 'feedback_finding', ['delivery_id'])
    op.create_index('ix_feedback_finding_event_id', 'feedback_finding', ['event_id'])
    op.create_index('ix_feedback_finding_mailing_id', 'feedback_finding', ['mailing_id', 'kind'])
    op.create_index('ix_feedback_finding_service_id', 'feedback_finding', ['service_id'])
    op.create_table('merged_supporter',
    sa.Column('gone_id', _ID, autoincrement=False, nullable=False),
    sa.Column('supporter_id', _ID, nullable=False),
    sa.PrimaryKeyConstraint('gone_id', name=op.f('pk_merged_supporter'))
    )
    op.create_index('ix_merged_supporter_supporter_id', 'merged_supporter', ['supporter_id'])
    op.create_table('mailing_topic',
    sa.Column('mailing_id', _ID, nullable=False),
    sa.Column('topic', sa.String(length=60), nullable=False),
    sa.ForeignKeyConstraint(['mailing_id'], ['mailing.id'], name=op.f('fk_mailing_topic_mailing_id')),
    sa.PrimaryKeyConstraint('mailing_id', 'topic', name=op.f('pk_mailing_topic'))
    )
    op.create_table('feedback_count',
    sa.Column('mailing_id', _ID, nullable=False),
    sa.Column('kind', sa.String(length=40), nullable=False),
    sa.Column('reason', sa.String(length=40), nullable=False),
    sa.Column('deliveries', sa.Integer(), server_default='0', nullable=False),
    sa.ForeignKeyConstraint(['mailing_id'], ['mailing.id'], name=op.f('fk_feedback_count_mailing_id')),
    sa.PrimaryKeyConstraint('mailing_id', 'kind', 'reason', name=op.f('pk_feedback_count'))
    )
    op.create_table('membership_topic',
    sa.Column('list_id', _ID, nullable=False),
    sa.Column('supporter_id', _ID, nullable=False),
    sa.Column('topic', sa.String(length=60), nullable=False),
    sa.ForeignKeyConstraint(['list_id'], ['mailing_list.id'], name=op.f('fk_membership_topic_list_id')),
    sa.ForeignKeyConstraint(['supporter_id'], ['supporter.id'], name=op.f('fk_membership_topic_supporter_id')),
    sa.PrimaryKeyConstraint('list_id', 'supporter_id', 'topic', name=op.f('pk_membership_topic'))
    )
    op.create_index('ix_membership_topic_supporter_id', 'membership_topic', ['supporter_id'])
    op.create_index('ix_service_mail_finished_at', 'service_mail', ['finished_at'])
    op.add_column('mailing', sa.Column('urgent', sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column('statement', sa.Column('visibility', sa.String(length=40), server_default='listed', nullable=False))
    op.add_column('statement', sa.Column('visibility_at', _INSTANT, nullable=True))
    op.add_column('statement', sa.Column('corrected_by_id', _ID, nullable=True))
    op.add_column('statement', sa.Column('withdrawal_told', sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column('supporter', sa.Column('text_only', sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    """Take the change back; what came back and who waits to be confirmed is dropped."""
    op.drop_column('supporter', 'text_only')
    op.drop_column('statement', 'withdrawal_told')
    op.drop_column('statement', 'corrected_by_id')
    op.drop_column('statement', 'visibility_at')
    op.drop_column('statement', 'visibility')
    op.drop_column('mailing', 'urgent')
    op.drop_index('ix_service_mail_finished_at', table_name='service_mail')
    op.drop_index('ix_membership_topic_supporter_id', table_name='membership_topic')
    op.drop_table('membership_topic')
    op.drop_table('mailing_topic')
    op.drop_index('ix_merged_supporter_supporter_id', table_name='merged_supporter')
    op.drop_table('merged_supporter')
    op.drop_table('feedback_count')
    op.drop_index('ix_feedback_finding_service_id', table_name='feedback_finding')
    op.drop_index('ix_feedback_finding_mailing_id', table_name='feedback_finding')
    op.drop_index('ix_feedback_finding_event_id', table_name='feedback_finding')
    op.drop_index('ix_feedback_finding_delivery_id', table_name='feedback_finding')
    op.drop_index('ix_feedback_finding_address_digest', table_name='feedback_finding')
    op.drop_table('feedback_finding')
    op.drop_index('ix_signup_count_sent', table_name='signup_count')
    op.drop_table('signup_count')
    op.drop_index('ix_signup_asked_at', table_name='signup')
    op.drop_index('ix_signup_address_digest', table_name='signup')
    op.drop_table('signup')
    op.drop_index('ix_feedback_event_received_at', table_name='feedback_event')
    op.drop_table('feedback_event')
    op.drop_index('ix_address_change_supporter_id', table_name='address_change')
    op.drop_index('ix_address_change_asked_at', table_name='address_change')
    op.drop_table('address_change')
