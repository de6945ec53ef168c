"""Newsletters on a real database: when issues are drafted, what they tell of, and who moves them."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import func, select

from mailer.app import newsletters as app_newsletters
from mailer.app.checking import check_workspace
from mailer.app.languages import resolver_for
from mailer.app.newsletters import IssueDrafter, draft_issue, load_newsletter, next_issue
from mailer.app.planning import plan_draft
from mailer.app.scheduling import schedule_draft
from mailer.clock import SYSTEM_CLOCK
from mailer.model.faults import FaultsFound
from mailer.model.staff import BY_ITSELF
from mailer.model.statement import Visibility
from mailer.model.states import ForbiddenTransition, MailingState
from mailer.schedule.ticker import Ticker
from mailer.statements.issues import items_elsewhere, items_in
from mailer.statements.newsletters import read_newsletter
from mailer.store import mailings, newsletters, stopping, tables
from mailer.store.designs import load_design
from mailer.store.statements import load_revision, publish, save_revision
from tests.support.archive import decide
from tests.support.clocks import FixedClock
from tests.support.factories import make_revision
from tests.support.newsletters import make_public, newsletter_workspace

#: A Sunday noon in Chișinău; the sample's hour is every Monday at nine there, seven in UTC.
SUNDAY = datetime(2026, 11, 29, 10, tzinfo=UTC)
MONDAY = datetime(2026, 11, 30, 7, tzinfo=UTC)
WEEK = timedelta(days=7)
SLUG = "harbor-letters"


@pytest.fixture
def clock():
    """A clock that stands on the Sunday before the first issue."""
    return FixedClock(SUNDAY)


@pytest.fixture
def workspace(tmp_path, store, clock):
    """A workspace with the sample newsletter loaded."""
    made = newsletter_workspace(tmp_path, store, clock)
    load(made)
    return made


def load(workspace):
    """Load the newsletter as its files are now."""
    folder = workspace.config.templates_dir / "newsletters" / SLUG
    read = read_newsletter(folder, workspace.config.root)
    assert () == read.faults
    return load_newsletter(workspace, read.newsletter)


def found(workspace):
    """The newsletter as the database has it."""
    with workspace.store.read() as connection:
        return newsletters.find_newsletter(connection, SLUG)


def all_drafts(workspace):
    """Every mailing of the newsletter with its issue's revision, the first first."""
    with workspace.store.read() as connection:
        made = [one for one in mailings.list_mailings(connection) if one.key.startswith(SLUG)]
        made.sort(key=lambda one: one.row_id)
        return [(one, load_revision(connection, one.revision_id).revision) for one in made]


def told(workspace):
    """What each issue tells of: (slug, revision's number) of its items."""
    return [
        [(item.slug, item.revision) for item in issue.items] for _, issue in all_drafts(workspace)
    ]


def tick_at(workspace, clock, moment, drafter=None):
    """Let the clock stand at a moment, and a drafter look: the given one, or one just started."""
    clock.forward(seconds=(moment - clock.now()).total_seconds())
    (drafter or IssueDrafter(workspace))(moment)


def rows(store, table):
    """Return how many rows a table has."""
    with store.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def test_its_hour_makes_one_revision_and_one_draft(workspace, store, clock):
    """Not a second before, and not again at any later tick."""
    make_public(store, make_revision(("en", "ru", "fa")), SUNDAY)
    drafter = IssueDrafter(workspace)
    tick_at(workspace, clock, MONDAY - timedelta(seconds=1), drafter)
    assert [] == all_drafts(workspace)
    for second in range(4):
        tick_at(workspace, clock, MONDAY + timedelta(seconds=second), drafter)
    ((draft, issue),) = all_drafts(workspace)
    assert (f"{SLUG}-1", MailingState.DRAFT, 0) == (draft.key, draft.state, draft.confirmed_count)
    assert ("newsletter", ("en", "fa", "ru")) == (issue.kind.value, issue.languages)
    assert "Letters from the harbor, November 30, 2026" == issue.editions["en"].subject
    assert "Письма из гавани, 30 ноября 2026\u202fг." == issue.editions["ru"].subject
    assert ["Free the library [ru]"] == [one.title for one in items_in(issue, "ru")]
    assert ["Preheader [ru]"] == [one.lead for one in items_in(issue, "ru")]


