"""Find the mail of ours that a message is about.

In: a message in pieces, and who reads our tokens. Out: a `Match`: by the token in a return path, then
by the envelope id, then by our Message-ID. None of them can be guessed, so a report that holds one is
about that mail, whoever wrote it; an address alone can be written by anybody. Standards: RFC 3464
§2.2.1, RFC 5965 §6.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from mailer.feedback.reading.message import Part
from mailer.feedback.reading.returned import Pieces
from mailer.model.feedback import Match, MatchedBy
from mailer.tokens import (
    FEEDBACK_TOKEN_CHARACTERS,
    RETURN_PATH_TOKEN_CHARACTERS,
    BadToken,
)

#: Whom a message was for, as mail systems note it.
_TO = (
    "delivered-to",
    "x-original-to",
    "envelope-to",
    "x-envelope-to",
    "x-delivered-to",
    "to",
    "resent-to",
    "x-rcpt-to",
    "apparently-to",
    "cc",
)
#: Fields of a returned mail in which its return path stands.
_RETURN_PATHS = ("return-path", "x-envelope-from", "envelope-from", "x-original-return-path")
_MESSAGE_IDS = ("message-id", "x-original-message-id", "resent-message-id")
#: Fields of the report itself that name the mail it answers.
_ANSWERED = ("in-reply-to", "references", "x-failed-message-id", "original-message-id")
_LONGEST_VALUE = 2000
#: So many candidates of a kind are tried: reading one costs a decryption.
_MOST_TRIED = 30

_BASE32 = re.compile(
    rf"(?<![A-Za-z0-9])([A-Za-z0-9][A-Za-z2-7]{{{RETURN_PATH_TOKEN_CHARACTERS - 1}}})(?![A-Za-z0-9])"
)
_BASE64URL = re.compile(
    rf"(?<![A-Za-z0-9_-])([A-Za-z0-9_-]{{{FEEDBACK_TOKEN_CHARACTERS}}})(?![A-Za-z0-9_-])"
)


class TokenReader(Protocol):
    """What of `mailer.tokens` reads the tokens of one kind of mail."""

    def read_feedback(self, token: str) -> int:
        """Return the id of the mail whose return path or envelope id holds the token."""

    def read_message_id(self, left_side: str) -> int:
        """Return the id of the mail whose Message-ID begins so."""


class MatchReaders:
    """Who reads the tokens of deliveries, and who those of service mails."""

    def __init__(self, deliveries: TokenReader, service_mails: TokenReader) -> None:
        self._deliveries = deliveries
        self._service_mails = service_mails

    def feedback(self, token: str, by: MatchedBy) -> Match | None:
        """Return the mail of a return path's or envelope id's token; None when it is not ours."""
        return _read(token, by, self._deliveries.read_feedback, self._service_mails.read_feedback)

    def message_id(self, token: str) -> Match | None:
        """Return the mail of the left side of a Message-ID; None when it is not ours."""
        return _read(
            token,
            MatchedBy.MESSAGE_ID,
            self._deliveries.read_message_id,
            self._service_mails.read_message_id,
        )


def _read(
    token: str, by: MatchedBy, delivery: Callable[[str], int], service: Callable[[str], int]
) -> Match | None:
    try:
        return Match(by, delivery_id=delivery(token))
    except BadToken:
        pass
    try:
        return Match(by, service_id=service(token))
    except BadToken:
        return None


def match_of(
    message: Part,
    pieces: Pieces,
    envelope_ids: Sequence[str],
    traces: Sequence[str],
    envelope_recipients: Sequence[str],
    readers: MatchReaders,
) -> Match:
    """Return which mail of ours a message is about.

    Args:
        message: as parts.
        pieces: of it.
        envelope_ids: values of Original-Envelope-Id.
        traces: values of status fields that may hold our return path or Message-ID.
        envelope_recipients: whom the message was handed over for, where that is known.
        readers: of tokens.
    """
    recipients = [*envelope_recipients, *_values(message.fields, _TO)]
    return_paths = [*_values(pieces.returned, _RETURN_PATHS), *traces]
    for token in _tokens(_BASE32, [*recipients, *return_paths]):
        found = readers.feedback(token, MatchedBy.VERP)
        if found:
            return found
    for pattern in (_BASE64URL, _BASE32):
        for token in _tokens(pattern, envelope_ids):
            found = readers.feedback(token, MatchedBy.ENVID)
            if found:
                return found
    message_ids = [
        *_values(pieces.returned, _MESSAGE_IDS),
        *traces,
        *_values(message.fields, _ANSWERED),
        pieces.words,
    ]
    for token in _tokens(_BASE32, message_ids, longest=len(pieces.words) + _LONGEST_VALUE):
        found = readers.message_id(token)
        if found:
            return found
    return Match()


def _values(fields: Iterable[tuple[str, str]], names: Sequence[str]) -> list[str]:
    given = list(fields)
    return [value for wanted in names for name, value in given if name == wanted]


def _tokens(
    pattern: re.Pattern[str], values: Iterable[str], longest: int = _LONGEST_VALUE
) -> Iterator[str]:
    tried: set[str] = set()
    for value in values:
        for found in pattern.finditer(value[:longest]):
            if found[1] in tried:
                continue
            if len(tried) >= _MOST_TRIED:
                return
            tried.add(found[1])
            yield found[1]
