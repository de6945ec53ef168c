"""The sandbox's inbox: a list, a mail in every form it has, and doors that stay shut."""

from __future__ import annotations

import re
from datetime import timedelta
from email.message import EmailMessage

import pytest

from mailer.sandbox.catcher import Mailbox
from mailer.web.inbox.app import create_inbox_app
from tests.support.clocks import NOW
from tests.support.mails import composer, outgoing
from tests.support.public_web import serve_app

HOSTILE = """<!doctype html><html><head><title>x</title></head><body onload="top.done = 1">
<script>parent.document.title = "taken"</script><form action="https://thief.example.com/">
<input name="a"><button>Send</button></form><img src="https://tracker.example.com/p.png" alt="">
<a href="javascript:alert(1)">Here</a></body></html>"""


def hostile_mail() -> bytes:
    """Return a mail that tries everything."""
    made = EmailMessage()
    made["From"] = "thief@example.com"
    made["To"] = "eva@example.net"
    made["Subject"] = "<script>alert(1)</script> & <b>more</b>"
    made.set_content("Plain </pre><script>alert(2)</script>")
    made.add_alternative(HOSTILE, subtype="html")
    return made.as_bytes()


@pytest.fixture(scope="module")
def mailbox(tokens):
    """A mailbox with an English and a Persian mail of ours, and a stranger's."""
    made = Mailbox(keep=100)
    whole = composer(tokens)
    for minute, (language, address) in enumerate(
        [("en", "anna@example.org"), ("fa", "bita@example.org")]
    ):
        mail = whole.compose(outgoing(language=language, address=address), NOW)
        made.add(
            NOW + timedelta(minutes=minute),
            mail.envelope.mail_from,
            mail.envelope.rcpt_to,
            mail.content,
        )
    made.add(NOW + timedelta(minutes=9), "thief@example.com", "eva@example.net", hostile_mail())
    return made


@pytest.fixture(scope="module")
def site(mailbox):
    """The inbox, served on loopback."""
    with serve_app(create_inbox_app(mailbox)) as running:
        yield running


@pytest.fixture
def visitor(site):
    """A browser that looks into it."""
    with site.visitor() as opened:
        yield opened


def test_the_list_names_every_mail_the_newest_first(visitor):
    """Whom it was for, what it says, which language, when; each subject leads to its mail."""
    answer = visitor.get("/")

    assert (200, "text/html; charset=utf-8") == (answer.status_code, answer.headers["content-type"])
    rows = re.findall(r"<tr><td>.*?</tr>", answer.text, re.DOTALL)
    assert [3, 2, 1] == [int(re.search(r"/mails/(\d+)", row)[1]) for row in rows]
    assert "anna@example.org" in rows[2]
    assert "Give the Quiet Harbor Library its books back" in rows[2]
    assert "<td>en</td><td>07:00:00</td>" in rows[2]
    assert "<td>fa</td><td>07:01:00</td>" in rows[1]
    assert "3 mails were caught" in answer.text


def test_an_empty_inbox_says_so():
    """Before anything was sent there is a page, and no table."""
    with serve_app(create_inbox_app(Mailbox(keep=5))) as running, running.visitor() as visitor:
        page = visitor.get("/").text
    assert "No mail yet." in page
    assert "<table" not in page


def test_the_list_as_json(visitor):
    """Programs read the same list: total and rows."""
    listed = visitor.get("/api/mails").json()

    assert 3 == listed["total"]
    assert ["eva@example.net", "bita@example.org", "anna@example.org"] == [
        one["to"] for one in listed["mails"]
    ]
    assert {"number", "at", "to", "return_path", "subject", "language"} == set(listed["mails"][0])