def test_an_issue_names_what_has_no_edition_in_its_language(workspace, store, clock):
    """Languages without any item have no edition; the others name what they do not hold."""
    make_public(store, make_revision(("en",), "only-english"), SUNDAY)
    make_public(store, make_revision(("uk", "en"), "both"), SUNDAY)
    make_public(store, make_revision(("ro",), "romanian"), SUNDAY)
    tick_at(workspace, clock, MONDAY)
    ((_, issue),) = all_drafts(workspace)
    assert ("en",) == issue.languages
    assert ["both", "only-english"] == [one.slug for one in items_in(issue, "en")]
    (named,) = items_elsewhere(issue, "en")
    assert ("romanian", "ro", "Free the library [ro]") == (named.slug, named.language, named.title)


def test_without_anything_new_there_is_no_draft_and_the_hour_is_over(
    workspace, store, clock, caplog
):
    """What becomes public an hour later waits for the next hour."""
    with caplog.at_level(logging.INFO, "mailer"):
        tick_at(workspace, clock, MONDAY)
    assert ["newsletter has nothing new"] == [one.getMessage() for one in caplog.records]
    make_public(store, make_revision(), MONDAY + timedelta(hours=1))
    tick_at(workspace, clock, MONDAY + timedelta(hours=1))
    assert [] == all_drafts(workspace)
    tick_at(workspace, clock, MONDAY + WEEK)
    assert [[("free-the-library", 1)]] == told(workspace)


def test_what_the_public_cannot_see_is_not_told_of(workspace, store, clock):
    """A title alone could harm: what is loaded only, or published at an hour to come, is left out."""
    with store.write() as connection:
        save_revision(connection, make_revision(slug="loaded"), SUNDAY)
        later = save_revision(connection, make_revision(slug="later"), SUNDAY)
        publish(connection, "later", later.revision_id, MONDAY + timedelta(days=1))
    issue = next_issue(workspace, found(workspace), SUNDAY, None)
    assert (None, ("later", "loaded")) == (issue.revision, issue.not_public)
    tick_at(workspace, clock, MONDAY)
    assert [] == all_drafts(workspace)
    tick_at(workspace, clock, MONDAY + WEEK)
    assert [[("later", 1)]] == told(workspace)


@pytest.mark.parametrize("visibility", [Visibility.UNLISTED, Visibility.WITHDRAWN])
def test_what_staff_unlisted_or_withdrew_is_not_told_of(workspace, store, clock, visibility):
    """Until it is listed again."""
    make_public(store, make_revision(), SUNDAY)
    decide(store, "free-the-library", visibility)
    tick_at(workspace, clock, MONDAY)
    assert [] == all_drafts(workspace)
    decide(store, "free-the-library", Visibility.LISTED)
    tick_at(workspace, clock, MONDAY + WEEK)
    assert [[("free-the-library", 1)]] == told(workspace)


def test_each_revision_is_told_of_once_and_a_newer_one_again(workspace, store, clock):
    """Of one statement it is the newest that is public."""
    make_public(store, make_revision(), SUNDAY)
    make_public(store, make_revision(("en", "ru", "uk")), SUNDAY)
    tick_at(workspace, clock, MONDAY)
    tick_at(workspace, clock, MONDAY + WEEK)
    make_public(store, make_revision(("en", "ru", "ro")), MONDAY + WEEK)
    tick_at(workspace, clock, MONDAY + 2 * WEEK)
    assert [[("free-the-library", 2)], [("free-the-library", 3)]] == told(workspace)


def test_an_outage_over_several_hours_makes_one_draft_of_all(workspace, store, clock, caplog):
    """Three Mondays were missed: one issue, dated by the last of them."""
    make_public(store, make_revision(slug="one"), SUNDAY)
    make_public(store, make_revision(slug="two"), MONDAY + WEEK)
    with caplog.at_level(logging.INFO, "mailer"):
        tick_at(workspace, clock, MONDAY + 2 * WEEK + timedelta(days=1))
    assert [[("two", 1), ("one", 1)]] == told(workspace)
    (_, issue) = all_drafts(workspace)[0]
    assert "December 14, 2026" in issue.editions["en"].title
    assert 3 == caplog.records[-1].fields["hours"]


def test_a_clock_set_back_or_far_ahead_makes_nothing_twice_and_loses_no_hour(
    workspace, store, clock
):
    """Back over the hour nothing happens; after a year by mistake the right hours still count."""
    make_public(store, make_revision(slug="one"), SUNDAY)
    drafter = IssueDrafter(workspace)
    tick_at(workspace, clock, MONDAY + timedelta(seconds=1), drafter)
    for moment in (MONDAY - timedelta(seconds=5), MONDAY, MONDAY + timedelta(seconds=5)):
        tick_at(workspace, clock, moment, drafter)
    tick_at(workspace, clock, MONDAY + 52 * WEEK, drafter)
    make_public(store, make_revision(slug="two"), MONDAY + timedelta(days=1))
    tick_at(workspace, clock, MONDAY + WEEK, drafter)
    assert [[("one", 1)], [("two", 1)]] == told(workspace)


