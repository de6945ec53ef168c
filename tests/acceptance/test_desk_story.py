"""The whole story at the desk, in a real browser, against the real processes: with and without scripts.

Two people: Ana writes and sends, Bohdan approves. The mailing goes out to the sandbox, which drops the
connection after some mails, so that there is something in doubt to settle.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import time
from pathlib import Path

import pytest

from mailer.app.demo import adapt_config
from mailer.app.workspace import Workspace
from mailer.model.staff import StaffRole
from tests.acceptance.processes import running, until
from tests.support.browser import axe_violations, open_page, overflows
from tests.support.desk import welcome

pytestmark = [pytest.mark.timeout(500), pytest.mark.browser, pytest.mark.acceptance]

SLUG = "keep-the-ferry"
#: Language → title, subject, preheader, body, and what a stranger may read.
EDITIONS = {
    "en": (
        "Keep the ferry running",
        "The ferry is to stop on Monday",
        "Forty families would be cut off.",
        "The ferry is the only way to the clinic.\n\n::: demand\nKeep the ferry running.\n:::\n",
        "News from the harbor",
    ),
    "ru": (
        "Сохраните паром",
        "Паром хотят остановить в понедельник",
        "Сорок семей останутся без связи.",
        "Паром — единственный путь в больницу.\n\n::: demand\nСохраните паром.\n:::\n",
        "Новости гавани",
    ),
}
LISTS = ("harbor-news", "harbor-volunteers", "lantern-friends")
#: Longer than a busy machine takes for a few hundred mails with retries.
_PATIENCE_S = 90


@pytest.fixture
def campaign(prepared, tmp_path):
    """A workspace whose desk runs and in which each edition must be approved."""
    folder = tmp_path / "campaign"
    shutil.copytree(prepared, folder)
    adapt_config(folder)
    path = folder / "config.toml"
    text = path.read_text()
    assert 1 == text.count("\nrequired = 0\n")
    path.write_text(text.replace("\nrequired = 0\n", "\nrequired = 1\n"))
    return folder


def listens(port):
    """Whether anything takes connections on a loopback port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def sign_in(page, address, member):
    """Sign in with password and code."""
    page.goto(f"{address}/desk")
    assert page.url.startswith(f"{address}/desk/sign-in")
    page.fill("#login", member.login)
    page.fill("#password", member.password)
    page.fill("#code", member.code())
    page.click("main button")
    assert f"{address}/desk" == page.url


def is_fine(page, scripts):
    """Whether a page is accessible, and fits; what judges access is itself a script."""
    if scripts:
        assert [] == axe_violations(page)
    assert [] == overflows(page)


def write_in_two_languages(page, address, scripts):
    """Write a statement and its translation, and save both as a revision."""
    page.goto(f"{address}/desk/statements")
    page.click("main >> text=Write a statement")
    page.fill("#title", EDITIONS["en"][0])
    page.fill("#slug", SLUG)
    page.select_option("#source_language", "en")
    is_fine(page, scripts)
    page.click("main form button >> nth=0")
    for language, texts in EDITIONS.items():
        page.goto(f"{address}/desk/statements/{SLUG}")
        if language != "en":
            page.select_option("#language", language)
            page.click("text=Add an edition")
        page.goto(f"{address}/desk/statements/{SLUG}/editions/{language}")
        names = ("title", "subject", "preheader", "body", "discreet_subject")
        for name, text in zip(names, texts, strict=True):
            if name == "discreet_subject" and not page.is_visible("#discreet_subject"):
                page.click("text=For people marked discreet")
            page.fill(f"#{name}", text)
        is_fine(page, scripts)
        page.click("#editor .actions button >> nth=0")
        page.wait_for_load_state()
    page.goto(f"{address}/desk/statements/{SLUG}/head")
    page.click("#signatories-0 summary")
    page.fill("#signatories-0-name-en", "Harbor Solidarity")
    page.fill("#signatories-0-country", "MD")
    is_fine(page, scripts)
    page.click("main form.wide .actions button >> nth=0")
    page.goto(f"{address}/desk/statements/{SLUG}")
    is_fine(page, scripts)
    page.click("button >> text=Save as a revision")
    assert "Revision 1" in page.inner_text("main"), page.inner_text("main")