def test_a_mail_shows_text_headers_and_a_frame_for_its_html(visitor):
    """One page: where it went, its plain text, its headers, the HTML in a sandboxed frame."""
    page = visitor.get("/mails/1").text

    frame = re.search(r"<iframe[^>]*>", page)[0]
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in frame
    assert 'src="/mails/1/html"' in frame
    assert "Reports" in page
    assert "anna@example.org" in page
    for name in ("List-Unsubscribe", "List-Unsubscribe-Post", "Message-ID", "Content-Language"):
        assert f'<th scope="row">{name}</th>' in page
    assert 'href="/mails/1/source"' in page


def test_what_a_mail_says_is_text_to_the_page(visitor):
    """Markup in a subject or a text is shown, not obeyed."""
    for path in ("/", "/mails/3"):
        page = visitor.get(path).text
        assert "<script" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &lt;b&gt;more&lt;/b&gt;" in page


def policy_of(answer) -> dict[str, str]:
    """Return the Content-Security-Policy of an answer, by directive."""
    header = answer.headers["content-security-policy"]
    return dict(part.strip().partition(" ")[::2] for part in header.split(";"))


def test_the_html_is_shown_where_it_can_do_nothing(visitor):
    """A mail's HTML has no origin, no scripts, no forms, nothing fetched; it may open links."""
    answer = visitor.get("/mails/3/html")
    policy = policy_of(answer)

    assert "text/html; charset=utf-8" == answer.headers["content-type"]
    assert {"allow-popups", "allow-popups-to-escape-sandbox"} == set(policy["sandbox"].split())
    assert {
        "default-src": "'none'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'self'",
    }.items() <= policy.items()
    assert "script-src" not in policy


def test_the_html_carries_its_own_pictures(visitor):
    """Pictures named by cid are written into the HTML; nothing else of it is asked for."""
    page = visitor.get("/mails/1/html").text

    assert "cid:" not in page
    assert 1 == len(re.findall(r'<img[^>]* src="data:image/[a-z]+;base64,[^"]{50,}"', page))


def test_the_source_is_what_was_sent(visitor, mailbox):
    """The raw message, byte by byte, as text."""
    answer = visitor.get("/mails/2/source")

    assert "text/plain; charset=utf-8" == answer.headers["content-type"]
    assert "nosniff" == answer.headers["x-content-type-options"]
    assert mailbox.find(2).content == answer.content


@pytest.mark.parametrize("form", ["", "/html", "/source"])
def test_a_mail_that_is_not_there(visitor, form):
    """A number that was never given, or was forgotten: 404 and a reason."""
    answer = visitor.get(f"/mails/999{form}")

    assert 404 == answer.status_code
    assert "no such mail" in answer.text


@pytest.mark.parametrize("host", ["inbox.example.org", "127.0.0.1.example.org", "192.0.2.1", ""])
@pytest.mark.parametrize(
    "path", ["/", "/mails/1", "/mails/1/html", "/mails/1/source", "/api/mails"]
)
def test_a_name_that_was_pointed_here_reads_nothing(visitor, host, path):
    """A page on the web whose name leads to 127.0.0.1 gets 421, and no mail."""
    answer = visitor.get(path, headers={"Host": host})

    assert 421 == answer.status_code
    assert "example.org" not in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8027", "localhost:8027", "[::1]:8027"])
def test_loopback_has_several_names(visitor, host):
    """Each name of this machine opens the inbox."""
    assert 200 == visitor.get("/", headers={"Host": host}).status_code


@pytest.mark.parametrize(
    "path", ["/", "/mails/1", "/mails/1/html", "/mails/1/source", "/api/mails"]
)
def test_nothing_is_kept_or_passed_on(visitor, path):
    """No answer is kept by the browser, tells where one came from, sets a cookie or runs a script."""
    answer = visitor.get(path)

    assert "no-store" == answer.headers["cache-control"]
    assert "no-referrer" == answer.headers["referrer-policy"]
    assert "nosniff" == answer.headers["x-content-type-options"]
    assert "'none'" == policy_of(answer)["default-src"]
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_there_is_nothing_to_change(visitor, mailbox, method):
    """The inbox only shows."""
    assert 405 == visitor.request(method, "/mails/1").status_code
    assert 3 == len(mailbox)
