"""Whatever is killed, restarted or set back: an hour makes one draft, a revision is told of once."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from mailer.app import newsletters as app_newsletters
from mailer.app.newsletters import IssueDrafter, draft_issue, load_newsletter
from mailer.model.states import MailingState
from mailer.store import mailings, newsletters, stopping, tables
from mailer.store.engine import open_store, upgrade
from mailer.store.statements import load_revision
from tests.support.clocks import FixedClock
from tests.support.factories import make_revision
from tests.support.newsletters import harbor_letters, make_public, newsletter_workspace

SUNDAY = datetime(2026, 11, 29, 10, tzinfo=UTC)
SLUG = "harbor-letters"
#: Where a process dies: after this has been done, before the transaction ends.
_DEATHS = (
    (newsletters, "take_turn"),
    (app_newsletters, "save_revision"),
    (app_newsletters, "create_mailing"),
    (newsletters, "record_issue"),
)
#: What may happen: hours go by or come back, people work, processes die and come again.
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(1, 400)),
        st.tuples(st.just("set back"), st.integers(1, 30)),
        st.tuples(st.just("publish"), st.integers(0, 2)),
        st.tuples(st.just("die"), st.integers(0, len(_DEATHS) - 1)),
        st.tuples(st.just("drop"), st.just(0)),
        st.tuples(st.just("by hand"), st.just(0)),
    ),
    max_size=14,
)


class _World:
    """A workspace, two schedulers that tick over it, and what was made public."""

    def __init__(self, folder, store):
        self.clock = FixedClock(SUNDAY)
        self.store = store
        self.workspace = newsletter_workspace(folder, store, self.clock)
        self.drafters = [IssueDrafter(self.workspace) for _ in range(2)]
        self.versions = Counter()
        load_newsletter(self.workspace, harbor_letters())

    def tick(self):
        """Let both look; the second knows only what the database says."""
        for drafter in self.drafters:
            drafter(self.clock.now())

    def apply(self, what, much):
        """Let one thing happen, then a tick."""
        match what:
            case "wait":
                self.clock.forward(hours=much)
            case "set back":
                self.clock.forward(hours=-much)
            case "publish":
                self.versions[much] += 1
                revision = make_revision(slug=f"statement-{much}", related=(), hashtags=())
                self._publish(revision, self.versions[much])
            case "die":
                self._die(*_DEATHS[much])
            case "drop":
                self._drop()
            case "by hand":
                draft_issue(self.workspace, self._found(), None)
        self.tick()

    def _publish(self, revision, version):
        changed = make_revision(
            ("en", "ru", "uk", "ro", "be", "fa")[: 1 + version % 6],
            revision.slug,
            and_others=version > 5,
        )
        make_public(self.store, changed, self.clock.now())

    def _die(self, module, step):
        whole = getattr(module, step)

        def cut_off(*arguments, **options):
            whole(*arguments, **options)
            raise KeyboardInterrupt

        with patch.object(module, step, cut_off):
            try:
                self.clock.forward(hours=24 * 7)
                IssueDrafter(self.workspace)(self.clock.now())
            except KeyboardInterrupt:
                self.drafters = [IssueDrafter(self.workspace) for _ in range(2)]

    def _drop(self):
        with self.store.write() as connection:
            drafts = mailings.list_mailings(connection, [MailingState.DRAFT])
            if drafts:
                stopping.cancel(connection, drafts[0].key, self.clock.now())

    def _found(self):
        with self.store.read() as connection:
            return newsletters.find_newsletter(connection, SLUG)

    def check(self):
        """Hold the database against what must always be."""
        with self.store.read() as connection:
            issues = connection.execute(select(tables.newsletter_issue)).all()
            items = connection.execute(select(tables.newsletter_item)).all()
            made = {one.row_id: one for one in mailings.list_mailings(connection)}
            revisions = {
                row_id: load_revision(connection, one.revision_id).revision
                for row_id, one in made.items()
            }
            slugs = {
                row.id: (row.slug, row.number)
                for row in connection.execute(
                    select(
                        tables.revision.c.id, tables.statement.c.slug, tables.revision.c.number
                    ).join(
                        tables.statement, tables.statement.c.id == tables.revision.c.statement_id
                    )
                )
            }
        # Each hour at most once, each draft belongs to an issue, and nothing but drafts was made.
        hours = Counter(one.occurrence_at for one in issues if one.occurrence_at is not None)
        assert set(hours.values()) <= {1}
        assert all(one.isoweekday() == 1 and one.hour == 7 for one in hours)
        assert sorted(made) == sorted(one.mailing_id for one in issues if one.mailing_id)
        states = {one.state for one in made.values()}
        assert states <= {MailingState.DRAFT, MailingState.CANCELLED}
        # No revision stands in two drafts, and a draft's mail tells of what is on record for it.
        standing = {
            one.id
            for one in issues
            if one.mailing_id and made[one.mailing_id].state is MailingState.DRAFT
        }
        told = Counter(one.revision_id for one in items if one.issue_id in standing)
        assert set(told.values()) <= {1}
        for issue in issues:
            on_record = sorted(slugs[one.revision_id] for one in items if one.issue_id == issue.id)
            revision = revisions.get(issue.mailing_id)
            shown = sorted((one.slug, one.revision) for one in revision.items) if revision else []
            assert on_record == shown
        numbers = [one.number for one in issues if one.id in standing]
        assert len(numbers) == len(set(numbers))


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(events=EVENTS)
def test_no_order_of_events_makes_an_hour_or_a_revision_count_twice(tmp_path_factory, events):
    """Two schedulers on one database, and a person who drafts and drops between them."""
    folder = tmp_path_factory.mktemp("letters")
    store = open_store(f"sqlite:///{folder / 'test.db'}")
    upgrade(store)
    try:
        world = _World(folder, store)
        for what, much in events:
            world.apply(what, much)
            world.check()
        # In the end everything that is public is told of, once hours come that never came before.
        world.apply("wait", 24 * 30)
        world.check()
        seen = world._found()
        with store.read() as connection:
            left = newsletters.news(
                connection, seen.row_id, seen.newsletter.kinds, None, world.clock.now()
            )
        assert () == left.revisions
    finally:
        store.close()
