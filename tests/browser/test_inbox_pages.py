"""The sandbox's inbox in a real browser: readable, and a mail in it can do nothing."""

from __future__ import annotations

from email.message import EmailMessage

import pytest

from mailer.sandbox.catcher import Mailbox
from mailer.web.inbox.app import create_inbox_app
from tests.support.browser import axe_violations, open_page, overflows, screenshot, style
from tests.support.clocks import NOW
from tests.support.mails import composer, outgoing
from tests.support.public_web import serve_app

HOSTILE = """<!doctype html><html><head><title>x</title></head><body onload="top.taken = 1">
<script>top.taken = 1; parent.document.title = "taken"</script>
<meta http-equiv="refresh" content="0;url=https://thief.example.com/">
<img src="https://tracker.example.com/p.png" alt="" onerror="top.taken = 1">
<link rel="stylesheet" href="https://tracker.example.com/s.css"><p id="said">Read me</p>
<form action="https://thief.example.com/"><button id="send">Send</button></form></body></html>"""


@pytest.fixture(scope="module")
def site(tokens):
    """An inbox with mails in three languages, one with a notice, and a stranger's."""
    mailbox = Mailbox(keep=100)
    whole = composer(tokens)
    for language, wanted in (("en", None), ("ru", None), ("fa", None), ("en", "ro")):
        mail = whole.compose(outgoing(language=language, wanted=wanted), NOW)
        mailbox.add(NOW, mail.envelope.mail_from, mail.envelope.rcpt_to, mail.content)
    hostile = EmailMessage()
    hostile["From"] = "thief@example.com"
    hostile["Subject"] = "Read this"
    hostile.set_content("Read me")
    hostile.add_alternative(HOSTILE, subtype="html")
    mailbox.add(NOW, "thief@example.com", "eva@example.net", hostile.as_bytes())
    with serve_app(create_inbox_app(mailbox)) as running:
        yield running


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [320, 1024])
@pytest.mark.parametrize("path", ["/", "/mails/2"], ids=["list", "mail"])
def test_the_inbox_is_readable(browser, site, path, width, dark):
    """List and mail, on any screen, light and dark: clean, and no wider than the screen."""
    with open_page(browser, width=width, dark=dark) as page:
        page.goto(site.url + path)
        name = "list" if path == "/" else "mail"
        screenshot(page, f"inbox-{name}-{width}-{'dark' if dark else 'light'}")
        assert [] == axe_violations(page)
        assert width == page.evaluate("document.documentElement.scrollWidth")
        assert [] == [one for one in page.requests if not one.startswith((site.url, "data:"))]


def test_a_mail_in_the_inbox_looks_as_it_does_in_a_mail_program(browser, site):
    """Styles, pictures and direction are there in the frame, and nothing sticks out of it."""
    with open_page(browser, width=1024) as page:
        page.goto(f"{site.url}/mails/3/html")
        screenshot(page, "inbox-html-fa")
        assert "rtl" == style(page, ".card", "direction")
        assert page.eval_on_selector("img", "one => one.complete && one.naturalWidth") > 0
        assert [] == overflows(page)


def test_a_link_in_a_mail_opens_a_page_of_its_own(browser, site):
    """The inbox stays where it is; what is opened is asked for without saying whence."""
    with open_page(browser) as page:
        page.goto(f"{site.url}/mails/1")
        with page.context.expect_page() as opened:
            page.frame_locator("iframe").get_by_role("link", name="Unsubscribe").click()
        assert page.url == f"{site.url}/mails/1"
        assert opened.value.evaluate("window.opener") is None


def test_a_hostile_mail_can_do_nothing(browser, site):
    """No script, no form, no turn to elsewhere, nothing fetched: its words are shown, no more."""
    with open_page(browser) as page:
        refused: dict[str, str] = {}
        page.on("requestfailed", lambda one: refused.update({one.url: one.failure}))
        page.goto(f"{site.url}/mails/5")
        frame = page.frame_locator("iframe")
        assert "Read me" == frame.locator("#said").inner_text()
        frame.locator("#send").click()
        page.wait_for_timeout(300)
        assert page.evaluate("window.taken") is None
        assert "Read this" == page.title()
        assert page.url == f"{site.url}/mails/5"
        assert "Read me" == frame.locator("#said").inner_text()
        # The browser names what it was asked for; the mail's policy stopped each before it left.
        foreign = {one for one in page.requests if not one.startswith(site.url)}
        assert {f"https://tracker.example.com/{one}" for one in ("p.png", "s.css")} == foreign
        assert {"csp"} == {refused[one] for one in foreign}
