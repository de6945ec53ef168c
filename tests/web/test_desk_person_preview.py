"""The mail of one supporter at the desk: found by address, shown as it would go, put on record."""

from __future__ import annotations

import re
from html import unescape

import pytest

from mailer.app import supporters
from mailer.app.barring import scope_of, suppress_person
from mailer.app.planning import Wish, make_plan
from mailer.app.scheduling import make_draft
from mailer.model.audit import AuditAction, AuditFilter
from mailer.model.staff import BY_ITSELF, StaffRole
from mailer.store.audit import entries_in_order
from mailer.tokens import NOBODY, Purpose
from tests.support.clocks import FixedClock
from tests.support.desk import served_desk
from tests.support.drafts import LIST, SLUG, drafting_workspace

PREVIEW = f"/desk/mailings/{SLUG}-1/preview"
ANNA = "anna@example.org"


@pytest.fixture
def desk(tmp_path, sqlite_store):
    """A desk with a draft of the sample statement, and somebody on its list who reads Russian."""
    workspace = drafting_workspace(tmp_path, sqlite_store, FixedClock())
    (tmp_path / "data").mkdir(exist_ok=True)
    make_draft(workspace, BY_ITSELF, make_plan(workspace, Wish(SLUG, (LIST,))))
    add(workspace, ANNA, name="Анна Долгая", languages="ru")
    with served_desk(workspace) as served:
        yield served


@pytest.fixture
def sender(desk):
    """A browser in which a sender is signed in."""
    with desk.signed_in(StaffRole.SENDER) as browser:
        yield browser


def add(workspace, address, **said):
    """Put somebody on the list; return the id of their row."""
    who, _ = supporters.add_person(workspace, BY_ITSELF, LIST, address, said, "by letter")
    return who


def look(browser, address=ANNA):
    """The page that comes of asking for an address."""
    browser.get(PREVIEW)
    return browser.post(f"{PREVIEW}/supporter", {"address": address})


def looked(workspace):
    """Who was looked at, by the audit log."""
    with workspace.store.read() as connection:
        return [
            (one.subject, one.facts.get("mailing"))
            for one in entries_in_order(connection, AuditFilter())
            if one.action == AuditAction.SUPPORTER_SHOWN
        ]


def test_their_own_mail_is_shown(sender):
    """Their name, their language and why; the source is their mail; no address in the URL."""
    page = look(sender, " Anna@Example.org ")
    assert 200 == page.status_code
    assert "anna" not in str(page.url).lower()
    assert "Анна Долгая" in page.text
    assert "Russian. It is their first language." in page.text
    assert "no-store" in page.headers["Cache-Control"]
    title = page.text.partition("<title>")[2].partition("</title>")[0]
    assert "@" not in title
    assert "Анна" not in title
    source = sender.get(f"{page.url.path}?view=source").text
    assert f"To: {ANNA}" in source or f"&lt;{ANNA}&gt;" in source
    assert "Content-Language: ru" in source


def test_the_frame_is_sandboxed_and_holds_the_mail(sender):
    """The frame is the mail's HTML, may run nothing, and is kept nowhere."""
    path = look(sender).url.path
    assert f'src="{path}/mail?scheme="' in sender.page.text
    assert 'sandbox=""' in sender.page.text
    frame = sender.get(f"{path}/mail?scheme=dark")
    assert frame.headers["Content-Security-Policy"].startswith("sandbox;")
    assert "no-store" in frame.headers["Cache-Control"]
    assert "prefers-color-scheme: dark" not in frame.text


def test_its_links_unsubscribe_nobody(desk, sender):
    """The links are those of the invented reader: no token of the person leaves the server."""
    source = sender.get(f"{look(sender).url.path}?view=source").text
    found = re.findall(r"/u/([\w-]{39})", unescape(source).replace("=\n", ""))
    assert found, source
    for token in found:
        person = desk.workspace.tokens.read_person(Purpose.UNSUBSCRIBE, token)
        assert (NOBODY, NOBODY) == (person.delivery_id, person.supporter_id)


def test_each_look_is_put_on_record(desk, sender):
    """The audit log names the row and the mailing; whoever tries addresses leaves a trace, too."""
    look(sender)
    assert [("supporter 1", f"{SLUG}-1")] == looked(desk.workspace)
    page = look(sender, "nobody@example.org")
    assert 422 == page.status_code
    assert "Nobody on record has this address." in page.text
    assert ("nobody on record", f"{SLUG}-1") in looked(desk.workspace)


def test_what_is_no_address_is_told(sender):
    """It stands in their own page alone."""
    page = look(sender, "anna at example")
    assert 422 == page.status_code
    assert "anna at example" in page.text


def test_a_reader_without_an_edition_sees_why(desk, sender):
    """Another language is sent with a notice, and the page says so."""
    add(desk.workspace, "farah@example.org", languages="fa")
    page = look(sender, "farah@example.org").text
    assert "There is no edition in a language of theirs" in page
    assert "A notice in the mail says so." in page


def test_who_is_not_mailed_sees_why_instead_of_a_mail(desk, sender):
    """Suppressed people get no mail here either, and nor does their frame."""
    workspace = desk.workspace
    digest = workspace.service_keys.address_digest(ANNA)
    suppress_person(workspace, BY_ITSELF, digest, scope_of(workspace, ""))
    page = look(sender)
    assert "They would not be mailed: suppressed: left, dead address or complaint." in page.text
    assert "<iframe" not in page.text
    assert 404 == sender.get(f"{page.url.path}/mail").status_code


def test_who_is_on_no_list_is_told_so(desk, sender):
    """Whoever is on none of the mailing's lists gets nothing."""
    supporters.take_off_list(desk.workspace, BY_ITSELF, 1, LIST)
    assert "they are on none of the lists of this mailing" in look(sender).text


def test_plain_text_is_shown_to_whom_it_is_sent(desk, sender):
    """Whoever wants no HTML is shown as text."""
    supporters.correct_person(desk.workspace, BY_ITSELF, 1, {"text_only": "yes"})
    page = look(sender).text
    assert "This person gets plain text only." in page
    assert "<iframe" not in page


def test_who_may_not_see_supporters_sees_no_form(desk):
    """An author sees the invented reader alone."""
    with desk.signed_in(StaffRole.AUTHOR) as browser:
        assert "A supporter of your choice" not in browser.get(PREVIEW).text
        assert 403 == browser.get(f"{PREVIEW}/supporter/1").status_code


@pytest.mark.parametrize("who", ["0", "99", "x", "１", "9" * 30])
def test_a_row_that_is_not_there_is_not_found(sender, who):
    """Nothing is told of it."""
    assert 404 == sender.get(f"{PREVIEW}/supporter/{who}").status_code