def test_hours_before_it_was_loaded_are_not_made_up_for(tmp_path, store, clock):
    """Loaded on Sunday, last Monday's hour is none of it; loaded anew unchanged, nothing is lost."""
    workspace = newsletter_workspace(tmp_path, store, clock)
    make_public(store, make_revision(), SUNDAY)
    load(workspace)
    tick_at(workspace, clock, SUNDAY)
    assert [] == all_drafts(workspace)
    clock.forward(seconds=(MONDAY + timedelta(hours=1) - clock.now()).total_seconds())
    load(workspace)
    tick_at(workspace, clock, MONDAY + timedelta(hours=2))
    assert 1 == len(all_drafts(workspace))


def test_a_stopped_newsletter_drafts_nothing_until_it_is_loaded_again(workspace, store, clock):
    """Nor does it make up for the hours it was stopped."""
    make_public(store, make_revision(), SUNDAY)
    with store.write() as connection:
        newsletters.stop_newsletter(connection, SLUG, SUNDAY)
    tick_at(workspace, clock, MONDAY + timedelta(hours=1))
    load(workspace)
    tick_at(workspace, clock, MONDAY + timedelta(hours=2))
    assert [] == all_drafts(workspace)
    tick_at(workspace, clock, MONDAY + WEEK)
    assert 1 == len(all_drafts(workspace))


@pytest.mark.parametrize(
    ("module", "step"),
    [
        (newsletters, "take_turn"),
        (app_newsletters, "save_revision"),
        (app_newsletters, "create_mailing"),
        (newsletters, "record_issue"),
    ],
)
def test_a_kill_in_the_middle_leaves_nothing_and_the_next_tick_makes_it(
    workspace, store, clock, monkeypatch, module, step
):
    """Revision, draft and what it tells of are one transaction, wherever it is cut off."""
    make_public(store, make_revision(), SUNDAY)
    whole = getattr(module, step)

    def cut_off(*arguments, **options):
        whole(*arguments, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, step, cut_off)
        with pytest.raises(KeyboardInterrupt):
            tick_at(workspace, clock, MONDAY)
    counted = (tables.newsletter_issue, tables.newsletter_item, tables.mailing)
    assert [0, 0, 0] == [rows(store, one) for one in counted]
    tick_at(workspace, clock, MONDAY)
    assert [1, 1, 1] == [rows(store, one) for one in counted]
    assert [[("free-the-library", 1)]] == told(workspace)


@pytest.mark.parametrize("hour", [MONDAY, None], ids=["by hour", "by hand"])
def test_two_who_draft_at_once_are_one(workspace, store, clock, hour):
    """Who read before the other wrote is told, and writes nothing."""
    make_public(store, make_revision(slug="one"), SUNDAY)
    seen = found(workspace)
    assert draft_issue(workspace, seen, MONDAY) is not None
    make_public(store, make_revision(slug="two"), SUNDAY)
    with pytest.raises(newsletters.TurnPassed):
        draft_issue(workspace, seen, hour)
    assert [[("one", 1)]] == told(workspace)


def test_nothing_but_a_person_moves_a_draft_on(workspace, store, clock):
    """A year of ticks later it is a draft still, and nobody has a delivery."""
    make_public(store, make_revision(), SUNDAY)
    ticker = Ticker(store, clock, resolver_for(store), IssueDrafter(workspace))
    for _ in range(2 * 53):
        assert ticker.tick()
        clock.forward(days=3.5)
    ((draft, _),) = all_drafts(workspace)
    assert MailingState.DRAFT is draft.state
    assert 0 == rows(store, tables.delivery)


@pytest.mark.parametrize("act", [stopping.pause, stopping.resume])
def test_a_draft_is_neither_paused_nor_resumed(workspace, store, act):
    """It can be scheduled or dropped, and that is all."""
    make_public(store, make_revision(), SUNDAY)
    draft = draft_issue(workspace, found(workspace), None)
    with pytest.raises(ForbiddenTransition), store.write() as connection:
        act(connection, draft.key)
    with pytest.raises(ForbiddenTransition), store.write() as connection:
        stopping.release(connection, draft.key, SUNDAY)


