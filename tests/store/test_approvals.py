"""Approval of mailings: who may vote, what a vote is for, and what is scheduled without it."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from mailer.app.approving import (
    ChangedSince,
    NotTheirs,
    ask_for_approval,
    end_link,
    make_link,
    review_of,
    reviewed_by,
    take_back,
    vote,
    vote_by_link,
)
from mailer.app.planning import Wish, make_plan
from mailer.app.scheduling import change_draft, make_draft, schedule, schedule_draft
from mailer.model.approval import Vote
from mailer.model.audit import AuditAction
from mailer.model.faults import FaultsFound
from mailer.model.staff import Actor, ActorKind
from mailer.model.states import ForbiddenTransition, MailingState
from mailer.store.tables_approval import review_link
from mailer.store.tables_audit import audit_entry
from tests.support.clocks import FixedClock
from tests.support.drafts import LIST, SLUG, drafting_workspace, wanting

ANA = Actor(ActorKind.STAFF, "ana")
BOHDAN = Actor(ActorKind.STAFF, "bohdan")
CHYNARA = Actor(ActorKind.STAFF, "chynara")
TYPED = Actor(ActorKind.TERMINAL, "root")
EVERY = ("en", "ru")


@pytest.fixture
def clock():
    """A clock that stands."""
    return FixedClock()


@pytest.fixture
def drafting(tmp_path, store, clock):
    """A workspace with a statement in two languages."""
    return drafting_workspace(tmp_path, store, clock)


@pytest.fixture
def workspace(drafting):
    """A workspace with a statement in two languages, in which one approval is wanted."""
    return wanting(drafting, 1)


def asked(workspace, actor=ANA):
    """Return a mailing that waits for approval."""
    plan = make_plan(workspace, Wish(SLUG, (LIST,)))
    made = make_draft(workspace, actor, plan)
    return ask_for_approval(workspace, actor, made.key)


def approve(workspace, key, actor=BOHDAN, languages=EVERY):
    """Approve editions of a mailing as it stands now."""
    seen = review_of(workspace, key).digest
    return vote(workspace, actor, key, seen=seen, languages=languages, given=Vote.APPROVED)


def schedule_now(workspace, key, **options):
    """Schedule a mailing that waits."""
    draft = review_of(workspace, key).mailing
    plan = make_plan(workspace, Wish(SLUG, (LIST,)))
    now = workspace.clock.now()
    return schedule_draft(
        workspace, ANA, plan, draft, due_at=now, time_zone="UTC", grace_s=60, **options
    )


def test_a_mailing_is_approved_when_each_edition_was_read_by_another(workspace):
    """One edition that nobody approved keeps the whole of it waiting."""
    key = asked(workspace).key
    first = approve(workspace, key, languages=["en"])
    assert (MailingState.IN_REVIEW, ("ru",)) == (first.mailing.state, first.standing.missing)
    second = approve(workspace, key, CHYNARA, languages=["ru"])
    assert MailingState.APPROVED is second.mailing.state
    assert MailingState.SCHEDULED is schedule_now(workspace, key).state


def test_as_many_approve_as_are_wanted(drafting):
    """Twice the same person is once."""
    workspace = wanting(drafting, 2)
    key = asked(workspace).key
    assert MailingState.IN_REVIEW is approve(workspace, key).mailing.state
    assert MailingState.IN_REVIEW is approve(workspace, key).mailing.state
    assert MailingState.APPROVED is approve(workspace, key, CHYNARA).mailing.state


def test_who_made_it_or_asked_does_not_approve(workspace):
    """Whoever drafted it, whoever changed it last, and whoever asked for approval."""
    plan = make_plan(workspace, Wish(SLUG, (LIST,)))
    made = make_draft(workspace, ANA, plan)
    ask_for_approval(workspace, BOHDAN, made.key)
    for actor in (ANA, BOHDAN):
        with pytest.raises(NotTheirs):
            approve(workspace, made.key, actor)
    assert MailingState.APPROVED is approve(workspace, made.key, CHYNARA).mailing.state


def test_what_is_returned_is_a_draft_with_the_comment_on_record(workspace):
    """Its approvals count no more once it is changed; the comment stays."""
    key = asked(workspace).key
    approve(workspace, key, languages=["en"])
    seen = review_of(workspace, key).digest
    returned = vote(
        workspace,
        BOHDAN,
        key,
        seen=seen,
        languages=["ru"],
        given=Vote.RETURNED,
        comment="«Имя» – с ё",
    )
    assert MailingState.DRAFT is returned.mailing.state
    assert "«Имя» – с ё" == returned.votes[-1].comment
    plan = make_plan(workspace, Wish(SLUG, (LIST,), urgent=True))
    change_draft(workspace, ANA, key, plan)
    ask_for_approval(workspace, ANA, key)
    assert {"en": 0, "ru": 0} == dict(review_of(workspace, key).standing.by_language)


def test_a_vote_is_for_what_was_read(workspace):
    """Taken back, changed and asked for again, it is another thing than the approver saw."""
    key = asked(workspace).key
    seen = review_of(workspace, key).digest
    take_back(workspace, ANA, key)
    change_draft(
        workspace, ANA, key, make_plan(workspace, Wish(SLUG, (LIST,), segment="country = MD"))
    )
    ask_for_approval(workspace, ANA, key)
    with pytest.raises(ChangedSince):
        vote(workspace, BOHDAN, key, seen=seen, languages=EVERY, given=Vote.APPROVED)


def test_nothing_unapproved_is_scheduled(workspace):
    """Neither a draft, nor one in review, nor a mailing made at once, from the command line either."""
    key = asked(workspace).key
    with pytest.raises(FaultsFound):
        schedule_now(workspace, key)
    take_back(workspace, ANA, key)
    with pytest.raises(FaultsFound):
        schedule_now(workspace, key)
    plan = make_plan(workspace, Wish(SLUG, (LIST,)))
    now = workspace.clock.now()
    with pytest.raises(FaultsFound):
        schedule(workspace, TYPED, plan, due_at=now, time_zone="UTC", grace_s=60)


def test_a_file_changed_since_the_approval_is_noticed(workspace):
    """The style that would be pinned now is not the one that was approved."""
    key = asked(workspace).key
    approve(workspace, key)
    style = workspace.config.templates_dir / "mail" / "statement" / "style.css"
    style.write_text(style.read_text() + "p { color: #123456; }\n")
    with pytest.raises(FaultsFound) as refused:
        schedule_now(wanting(workspace.reread(), 1), key)
    assert "not what was approved" in refused.value.faults[0].problem
    assert MailingState.APPROVED is review_of(workspace, key).mailing.state


def test_a_reason_lets_it_go_and_stands_on_record(workspace):
    """Who gave it, and the words, are in the audit log with the mailing's key."""
    plan = make_plan(workspace, Wish(SLUG, (LIST,)))
    made = schedule(
        workspace,
        TYPED,
        plan,
        due_at=workspace.clock.now(),
        time_zone="UTC",
        grace_s=60,
        override="the court decides tonight",
    )
    assert MailingState.SCHEDULED is made.state
    with workspace.store.read() as connection:
        row = connection.execute(
            select(audit_entry).where(audit_entry.c.action == AuditAction.APPROVAL_OVERRIDDEN.value)
        ).one()
    assert (made.key, "root") == (row.subject, row.actor_name)
    assert "the court decides tonight" in row.facts


