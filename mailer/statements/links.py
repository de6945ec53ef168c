"""Judge web and mail addresses by their form alone; nothing is looked up.

In: an address as somebody wrote it. Out: what is wrong with it, or "". Standards: RFC 3986 for
addresses on the web, RFC 6068 for `mailto:`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from email_validator import EmailNotValidError, validate_email

from mailer.model.worded import worded

_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_NEITHER_SPACE_NOR_CONTROL = re.compile(r"[^\s\x00-\x1f\x7f-\x9f]*")
#: Longer ones are cut by some mail programs.
LONGEST_ADDRESS = 2_000


@dataclass(frozen=True)
class LinkProblem:
    """What is wrong with an address and what to write instead."""

    problem: str
    remedy: str


_WRITE_WHOLE = "Write the whole address, beginning with https://"


def web_address_problem(address: str) -> LinkProblem | None:
    """Return what is wrong with an https address; None when nothing is."""
    if not address:
        return LinkProblem("is empty", _WRITE_WHOLE)
    if not _NEITHER_SPACE_NOR_CONTROL.fullmatch(address):
        return LinkProblem("has a space in it", "Write %20 for it, or take it out")
    if len(address) > LONGEST_ADDRESS:
        return LinkProblem(
            worded("is longer than %(longest)s characters", longest=LONGEST_ADDRESS),
            "Use a shorter one",
        )
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").rstrip(".")
        _ = parts.port
    except ValueError:
        return LinkProblem("is not a web address", _WRITE_WHOLE)
    if parts.scheme == "http":
        return LinkProblem("is not https", "Write https:// and see that the page answers to it")
    if not parts.scheme and not _SCHEME.match(address):
        return LinkProblem("is relative: a mail belongs to no site", _WRITE_WHOLE)
    if parts.scheme != "https":
        return LinkProblem(
            worded("begins with %(scheme)s: and not with https:", scheme=parts.scheme or "no"),
            _WRITE_WHOLE,
        )
    if parts.username is not None or parts.password is not None:
        return LinkProblem("has a user name before the host", "Take everything up to the @ out")
    return None if _is_host(host) else LinkProblem("has no host like example.org", _WRITE_WHOLE)


def _is_host(host: str) -> bool:
    try:
        ascii_host = host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return False
    labels = ascii_host.split(".")
    return (
        len(labels) > 1
        and len(ascii_host) <= 253
        and all(_LABEL.fullmatch(label) for label in labels)
        # A last label of digits is a number of a machine: nobody can tell whose.
        and not labels[-1].isdigit()
    )


def link_problem(address: str) -> LinkProblem | None:
    """Return what is wrong with a link of a body, https or mailto; None when nothing is."""
    if not address.lower().startswith("mailto:"):
        return web_address_problem(address)
    mailbox, _, query = address[len("mailto:") :].partition("?")
    # RFC 6068 §2: hfields; only these two do no harm when a stranger wrote the link.
    fields = {name.lower() for name, _ in parse_qsl(query, keep_blank_values=True)}
    if fields - {"subject", "body"}:
        return LinkProblem("sets more than subject and body", "Take the other fields out")
    try:
        validate_email(unquote(mailbox), check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return LinkProblem("is not a mail address", "Write mailto:office@example.org")
    return None