def test_a_released_draft_goes_as_it_was_shown_then(workspace, store, clock, ground):
    """Design, sender and lists are pinned when a person agrees, the revision when it was drafted."""
    make_public(store, make_revision(), SUNDAY)
    draft = draft_issue(workspace, found(workspace), None)
    style = workspace.config.templates_dir / "mail" / "newsletter" / "style.css"
    style.write_text(style.read_text() + ".item { color: #123456; }\n")
    make_public(store, make_revision(("en", "ru", "uk")), SUNDAY)
    again = workspace.reread()
    ground.add_list("harbor-news", **_as_shipped(again))
    ground.add_supporter("reader@example.org", "harbor-news")
    plan = plan_draft(again, draft)
    hour = MONDAY + timedelta(days=2)
    made = schedule_draft(again, BY_ITSELF, plan, draft, due_at=hour, time_zone="UTC", grace_s=60)
    assert (draft.row_id, draft.revision_id) == (made.row_id, made.revision_id)
    assert (MailingState.SCHEDULED, hour, 1) == (made.state, made.due_at, made.confirmed_count)
    assert made.digest != draft.digest
    with store.read() as connection:
        assert "#123456" in load_design(connection, made.design_id).style_css
    with pytest.raises(ForbiddenTransition):
        schedule_draft(again, BY_ITSELF, plan, draft, due_at=hour, time_zone="UTC", grace_s=60)
    with pytest.raises(ForbiddenTransition):
        plan_draft(again, made)
    clock.forward(seconds=(hour - clock.now()).total_seconds())
    Ticker(store, clock, resolver_for(store)).tick()
    with store.read() as connection:
        delivery = connection.execute(select(tables.delivery)).one()
    assert (made.row_id, "en") == (delivery.mailing_id, delivery.language)


def _as_shipped(workspace):
    """Return what the factories need to make the list as its file says it."""
    definition = workspace.lists[0]["harbor-news"]
    names = ("name", "sender", "list_id", "consent_basis", "languages", "time_zone", "attributes")
    return {name: getattr(definition, name) for name in names}


def test_what_a_dropped_draft_told_of_comes_in_the_next(workspace, store, clock):
    """Its number is free again too; a draft that went out keeps both."""
    make_public(store, make_revision(slug="one"), SUNDAY)
    first = draft_issue(workspace, found(workspace), None)
    with store.write() as connection:
        stopping.cancel(connection, first.key, SUNDAY)
    make_public(store, make_revision(slug="two"), SUNDAY)
    issue = next_issue(workspace, found(workspace), SUNDAY, None)
    assert (1, ["two", "one"]) == (issue.number, [one.slug for one in issue.revision.items])
    second = draft_issue(workspace, found(workspace), None)
    with store.write() as connection:
        connection.execute(
            tables.mailing.update()
            .where(tables.mailing.c.id == second.row_id)
            .values(state=MailingState.CANCELLED, started_at=SUNDAY)
        )
    issue = next_issue(workspace, found(workspace), SUNDAY, None)
    assert (2, None) == (issue.number, issue.revision)


def test_an_issue_is_unreleased_until_its_last_draft_goes_out(workspace, store):
    """Dropped, drafted anew as the same revision, then begun: by --statement only after that."""
    make_public(store, make_revision(), SUNDAY)

    def unreleased():
        with store.read() as connection:
            return newsletters.unreleased_issue(connection, first.revision_id)

    first = draft_issue(workspace, found(workspace), None)
    assert (first.key, MailingState.DRAFT) == unreleased()
    with store.write() as connection:
        stopping.cancel(connection, first.key, SUNDAY)
    assert (first.key, MailingState.CANCELLED) == unreleased()
    second = draft_issue(workspace, found(workspace), None)
    assert (first.revision_id, (second.key, MailingState.DRAFT)) == (
        second.revision_id,
        unreleased(),
    )
    with store.write() as connection:
        connection.execute(
            tables.mailing.update()
            .where(tables.mailing.c.id == second.row_id)
            .values(state=MailingState.CANCELLED, started_at=SUNDAY)
        )
    assert unreleased() is None


def test_what_cannot_be_drafted_is_put_off_and_made_once_it_is_mended(
    workspace, store, clock, caplog
):
    """A template somebody is at work on, at the hour: no hour is lost, and other ticks go on."""
    make_public(store, make_revision(), SUNDAY)
    template = workspace.config.templates_dir / "mail" / "newsletter" / "message.html"
    text = template.read_text()
    template.write_text(text.replace("{{ one.lead }}", "{{ one.nothing }}"))
    drafter = IssueDrafter(workspace)
    with caplog.at_level(logging.WARNING, "mailer"):
        for second in (0, 1, 2):
            tick_at(workspace, clock, MONDAY + timedelta(seconds=second), drafter)
    (said,) = caplog.records
    assert ("newsletter draft put off", SLUG) == (said.getMessage(), said.fields["newsletter"])
    assert "templates/mail/newsletter/message.html" in said.fields["reason"]
    template.write_text(text)
    tick_at(workspace, clock, MONDAY + timedelta(minutes=2), drafter)
    assert 1 == len(all_drafts(workspace))