def test_where_nothing_need_be_approved_a_draft_is_scheduled(drafting):
    """The way of a small organisation, in which nobody else is there to read."""
    workspace = wanting(drafting, 0)
    made = make_draft(workspace, ANA, make_plan(workspace, Wish(SLUG, (LIST,))))
    assert MailingState.SCHEDULED is schedule_now(workspace, made.key).state


def test_a_reviewer_without_an_account_votes_once_for_one_edition(workspace):
    """The link leads nowhere afterwards, and alone it approves no mailing: staff must, too."""
    key = asked(workspace).key
    token = make_link(workspace, ANA, key, language="ru", reviewer="Marina, translator")
    link, review = reviewed_by(workspace, token)
    assert ("ru", key) == (link.language, review.mailing.key)
    assert vote_by_link(workspace, token, Vote.APPROVED, "")
    assert not vote_by_link(workspace, token, Vote.APPROVED, "")
    assert {"en": 0, "ru": 1} == dict(review_of(workspace, key).standing.by_language)
    assert MailingState.APPROVED is approve(workspace, key, languages=["en"]).mailing.state


def test_a_link_alone_approves_nothing_whole(workspace):
    """Who gets the mails is for a member of staff to judge."""
    key = asked(workspace).key
    for language in EVERY:
        token = make_link(workspace, ANA, key, language=language, reviewer="Marina")
        assert vote_by_link(workspace, token, Vote.APPROVED, "")
    review = review_of(workspace, key)
    assert (MailingState.IN_REVIEW, ()) == (review.mailing.state, review.standing.missing)


def test_links_end(workspace, clock):
    """Taken back by staff, after a week, or once the mailing is a draft again."""
    key = asked(workspace).key
    first = make_link(workspace, ANA, key, language="en", reviewer="Marina")
    assert end_link(workspace, ANA, key, reviewed_by(workspace, first)[0].link_id)
    assert reviewed_by(workspace, first) is None
    second = make_link(workspace, ANA, key, language="en", reviewer="Marina")
    clock.forward(days=8)
    assert reviewed_by(workspace, second) is None
    third = make_link(workspace, ANA, key, language="en", reviewer="Marina")
    take_back(workspace, ANA, key)
    assert reviewed_by(workspace, third) is None
    assert reviewed_by(workspace, "nonsense") is None
    with pytest.raises(ForbiddenTransition):
        make_link(workspace, ANA, key, language="en", reviewer="Marina")


def test_the_database_does_not_hold_the_token(workspace):
    """Whoever reads the database cannot vote by it."""
    key = asked(workspace).key
    token = make_link(workspace, ANA, key, language="en", reviewer="Marina")
    with workspace.store.read() as connection:
        row = connection.execute(select(review_link)).one()
    assert token not in repr(tuple(row))
    assert token.encode() not in row.token_digest