def watch_until(page, words, reload):
    """Look at the page until it says something; without scripts a person loads it again."""
    deadline = time.monotonic() + _PATIENCE_S
    while words not in page.inner_text("main"):
        assert time.monotonic() < deadline, page.inner_text("main")
        page.wait_for_timeout(500)
        if reload:
            page.reload()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_from_a_statement_to_its_report(campaign, browser, scripts):
    """Made by one, approved by another, scheduled, watched, its report read, its doubts settled."""
    workspace = Workspace.open(campaign)
    ana = welcome(workspace, "ana", StaffRole.AUTHOR, StaffRole.SENDER)
    bohdan = welcome(workspace, "bohdan", StaffRole.APPROVER)
    address = workspace.config.desk.address
    workspace.store.close()
    with (
        running(campaign),
        open_page(browser, javascript=scripts) as hers,
        open_page(browser, width=320, dark=True, javascript=scripts) as his,
    ):
        until(lambda: listens(workspace.config.desk.port), "the desk to answer")
        sign_in(hers, address, ana)
        write_in_two_languages(hers, address, scripts)
        hers.click("main >> text=Make a mailing")
        assert SLUG == hers.input_value("#statement")
        for key in LISTS:
            hers.check(f'input[name="lists"][value="{key}"]')
        hers.select_option("#sender", "harbor")
        is_fine(hers, scripts)
        hers.click("main button")
        assert f"{address}/desk/mailings/keep-the-ferry-1" == hers.url
        hers.click("text=Checks")
        is_fine(hers, scripts)
        assert "Nothing blocks" in hers.inner_text("main")
        hers.click("text=Schedule")
        assert "It can be scheduled once it is approved." in hers.inner_text("main")
        hers.click("main nav >> text=Approval")
        hers.click("text=Ask for approval")

        sign_in(his, address, bohdan)
        assert "keep-the-ferry-1 waits for approval." in his.inner_text("main")
        his.click("text=Read it")
        his.click("main nav >> text=Preview")
        frame = his.frame_locator("iframe").locator("body")
        assert "The ferry" in frame.inner_text()
        is_fine(his, scripts)
        his.click("main nav >> text=Approval")
        his.check("#read-en")
        his.check("#read-ru")
        is_fine(his, scripts)
        his.click('button[value="approve"]')
        assert "Your approval is on record" in his.inner_text("main")
        assert "Approved" in his.inner_text("h1")

        hers.goto(f"{address}/desk/mailings/keep-the-ferry-1/schedule")
        hour = workspace.clock.now()
        hers.select_option("#zone", "Europe/London")
        hers.fill("#date", f"{hour:%Y-%m-%d}")
        hers.fill("#time", f"{hour:%H:%M}")
        is_fine(hers, scripts)
        hers.click("main form button")
        # What takes a while to count comes by itself, or by a link.
        if not scripts:
            hers.click("text=Count now")
        hers.wait_for_selector("#count")
        count = int(re.search(r"([\d,]+) people would be mailed", hers.inner_text("main"))[1])
        is_fine(hers, scripts)
        hers.fill("#count", str(count + 1))
        hers.click("main form button")
        assert "There is a problem" in hers.inner_text("#problems")
        hers.fill("#count", str(count))
        hers.click("main form button")
        assert f"{address}/desk/mailings/keep-the-ferry-1?said=scheduled" == hers.url

        hers.click("main nav >> text=Watch")
        watch_until(hers, f"{count} of {count} have their outcome", reload=not scripts)
        is_fine(hers, scripts)
        watch_until(hers, "Finished", reload=not scripts)
        # A page that watched loads itself once more at the end: whoever clicks then clicks in vain.
        hers.goto(f"{address}/desk/mailings/{SLUG}-1/watch")
        assert "in doubt: the reply was lost" in hers.inner_text("main")
        hers.click("text=Settle it")
        is_fine(hers, scripts)
        hers.check("#all")
        hers.check("#take")
        hers.click("main form button")
        assert "What was in doubt is settled" in hers.inner_text("main")
        hers.click("main nav >> text=Report")
        is_fine(hers, scripts)
        assert "nothing in these mails is tracked" in hers.inner_text("main")
        with hers.expect_download() as saved:
            hers.click("text=Save as CSV")
        assert "outcome,all,accepted," in Path(saved.value.path()).read_text("utf-8-sig")
        his.goto(f"{address}/desk/mailings/keep-the-ferry-1/report?for=partners")
        is_fine(his, scripts)
        assert "< 10" in his.inner_text("main")
        his.goto(f"{address}/desk/mailings/keep-the-ferry-1/watch")
        is_fine(his, scripts)
        assert "Settle it" not in his.inner_text("main")
