"""See whether a mail that went through a relay and was received is still what we sent.

In: the received mail as its mailbox saved it, what is expected of it, a resolver. Out: findings,
among them whether it passes DMARC as we work it out ourselves. What the receiver wrote about SPF
and DKIM is a hint and no more. Standards: RFC 8058 §4 and §5, RFC 6376 §6, RFC 9989 §4.4 and §5.3,
RFC 8601 (Authentication-Results), RFC 5322 §3.6.
"""

from __future__ import annotations

import email
import email.utils
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import Message
from functools import cached_property

from mailer.compose.wire import ALLOWED_HEADERS
from mailer.domains.dmarc import is_aligned, policy_of
from mailer.domains.links import host_of, links_in_html, links_in_text, remote_parts
from mailer.domains.resolver import NoAnswer, Resolver
from mailer.domains.signatures import Signature, signatures
from mailer.model.findings import Finding, advice, ok, unknown, wrong
from mailer.model.mailing import Sender
from mailer.model.relays import MatchKey, RelayHandling
from mailer.model.service import SentFacts

#: A mail older than this says nothing about the relay of today; its signatures expire a day later.
OLDEST = timedelta(days=5)
# RFC 5321 §4.4 and RFC 8601: what servers on the way write, and what mailboxes add.
_ON_THE_WAY = re.compile(
    r"received|return-path|delivered-to|x-received|authentication-results|received-spf|arc-.*"
    r"|x-original-to|envelope-to|x-spam.*|x-google-.*|x-gm-.*|x-ms-.*|x-microsoft-.*"
)
_ONCE = ("From", "To", "Subject", "Date", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post")


@dataclass(frozen=True)
class Expected:
    """What a mail through this relay should be."""

    sender: Sender
    handling: RelayHandling
    match: MatchKey
    #: Header fields that the relay writes anew.
    replaces: frozenset[str]
    #: We sign; else the relay does.
    we_sign: bool
    #: Hosts that links may lead to beside that of base_url: those of the statement.
    hosts: frozenset[str]


@dataclass(frozen=True)
class ReceivedMail:
    """A mail as a mailbox saved it."""

    #: With CRLF, and without the line that mailbox files begin mails with.
    content: bytes

    @classmethod
    def read(cls, saved: bytes) -> ReceivedMail:
        """Take a saved mail, whatever its line ends."""
        saved = re.sub(rb"\A(?:From |>From )[^\n]*\n", b"", saved.lstrip(b"\r\n\xef\xbb\xbf"))
        return cls(re.sub(rb"\r\n|\r|\n", b"\r\n", saved))

    @cached_property
    def parsed(self) -> Message:
        """The mail, parsed by the rules that never refuse."""
        return email.message_from_bytes(self.content)

    def values(self, name: str) -> list[str]:
        """Return the values of a field, unfolded."""
        return [" ".join(str(value).split()) for value in self.parsed.get_all(name, [])]

    def value(self, name: str) -> str:
        """Return the first value of a field; "" when there is none."""
        return next(iter(self.values(name)), "")

    @property
    def from_address(self) -> str:
        """Return the From address in small letters; "" when it cannot be told."""
        return email.utils.parseaddr(self.value("From"))[1].lower()

    def texts(self, kind: str) -> Iterator[str]:
        """Yield the decoded text of each part of a type: "text/html"."""
        for part in self.parsed.walk():
            if part.get_content_type() == kind:
                payload = part.get_payload(decode=True)
                if isinstance(payload, bytes):
                    yield payload.decode("utf-8", "replace")

    @cached_property
    def links(self) -> frozenset[str]:
        """Every address on the web that a reader could follow."""
        html = (link for text in self.texts("text/html") for link in links_in_html(text))
        plain = (link for text in self.texts("text/plain") for link in links_in_text(text))
        return frozenset([*html, *plain])


def facts_of(content: bytes) -> SentFacts:
    """Return what to keep of a mail that is about to be sent."""
    mail = ReceivedMail.read(content)
    links = tuple(sorted(mail.links))
    return SentFacts(mail.value("Message-ID"), mail.value("List-Unsubscribe"), links)


def compare(
    sent: SentFacts | None,
    received: bytes,
    expected: Expected,
    resolver: Resolver,
    now: datetime,
) -> tuple[Finding, ...]:
    """Return what became of a mail on its way through the relay.

    Args:
        sent: What is on record of it; None when nothing is.
        received: As a mailbox saved it.
        expected: What it should be.
        resolver: Who is asked for keys and policies.
        now: This instant.
    """
    mail = ReceivedMail.read(received)
    return (
        *_fields(mail, expected, now),
        *_links(mail, sent, expected),
        *_unsubscribe(mail, sent, expected),
        *_message_id(mail, sent, expected),
        *_signed(mail, expected, resolver),
        *_hints(mail),
        *_added(mail, expected),
    )


def _fields(mail: ReceivedMail, expected: Expected, now: datetime) -> Iterator[Finding]:
    for name in _ONCE:
        count = len(mail.values(name))
        # RFC 5322 §3.6 and RFC 2369 §3: each of them once.
        if count != 1:
            said = "is missing" if not count else f"is there {count} times"
            yield wrong(name, said, "See what the relay does to the header; it should do nothing")
    if mail.from_address == expected.sender.address.lower():
        yield ok("From", "is the sender's address")
    else:
        yield wrong("From", "is not the sender's address", "Let the relay accept it as a sender")
    try:
        sent_at = email.utils.parsedate_to_datetime(mail.value("Date"))
    except ValueError:
        yield wrong("Date", "cannot be read")
        return
    age = now - (sent_at if sent_at.tzinfo else sent_at.replace(tzinfo=UTC))
    if age > OLDEST:
        yield wrong("Date", f"the mail is {age.days} days old", "Send a new one: mailer test-send")


def _links(mail: ReceivedMail, sent: SentFacts | None, expected: Expected) -> Iterator[Finding]:
    own = host_of(expected.sender.base_url)
    if not mail.links:
        yield wrong("links", "there are none: this is no mail of ours", "Save the whole mail")
    foreign = {host for link in mail.links if (host := host_of(link)) not in {own, *expected.hosts}}
    changed = frozenset() if sent is None else mail.links.symmetric_difference(sent.links)
    if foreign or changed:
        where = ", ".join(sorted(foreign)) or "other pages than we wrote"
        text = f"some lead to {where}"
        yield wrong("links", text, "Switch link tracking off at the relay, see docs/relays.md")
    elif mail.links:
        yield ok("links", f"{len(mail.links)} of them, all as we wrote them")
    remote = sorted({one for text in mail.texts("text/html") for one in remote_parts(text)})
    if remote:
        hosts = ", ".join(sorted({host_of(one) for one in remote}))
        yield wrong("pictures", f"something is loaded from {hosts}, a pixel that tells who read it",
                    "Switch open tracking off at the relay, see docs/relays.md")  # fmt: skip
    else:
        yield ok("pictures", "nothing is loaded from anywhere")


def _unsubscribe(
    mail: ReceivedMail, sent: SentFacts | None, expected: Expected
) -> Iterator[Finding]:
    value = mail.value("List-Unsubscribe").replace(" ", "")
    pattern = rf"<{re.escape(expected.sender.base_url)}/[!-;=?-~]+>"
    # RFC 8058 §3.1: one https address; what else stands there was added on the way.
    intact = value == sent.list_unsubscribe.replace(" ", "") if sent else False
    if intact or (sent is None and re.fullmatch(pattern, value)):
        yield ok("List-Unsubscribe", "leads to our own page, and to nothing else")
    elif value:
        text = "is not the address that we wrote"
        yield wrong("List-Unsubscribe", text, "Switch the relay's own unsubscribing off")
    if mail.value("List-Unsubscribe-Post") not in ("", "List-Unsubscribe=One-Click"):
        yield wrong("List-Unsubscribe-Post", "is not what one click needs")


def _message_id(
    mail: ReceivedMail, sent: SentFacts | None, expected: Expected
) -> Iterator[Finding]:
    value = mail.value("Message-ID")
    ours = value.endswith(f"@{expected.sender.return_path_domain}>")
    if (sent is None and ours) or (sent is not None and value == sent.message_id):
        yield ok("Message-ID", "is ours")
    elif "Message-ID" in expected.replaces:
        yield ok("Message-ID", "is the relay's own, as its profile says")
    elif expected.match is MatchKey.MESSAGE_ID:
        remedy = 'Take another profile, or "plain": bounces are found by this id'
        yield wrong("Message-ID", "was written anew", remedy)
    else:
        yield advice("Message-ID", "was written anew", "See whether the profile is the right one")


def _signed(mail: ReceivedMail, expected: Expected, resolver: Resolver) -> Iterator[Finding]:
    author = expected.sender.address.rpartition("@")[2].lower()
    try:
        found = signatures(mail.content, resolver)
        policy = policy_of(author, resolver)
        strict = policy is not None and policy.is_strict("adkim")
        good = [
            one
            for one in found
            if one.is_valid and is_aligned(author, one.domain, resolver, strict=strict)
        ]
    except NoAnswer as error:
        yield unknown("DKIM and DMARC", f"the DNS could not be asked: {error.reason}",
                      "Check the network of this machine")  # fmt: skip
        return
    yield from _dkim(found, good, expected)
    if policy is None or not policy.counts:
        text = f"{author} has no record{'' if policy is None else ' that counts'}"
        yield wrong("DMARC", text, "Run: mailer domain records")
    elif good:
        yield ok(
            "DMARC", f"passes: signed by {good[0].domain} for {author}, {policy.wants(author)}"
        )
    else:
        yield wrong("DMARC", f"fails: no valid signature counts for {author}",
                    "Run: mailer domain check")  # fmt: skip


def _dkim(found: list[Signature], good: list[Signature], expected: Expected) -> Iterator[Finding]:
    if not found:
        remedy = "Run: mailer domain key" if expected.we_sign else "Let the relay sign your domain"
        yield wrong("DKIM", "the mail is not signed", remedy)
    for one in found:
        place = f"{one.selector}._domainkey.{one.domain}"
        if one.is_valid:
            yield ok("DKIM", f"the signature of {place} is valid")
        elif expected.we_sign and any(key.selector == one.selector for key in expected.sender.dkim):
            # A mail that was changed on its way no longer is what was signed.
            yield wrong("DKIM", f"our signature at {place} is not valid: {one.problem}",
                        "See whether the relay changes mails, and: mailer domain check")  # fmt: skip
        else:
            yield advice("DKIM", f"the signature of {place} is not valid: {one.problem}")
    # RFC 8058 §4: without both fields signed, no mailbox offers one click.
    needed = {"list-unsubscribe", "list-unsubscribe-post"}
    if good and not any(needed <= one.fields for one in good):
        text = "no valid signature covers List-Unsubscribe and List-Unsubscribe-Post"
        yield wrong("DKIM", text, "Let the relay sign them, or sign with mailer")


def _hints(mail: ReceivedMail) -> Iterator[Finding]:
    said = {
        f"{method}={result}"
        for value in mail.values("Authentication-Results")
        for method, result in re.findall(r"\b(spf|dkim|dmarc)=([a-z]+)", value)
    }
    # RFC 8601 §7.1: anybody can write such a field; only one's own receiver's counts.
    bad = sorted(one for one in said if one.endswith(("=fail", "=softfail", "=permerror")))
    if bad:
        yield advice("receiver", f"says {', '.join(bad)}", "Run: mailer domain check")
    elif said:
        yield ok("receiver", f"says {', '.join(sorted(said))}")


def _added(mail: ReceivedMail, expected: Expected) -> Iterator[Finding]:
    ours = {name.decode("ascii").lower() for name in ALLOWED_HEADERS}
    relay_own = {name.lower() for name, _ in expected.handling.headers}
    names = {name.lower() for name in mail.parsed}
    left = sorted(names & relay_own)
    if left:
        yield advice("header", f"the relay left its own fields in: {', '.join(left)}")
    other = sorted(name for name in names - ours - relay_own if not _ON_THE_WAY.fullmatch(name))
    if other:
        text = f"fields were added on the way: {', '.join(other)}"
        yield advice("header", text, "See whether one of them tells who reads what")
