"""Decide what a relay's reply means for the delivery, the address and the connection.

In: a reply and the command it answered. Out: a `Decision`; pure. The first digit decides whether
this message is tried again (RFC 5321 §4.2.1); it does not decide whether the address is dead: that
takes an enhanced code (RFC 3463) or words that say so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from mailer.events import scrub
from mailer.model.audience import SuppressionReason
from mailer.model.breaker import RefusalReason
from mailer.model.dead_addresses import DEAD_CODES, says_dead
from mailer.model.mailing import Reply
from mailer.model.states import Outcome

#: Longest reply text that is kept.
LONGEST_TEXT = 300
# RFC 2034 §4: the enhanced code stands first in the text, its class equal to the code's first digit.
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?=\s|$)")
# RFC 4954 §6: wanted and not given, too weak, refused, or to be given encrypted only.
AUTHENTICATION_CODES = frozenset({530, 534, 535, 538})
# What providers say without an enhanced code, or with a vague one, when they mind the mail and not
# the mailbox: mail.ru "spam message rejected", GMX "policy restrictions", "listed at …".
_SPAM_WORDS = re.compile(
    r"\b(spam\w*|junk|unsolicited|phishing|suspici\w+|reputation|policy|dmarc|spf|dkim|dnsbl|rbl|"
    r"(block|black|deny)\s?-?list(ed|s)?|(been|is)\s+blocked|blocked\s+(by|using|for|due))\b",
    re.IGNORECASE,
)
_VAGUE = ("", "5.0.0", "5.1.0", "5.2.0", "5.3.0", "5.5.0", "5.6.0")


class Stage(StrEnum):
    """What a reply answers."""

    #: The connection itself, EHLO, or a reply out of turn.
    CONNECTION = "connection"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    #: The end of the content.
    CONTENT = "content"


class Scope(StrEnum):
    """Whom a refusal is about."""

    #: This person's address.
    RECIPIENT = "recipient"
    #: The message or its sender: others of the mailing may meet the same.
    MESSAGE = "message"
    #: The relay or the connection: nothing to do with the person.
    RELAY = "relay"


@dataclass(frozen=True)
class Decision:
    """What follows from a reply."""

    outcome: Outcome
    scope: Scope
    #: Suppress the address with this reason; None for nearly everything.
    suppress: SuppressionReason | None = None
    #: Close this connection before anything else is sent.
    reconnect: bool = False
    #: What a refusal is about; nothing where it is none.
    reason: RefusalReason = RefusalReason.NONE


_ACCEPTED = Decision(Outcome.ACCEPTED, Scope.MESSAGE)


def parse_reply(code: int, text: str) -> Reply:
    """Return a reply with the enhanced code that is in it, its text fit to be stored.

    Args:
        code: the three digits.
        text: all lines joined by line feeds, without codes.
    """
    stripped = text.strip()
    found = _ENHANCED.match(stripped)
    enhanced = found[1] if found and found[1][0] == str(code)[0] else ""
    return Reply(code, enhanced, scrub(stripped)[:LONGEST_TEXT])


def classify(reply: Reply, stage: Stage) -> Decision:
    """Decide what a reply to one command of a transaction means."""
    if 200 <= reply.code < 300 and stage is Stage.CONTENT:
        return _ACCEPTED
    scope = _scope(reply, stage)
    if wants_login(reply, stage):
        # RFC 4954 §6: it is about us and no recipient; nobody is refused for a lost password.
        return Decision(Outcome.DEFERRED, Scope.RELAY, reconnect=True)
    # RFC 5321 §3.8: 421 announces that the server closes the connection.
    reconnect = reply.code == 421 or stage is Stage.CONNECTION
    # RFC 5321 §4.2.1: 4yz is transient. RFC 5321 §4.5.3.1.10: 552 at RCPT is to be read as 452.
    if 400 <= reply.code < 500 or (reply.code == 552 and stage is Stage.RCPT):
        return Decision(Outcome.DEFERRED, scope, reconnect=reconnect)
    if 500 <= reply.code < 600:
        dead = scope is Scope.RECIPIENT and says_dead(reply.code, reply.enhanced_code, reply.text)
        return Decision(
            Outcome.REFUSED,
            scope,
            suppress=SuppressionReason.BOUNCED if dead else None,
            reconnect=reconnect,
            reason=_reason(reply, scope, dead=dead),
        )
    # RFC 5321 §4.2: anything else is a peer out of step; the message was not accepted.
    return Decision(Outcome.DEFERRED, Scope.RELAY, reconnect=True)


def wants_login(reply: Reply, stage: Stage) -> bool:
    """Tell whether a relay refuses a transaction since we are not, or no more, logged in."""
    return stage is Stage.MAIL and reply.code in AUTHENTICATION_CODES


def _scope(reply: Reply, stage: Stage) -> Scope:
    if stage is Stage.CONNECTION or reply.code == 421:
        return Scope.RELAY
    if stage is Stage.RCPT:
        # RFC 3463 §3.8: X.7.X is about policy and security, not about the mailbox.
        return Scope.MESSAGE if reply.enhanced_code[2:4] == "7." else Scope.RECIPIENT
    # RFC 3463 §3.2: X.1.1 to X.1.6 speak of the recipient's address wherever they stand.
    if reply.enhanced_code in DEAD_CODES or reply.enhanced_code[1:4] == ".2.":
        return Scope.RECIPIENT
    return Scope.MESSAGE


def _reason(reply: Reply, scope: Scope, *, dead: bool) -> RefusalReason:
    """Say what a refusal is about: what the circuit breaker holds a mailing against."""
    if dead:
        return RefusalReason.ADDRESS
    # RFC 3463 §3.8: X.7.X is security or policy: every other mail may meet the same.
    if reply.enhanced_code.startswith("5.7."):
        return RefusalReason.SPAM
    if reply.enhanced_code in _VAGUE and _SPAM_WORDS.search(reply.text):
        return RefusalReason.SPAM
    return RefusalReason.ADDRESS if scope is Scope.RECIPIENT else RefusalReason.OTHER
