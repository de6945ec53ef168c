"""Messages that come back, as mail systems write them, and a world they come back to."""

from __future__ import annotations

from pathlib import Path

from mailer.feedback.taking import Taker
from mailer.model.feedback_policy import SoftLimits
from mailer.model.states import DeliveryState
from mailer.store import tables
from mailer.store.suppression_log import SuppressionLog
from mailer.store.suppressions import standing
from mailer.tokens import ServiceTokens, Tokens
from tests.support.clocks import FixedClock

HARD = ("5.1.1", "550 5.1.1 User unknown")
FULL = ("5.2.2", "552 5.2.2 Mailbox full")
SPAM = ("5.7.1", "554 5.7.1 Message rejected as spam")


def dsn(
    token: str,
    recipient: str,
    said: tuple[str, str] = HARD,
    *,
    original: str = "",
    action: str = "failed",
    number: int = 1,
    extra: str = "",
) -> bytes:
    """Return a delivery status notification (RFC 3464), as Postfix writes them."""
    status, words = said
    to = f"b+{token}@bounces.example.org" if token else "b@bounces.example.org"
    named = f"Original-Recipient: rfc822;{original}\r\n" if original else ""
    return (
        f"Return-Path: <>\r\nReceived: from mx{number}.example.net; Tue, 1 Dec 2026 07:00:00 +0000\r\n"
        f"From: MAILER-DAEMON@mx.example.net\r\nTo: {to}\r\n"
        "Subject: Undelivered Mail Returned to Sender\r\nDate: Tue, 1 Dec 2026 07:00:00 +0000\r\n"
        f"Message-ID: <dsn-{number}@mx.example.net>\r\nAuto-Submitted: auto-replied\r\n"
        "MIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b1"\r\n\r\n'
        "--b1\r\nContent-Type: text/plain\r\n\r\nThis is the mail system at host mx.example.net.\r\n"
        f"\r\n<{recipient}>: host mx.example.net said: {words} (in reply to RCPT TO command)\r\n"
        "\r\n--b1\r\nContent-Type: message/delivery-status\r\n\r\n"
        f"Reporting-MTA: dns; mx.example.net\r\n{extra}\r\n"
        f"{named}Final-Recipient: rfc822; {recipient}\r\nAction: {action}\r\nStatus: {status}\r\n"
        f"Diagnostic-Code: smtp; {words}\r\n"
        "\r\n--b1--\r\n"
    ).encode()


def arf(message_id: str, recipient: str, kind: str = "abuse") -> bytes:
    """Return a feedback report (RFC 5965) whose third part has our Message-ID."""
    return (
        "From: fbl@provider.example.net\r\nTo: abuse@example.org\r\nSubject: complaint\r\n"
        "Message-ID: <arf-1@provider.example.net>\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b1"\r\n\r\n'
        "--b1\r\nContent-Type: text/plain\r\n\r\nThis is an email abuse report.\r\n"
        "--b1\r\nContent-Type: message/feedback-report\r\n\r\n"
        f"Feedback-Type: {kind}\r\nUser-Agent: Provider/1.0\r\nVersion: 1\r\n"
        f"Original-Rcpt-To: {recipient}\r\n"
        "\r\n--b1\r\nContent-Type: text/rfc822-headers\r\n\r\n"
        f"From: news@example.org\r\nMessage-ID: <{message_id}@example.org>\r\nSubject: A statement\r\n"
        "\r\n--b1--\r\n"
    ).encode()


def letter(to: str, subject: str = "Thank you", body: str = "What a fine letter.") -> bytes:
    """Return what a person writes."""
    return (
        f"Return-Path: <mila@example.net>\r\nFrom: Mila <mila@example.net>\r\nTo: {to}\r\n"
        f"Subject: {subject}\r\nMessage-ID: <1@example.net>\r\n\r\n{body}\r\n"
    ).encode()


class World:
    """Two people who got a mailing, a third one who did not, and what takes in what comes back."""

    def __init__(self, ground, folder: Path, limits: SoftLimits | None = None):
        self.ground, self.store = ground, ground.store
        self.tokens = Tokens(ground.service_keys)
        self.service_tokens = ServiceTokens(ground.service_keys)
        self.log = SuppressionLog(folder / "suppressions.log")
        self.clock = FixedClock()
        ground.add_list()
        self.mailing = ground.add_mailing(["harbor-news"])
        self.people = {}
        self.deliveries = {}
        for name in ("anna", "boris", "clara"):
            self.people[name] = ground.add_supporter(f"{name}@example.org", "harbor-news")
        for name in ("anna", "boris"):
            self.deliveries[name] = self.deliver(name)
        self.taker = Taker(
            self.store, ground.service_keys, self.log, self.clock, limits or SoftLimits()
        )

    def deliver(self, name, state=DeliveryState.ACCEPTED, mailing=None):
        """Write a delivery of a person; return its id."""
        return self.ground.add_delivery(
            mailing or self.mailing, self.people[name], state, relay="main"
        )

    def next_mailing(self):
        """Write one more mailing, a day later."""
        self.clock.forward(days=1)
        return self.ground.add_mailing(["harbor-news"])

    def token(self, name="anna"):
        """Return the token in the return path of a person's mail."""
        return self.tokens.return_path(self.deliveries[name])

    def digest(self, name="anna"):
        """Return the digest of a person's address."""
        return self.ground.service_keys.address_digest(f"{name}@example.org")

    def suppressed(self, name="anna"):
        """Return for which reasons a person is not mailed."""
        with self.store.read() as connection:
            return [one.reason.value for one in standing(connection, self.digest(name))]

    def rows(self, name):
        """Return the rows of a table in order of their ids."""
        table = tables.metadata.tables[name]
        with self.store.read() as connection:
            return connection.execute(table.select().order_by(*table.primary_key)).all()

    def effects(self):
        """Return kind, what matched, and effect of each finding."""
        return [
            (row.kind.value, row.matched_by.value, row.effect.value)
            for row in self.rows("feedback_finding")
        ]

    def after(self, days):
        """Let days pass."""
        self.clock.forward(days=days)