def test_a_newsletter_and_a_statement_do_not_share_a_slug(workspace, store):
    """Both would have one page: neither the check nor loading lets it pass."""
    with store.write() as connection:
        save_revision(connection, make_revision(slug="letters"), SUNDAY)
    with pytest.raises(FaultsFound, match='a statement "letters" was loaded'):
        load_newsletter(workspace, replace(found(workspace).newsletter, slug="letters"))
    templates = workspace.config.templates_dir
    (templates / "statements" / "her-rights").rename(templates / "statements" / SLUG)
    path = templates / "statements" / SLUG / "statement.toml"
    path.write_text(path.read_text().replace('"her-rights"', f'"{SLUG}"'))
    said = [
        (one.file, one.field)
        for one in check_workspace(workspace.reread())
        if "would have one page" in one.problem
    ]
    expected = [
        (f"templates/newsletters/{SLUG}/newsletter.toml", "slug"),
        (f"templates/statements/{SLUG}/statement.toml", "slug"),
    ]
    assert expected == said


def test_statements_loaded_before_its_first_day_are_left_out(workspace, store, clock):
    """A new newsletter does not begin with all that was ever said."""
    make_public(store, make_revision(slug="old"), SUNDAY - timedelta(days=9))
    make_public(store, make_revision(slug="new"), SUNDAY)
    path = workspace.config.templates_dir / "newsletters" / SLUG / "newsletter.toml"
    path.write_text(path.read_text() + "since = 2026-11-29\n")
    load(workspace.reread())
    issue = next_issue(workspace, found(workspace), SUNDAY, None)
    assert ["new"] == [item.slug for item in issue.revision.items]


def test_an_issue_of_the_database_is_what_was_written(workspace, store):
    """Items are part of the document and its digest; a statement's document has none."""
    make_public(store, make_revision(("en", "fa")), SUNDAY)
    draft_issue(workspace, found(workspace), None)
    ((_, issue),) = all_drafts(workspace)
    assert {"en", "fa"} == set(issue.items[0].texts)
    with store.read() as connection:
        documents = connection.execute(
            select(tables.statement.c.slug, tables.revision.c.document).join(
                tables.revision, tables.revision.c.statement_id == tables.statement.c.id
            )
        ).all()
    held = {row.slug: "items" in json.loads(json.dumps(row.document)) for row in documents}
    assert {SLUG: True, "free-the-library": False} == held


@pytest.mark.parametrize(
    ("zone", "cron", "before", "expected"),
    [
        # 02:30 is skipped on the last Sunday of March: the next hour that exists is meant.
        ("Europe/Brussels", "30 2 * * 0", "2026-03-28T12:00", "2026-03-29T01:00"),
        # 03:30 comes twice on the last Sunday of October: the first is meant, and once.
        ("Europe/Chisinau", "30 2 * * 0", "2026-10-24T12:00", "2026-10-24T23:30"),
    ],
)
def test_on_the_day_the_clocks_change_there_is_one_issue(
    tmp_path, sqlite_store, zone, cron, before, expected
):
    """The machine's own clock runs over the change, minute by minute."""
    store = sqlite_store
    with time_machine.travel(datetime.fromisoformat(before).replace(tzinfo=UTC), tick=False) as at:
        workspace = newsletter_workspace(tmp_path, store, SYSTEM_CLOCK)
        path = workspace.config.templates_dir / "newsletters" / SLUG / "newsletter.toml"
        text = path.read_text().replace("0 9 * * 1", cron).replace("Europe/Chisinau", zone)
        path.write_text(text)
        load(workspace)
        drafter = IssueDrafter(workspace)
        make_public(store, make_revision(slug="one"), SYSTEM_CLOCK.now())
        for number in range(24 * 6):
            drafter(SYSTEM_CLOCK.now())
            if number == 18 * 6:
                make_public(store, make_revision(slug="two"), SYSTEM_CLOCK.now())
            at.shift(timedelta(minutes=10))
        with store.read() as connection:
            issues = newsletters.issues_of(connection, found(workspace).row_id)
    assert [datetime.fromisoformat(expected).replace(tzinfo=UTC)] == [
        one.occurrence_at for one in issues
    ]
