"""Say what a mail is, so that what came back from a relay can be held against what was sent.

In: the bytes of a mail, sent or received. Out: `SentFacts`. The same function reads both: what a
relay changed is what differs. Standards: RFC 5322, RFC 2369, RFC 8058.
"""

from __future__ import annotations

import hashlib
import re
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from html import unescape

from mailer.model.service import SentFacts

# Of elements and attributes that make a program fetch or follow something.
_IN_HTML = re.compile(r"""(?:href|src|background|action)\s*=\s*["']?(https?:[^"'\s>]+)""", re.I)
_IN_STYLE = re.compile(r"url\(\s*[\"']?(https?:[^\"')\s]+)", re.I)
_IN_TEXT = re.compile(r"https?://[^\s<>\"]+")
_DOMAIN = re.compile(r"(?:^|;)\s*d\s*=\s*([^;\s]+)")


def sent_facts(content: bytes, mail_from: str, relay: str) -> SentFacts:
    """Return what a mail is.

    Args:
        content: The whole message.
        mail_from: Its return path; "" where that is not known.
        relay: Key of the relay it goes by; "" where that is not known.
    """
    parsed = message_from_bytes(content, policy=SMTP)
    text, html = _part(parsed, "text/plain"), _part(parsed, "text/html")
    links = [unescape(one) for one in (*_IN_HTML.findall(html), *_IN_STYLE.findall(html))]
    links += _IN_TEXT.findall(text)
    signatures = parsed.get_all("DKIM-Signature", [])
    domains = [found[1] for one in signatures if (found := _DOMAIN.search(str(one)))]
    return SentFacts(
        message_id=_field(parsed, "Message-ID").strip("<>"),
        subject=_field(parsed, "Subject"),
        from_address=_address(parsed),
        mail_from=mail_from,
        list_unsubscribe=_field(parsed, "List-Unsubscribe"),
        list_unsubscribe_post=_field(parsed, "List-Unsubscribe-Post"),
        links=tuple(dict.fromkeys(links)),
        text_digest=_digest(text),
        html_digest=_digest(html),
        signed_by=tuple(domains),
        relay=relay,
    )


def _field(parsed: EmailMessage, name: str) -> str:
    return " ".join(str(parsed.get(name, "")).split())


def _address(parsed: EmailMessage) -> str:
    found = parsed.get("From")
    addresses = getattr(found, "addresses", ())
    return str(addresses[0].addr_spec) if addresses else ""


def _part(parsed: EmailMessage, kind: str) -> str:
    for part in parsed.walk():
        if part.get_content_type() == kind:
            return str(part.get_content())
    return ""


def _digest(text: str) -> str:
    """Return a digest that white space at the ends of lines and of the text does not change."""
    lines = "\n".join(line.rstrip() for line in text.splitlines()).rstrip()
    return hashlib.sha256(lines.encode()).hexdigest()
