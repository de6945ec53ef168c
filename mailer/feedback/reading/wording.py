"""Look the words of a failure up in the tables of phrases.

In: the words of one failure. Out: the reason they give, whether it is certain, the reply's codes and
what the reply answered. Standards: RFC 5321 §4.2 (replies), RFC 2034 §4 and RFC 3463 (enhanced
codes).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from typing import Literal

from mailer.feedback.reading.addresses import ADDRESS
from mailer.feedback.reading.phrases import TABLES
from mailer.feedback.reading.table import Phrases
from mailer.model.feedback import FeedbackReason as Reason

#: Of the words of one failure, the first so many characters are looked at.
LONGEST_FAILURE = 1000

#: Which of several reasons in one text holds, the first one first: what is said of the mail or its
#: sender explains why the mailbox was refused, and not the other way round.
_PRECEDENCE = (
    Reason.NEEDS_SMTPUTF8,
    Reason.AUTHENTICATION,
    Reason.TOO_MUCH,
    Reason.SENDER_REFUSED,
    Reason.RELAYING,
    Reason.BLOCKED_AS_SPAM,
    Reason.TOO_BIG,
    Reason.MAILBOX_FULL,
    Reason.DISABLED,
    Reason.MOVED,
    Reason.MALFORMED,
    Reason.UNKNOWN_USER,
    Reason.UNKNOWN_DOMAIN,
    Reason.POLICY,
    Reason.EXPIRED,
    Reason.DNS,
    Reason.NETWORK,
    Reason.SYSTEM,
)
#: What stands before words that do not hold: "is not listed on".
_NEGATIONS = ("not ", "n't ")
#: Shorter phrases are whole words.
_SHORT = 5
_MIDDLE = re.compile(r"\b[245]\d\d-\s{0,3}(?:#?[245]\.\d{1,3}\.\d{1,3}\b)?")
_ENHANCED = re.compile(r"(?<![\d.])#?([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)")
_REPLY = re.compile(r"(?<![\w./-])(?<!\]:)([245]\d\d)(?=[ :;,\]-]|$)")
_MAILBOX = re.compile(rf"<?{ADDRESS}>?")


class Stage(StrEnum):
    """What a reply answered, as far as the report tells."""

    UNTOLD = ""
    CONNECTION = "connection"
    MAIL = "mail"
    RCPT = "rcpt"
    #: DATA, or the end of the content.
    CONTENT = "content"


_STAGES = (
    (
        Stage.RCPT,
        re.compile(
            r"reply to rcpt|progress was rcpt to|after (?:an? )?rcpt|after sending rcpt|does not like recipient"
            r"|\[?rcpt_to\]|smtp:rcpt|like our rcpt|rcpt to generated|response to rcpt"
            r"|recipient address rejected:|smtp command:? rcpt|has rejected address"
            r"|following rcpt|while sending rcpt|\(state 1[34]\)"
            # A transcript: the command, and the refusal that came for it and no other.
            r"|rcpt to: ?<[^<>]{0,200}>[^<>\d]{0,40}5\d\d\b|rcpt to:? ?<[^<>]{0,200}>[^<>]{0,40}<[<-]{1,2} ?5"
            r"|rejected command '?rcpt|error (?:response )?to rcpt|in response to rcpt|rcpt command"
        ),
    ),
    (
        Stage.MAIL,
        re.compile(
            r"reply to mail|after (?:an? )?mail from|like our mail|does not like sender"
            r"|\[mail_from\]|following mail from|\(state (?:9|12)\)|smtp:mail|smtp command:? mail|rejected mail from"
        ),
    ),
    (
        Stage.CONTENT,
        re.compile(
            r"reply to (?:end of )?data|after (?:the )?(?:end of )?data|like our (?:final )?data"
            r"|following data|\(state 1[5-9]\)|after i sent the message|smtp command:? data|\[data\]|smtp:data"
        ),
    ),
    (
        Stage.CONNECTION,
        re.compile(
            r"refused to talk to me|initial (?:server )?greeting|after initial connection"
            r"|reply to (?:ehlo|helo)|after (?:ehlo|helo)|connect to \S{1,200} "
        ),
    ),
)


#: Words about the sender, where mail comes from or a state that passes, and not about the address.
_ABOUT_ELSE = re.compile(
    r"\bsend(?:er|ers|ing)\b|\boriginator|\breturn address|\benvelope\b|\bhelo\b|\bauthenticat|\bwhite-?list"
    r"|\byour (?:(?:e-?mail )?address\b(?! book)|account|ip|server|host|domain|country|network|isp|provider)"
    r"|\btemporar|\blater\b|\btime-?out|\bloop|\bldap\b|\boverload|\bbusy\b"
)
#: Words about the mail, which count where no others are known.
_ABOUT_MAIL = re.compile(
    r"\byour? (?:message|mail|e-?mail|access|client|are )"
    r"|\b(?:message|mail|e-?mail|content|connection|delivery|transaction) (?:(?:was|has been|is|were) )?"
    r"(?:not accepted|rejected|refused|blocked|denied|bounced|not allowed|unwanted)"
    r"|\b(?:blocked|rejected|refused|denied|dropped) (?:by|for|due|because|as) |\bnot accept\w* (?:any )?\w*mail from"
)


@dataclass(frozen=True)
class Wording:
    """What the words of a failure say."""

    reason: Reason
    #: A mail system says it of its own mailboxes, or of what it looked up itself.
    is_certain: bool
    #: Three digits; 0 when there is none.
    smtp_code: int
    #: RFC 3463; "" when there is none.
    enhanced_code: str
    stage: Stage
    #: They speak of something else as well, so that it is in doubt who is not there.
    is_in_doubt: bool = False


# A report of many recipients says the same of most, and the same stands round all of them.
@lru_cache(maxsize=8)
def read_wording(words: str) -> Wording:
    """Return what the words of one failure say."""
    text = " ".join(words[:LONGEST_FAILURE].split())
    if not text:
        return Wording(Reason.UNCLEAR, False, 0, "", Stage.UNTOLD)
    enhanced = _enhanced(text)
    replies = [int(one[1]) for one in _REPLY.finditer(text)]
    # A transcript of the session has replies before the one that failed.
    code = next((one for one in replies if one >= 400), replies[0] if replies else 0)
    plain = _MAILBOX.sub("@", _MIDDLE.sub(" ", text)).lower().replace("’", "'")
    # A blank at its end, so that a phrase may ask for the end of a sentence.
    plain = " ".join(plain.split()) + " "
    lowered = text.lower()
    stage = next((stage for stage, sign in _STAGES if sign.search(lowered)), Stage.UNTOLD)
    overruling = _first(_lookup("overruling"), plain)
    if overruling is not Reason.UNCLEAR:
        return Wording(overruling, False, code, enhanced, stage)
    certain = _first(_lookup("certain"), plain)
    reason = _first(_lookup("words"), plain)
    if certain is not Reason.UNCLEAR and _stands_before(certain, reason):
        return Wording(certain, True, code, enhanced, stage)
    is_in_doubt = bool(
        _ABOUT_ELSE.search(plain) or (reason is Reason.UNCLEAR and _ABOUT_MAIL.search(plain))
    )
    return Wording(reason, False, code, enhanced, stage, is_in_doubt)


def _enhanced(text: str) -> str:
    """Return the enhanced code of a text, the first one of a failure that says more than that."""
    found = [one[1] for one in _ENHANCED.finditer(text)]
    failed = [one for one in found if one[0] != "2"]
    telling = [one for one in failed if not one.endswith(".0.0")]
    return (telling or failed or found or [""])[0]


def _stands_before(one: Reason, other: Reason) -> bool:
    return other is Reason.UNCLEAR or _PRECEDENCE.index(one) <= _PRECEDENCE.index(other)


#: Phrases by their first word: where that is missing, so are they all.
_ByFirstWord = Sequence[tuple[str, tuple[str, ...]]]
_Lookup = Sequence[tuple[Reason, _ByFirstWord, re.Pattern[str] | None]]


@cache
def _lookup(which: Literal["words", "certain", "overruling"]) -> _Lookup:
    merged: dict[Reason, dict[str, None]] = {reason: {} for reason in _PRECEDENCE}
    for table in TABLES:
        phrases_by_reason: Phrases = getattr(table, which)
        for reason, phrases in phrases_by_reason.items():
            merged[reason].update(dict.fromkeys(phrases))
    found = []
    for reason, given in merged.items():
        phrases = tuple(given)
        plain = defaultdict(list)
        for one in phrases:
            if "*" not in one and one[0] != "^" and len(one) >= _SHORT:
                plain[one.split(" ")[0]].append(one)
        patterns = [
            r"[^\n]{0,80}?".join(re.escape(piece) for piece in one.split("*"))
            for one in phrases
            if "*" in one
        ]
        patterns += [rf"\A{re.escape(one[1:])}" for one in phrases if one[0] == "^"]
        patterns += [rf"{re.escape(one)}(?![a-z0-9])" for one in phrases if len(one) < _SHORT]
        joined = (
            re.compile(rf"(?<![a-z0-9])(?<!not )(?<!n't )(?:{'|'.join(patterns)})")
            if patterns
            else None
        )
        found.append((reason, [(word, tuple(them)) for word, them in plain.items()], joined))
    return found


def _first(lookup: _Lookup, text: str) -> Reason:
    for reason, by_first_word, pattern in lookup:
        found = [
            one for word, phrases in by_first_word if word in text for one in phrases if one in text
        ]
        if (found and any(_has(text, one) for one in found)) or (pattern and pattern.search(text)):
            return reason
    return Reason.UNCLEAR


def _has_words(character: str) -> bool:
    """Tell whether a character is of a script that parts its words: Chinese and Japanese do not."""
    return character.isdigit() or character.lower() != character.upper()


def _has(text: str, phrase: str) -> bool:
    """Tell whether a phrase stands in a text: from the beginning of a word on, and not negated."""
    at = text.find(phrase)
    while at > 0 and (
        (_has_words(phrase[0]) and _has_words(text[at - 1])) or text.endswith(_NEGATIONS, 0, at)
    ):
        at = text.find(phrase, at + 1)
    return at >= 0
