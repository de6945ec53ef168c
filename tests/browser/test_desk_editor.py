"""The editor of statements in a real browser: pasting, keeping, buttons, and scripts that never run."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from mailer.app.workspace import Workspace
from mailer.model.staff import StaffRole
from tests.support.browser import open_page
from tests.support.clocks import FixedClock
from tests.support.databases import sqlite_copy
from tests.support.desk import served_desk, sign_in, welcome
from tests.support.drafts import drafting_workspace

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
PASTED = (
    "<h2>What happened</h2><p>A <b>bold</b> word, <a href='https://example.org/report'>a report</a>"
    "</p><ul><li>one</li><li>two</li></ul><script>alert(3)</script>"
)
_PASTE = """html => {
  const data = new DataTransfer();
  data.setData("text/html", html);
  data.setData("text/plain", "plain");
  const event = new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true});
  document.getElementById("body").dispatchEvent(event);
}"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory, sqlite_template):
    """A desk of a workspace with the sample statement in it."""
    folder = tmp_path_factory.mktemp("workspace")
    store = sqlite_copy(sqlite_template, tmp_path_factory.mktemp("data") / "mailer.db")
    workspace: Workspace = drafting_workspace(folder, store, FixedClock())
    with served_desk(workspace) as served:
        yield served
    store.close()


def sign_in_new(page, desk, login):
    """Sign an author in who is new."""
    desk.workspace.clock.forward(seconds=30)
    member = welcome(desk.workspace, login, StaffRole.AUTHOR)
    sign_in(page, desk.url, member)


def begin(page, desk, slug, title="Keep the ferry running"):
    """Begin a statement by the form; the editor of its original opens."""
    page.goto(f"{desk.url}/desk/new-statement")
    page.fill("#title", title)
    page.fill("#slug", slug)
    page.select_option("#source_language", "en")
    page.click("form[action$=new-statement] button")
    page.wait_for_url(f"{desk.url}/desk/statements/{slug}/editions/en")


def test_what_is_pasted_keeps_headings_bold_and_links_and_is_kept(browser, desk):
    """It comes in as Markdown, is saved without a button, and the mail beside it shows it."""
    with open_page(browser, width=1100) as page:
        sign_in_new(page, desk, "ana")
        begin(page, desk, "pasted")
        page.focus("#body")
        page.evaluate(_PASTE, PASTED)
        expect(page.locator("#body")).to_have_value(re.compile(r"\*\*bold\*\*"))
        written = page.input_value("#body")
        assert "## What happened" in written
        assert "[a report](https://example.org/report)" in written
        assert "- one" in written
        assert "alert" not in written
        expect(page.locator("#kept")).to_have_text("Saved", timeout=20_000)
        mail = page.frame_locator("#preview").locator("strong", has_text="bold")
        mail.wait_for()
        page.reload()
        assert page.input_value("#body").strip() == written.strip()
        assert [one for one in page.requests if not one.startswith(desk.url)] == []


def test_buttons_put_our_markdown_at_the_cursor(browser, desk):
    """What is chosen is set bold; a quote and a demand stand on lines of their own; Ctrl+Z works."""
    with open_page(browser) as page:
        sign_in_new(page, desk, "boris")
        begin(page, desk, "buttons")
        page.fill("#body", "The ferry")
        page.evaluate("document.getElementById('body').setSelectionRange(4, 9)")
        page.click("[data-insert=bold]")
        assert page.input_value("#body") == "The **ferry**"
        page.keyboard.press("Control+z")
        assert page.input_value("#body") == "The ferry"
        page.keyboard.press("Control+End")
        for kind in ("heading", "link", "list", "quote", "demand", "note", "italics"):
            page.evaluate("document.getElementById('body').setSelectionRange(1e6, 1e6)")
            page.click(f"[data-insert={kind}]")
        written = page.input_value("#body")
        for part in ("\n\n## Heading\n", "](https://)", "- words", "\n::: quote\nattribution: ",
                     "\n::: demand\nwords\n:::", "\n::: note\n", "*words*"):  # fmt: skip
            assert part in written, part


def test_a_clash_is_told_and_loses_nothing(browser, desk):
    """Keeping stops, the words stay in the field, and saving shows both texts."""
    with open_page(browser) as page:
        sign_in_new(page, desk, "clara")
        begin(page, desk, "clash")
        other = page.context.new_page()
        other.goto(page.url)
        other.fill("#body", "From the other window.")
        other.click("#editor .actions button:first-child")
        other.wait_for_selector(".said")
        page.fill("#body", "From this window.")
        page.wait_for_selector("#kept.problem")
        assert "saved this meanwhile" in page.text_content("#kept")
        page.click("#editor .actions button:first-child")
        page.wait_for_selector("#problems")
        assert page.input_value("#body") == "From this window."
        assert page.locator("del").count() > 0


def test_scripts_in_any_field_run_nowhere(browser, desk):
    """Title, text, names, hashtags: no dialog opens, no policy is broken, in page or frame."""
    with open_page(browser) as page:
        dialogs, said = [], []
        page.on("dialog", lambda one: (dialogs.append(one.message), one.dismiss()))
        page.on("console", lambda one: said.append(one.text))
        sign_in_new(page, desk, "dina")
        begin(page, desk, "evil", f"Title {EVIL}")
        page.fill("#subject", EVIL)
        page.fill("#preheader", EVIL)
        page.fill("#body", f"Text {EVIL}\n\n[x](javascript:alert(4))")
        page.click("#editor .actions button:first-child")
        page.wait_for_selector(".said")
        page.goto(f"{desk.url}/desk/statements/evil/head")
        page.click("#signatories-0 summary")
        page.fill("#signatories-0-name-en", EVIL)
        page.click("main form.wide .actions button")
        page.wait_for_selector(".said")
        for path in ("", "/head", "/editions/en", "/editions/en/preview", "/checks", "/pictures"):
            page.goto(f"{desk.url}/desk/statements/evil{path}")
            page.wait_for_load_state("networkidle")
        page.goto(f"{desk.url}/desk/statements")
        assert dialogs == []
        assert [one for one in said if "Content Security Policy" in one] == []
