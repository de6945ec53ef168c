"""Take in what comes back: a message as it came, or what a webhook tells.

In: octets and whom they were for, or events. Out: what was done, for the caller, who passes letters
on and leaves alone what is not understood. An event is written once with its octets in a box, and
acted on in the same transaction: a second time, or a second copy, changes nothing. Standards:
RFC 3464, RFC 3834, RFC 5321 §4.5.5, RFC 5965.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime

from mailer.alerts import raise_alert
from mailer.audience.addresses import BadAddress, normalize_address
from mailer.box import SmallBoxes
from mailer.clock import Clock
from mailer.events import emit, failed
from mailer.feedback.acting import Told, act
from mailer.feedback.reading.matching import MatchReaders
from mailer.feedback.reading.message import OCTETS_READ, Part, parse, with_line_feeds
from mailer.feedback.reading.reader import read
from mailer.feedback.unsubscribe import unsubscribe
from mailer.keys import ServiceKeys
from mailer.model.alerts import AlertKind
from mailer.model.audience import UnsubscriptionSource
from mailer.model.feedback import (
    UNSUBSCRIBE_LOCAL_PART,
    Event,
    Feedback,
    FeedbackClass,
    FeedbackFinding,
    Match,
    MatchedBy,
    Taken,
)
from mailer.model.feedback_policy import SoftLimits
from mailer.store.engine import Connection, Store
from mailer.store.feedback import MAIL_SOURCE, end_event, hook_source, store_event
from mailer.store.settings import FEEDBACK_BOX_KEY, read_setting
from mailer.store.suppression_log import FILE_NAME, LogNotWritten, SuppressionLog
from mailer.tokens import (
    UNSUBSCRIBE_IN_MAIL_CHARACTERS,
    BadToken,
    PersonToken,
    Purpose,
    ServiceTokens,
    Tokens,
)

#: Whom a message was for, as it says itself. Cc is not among them: people copy what they like.
_TO = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-delivered-to", "to")
_UNSUBSCRIBE = re.compile(
    rf"(?<![\w.+-]){UNSUBSCRIBE_LOCAL_PART}\+"
    rf"([a-z0-9][a-z2-7]{{{UNSUBSCRIBE_IN_MAIL_CHARACTERS - 1}}})@",
    re.IGNORECASE,
)
_LONGEST_VALUE = 2_000
_MOST_TRIED = 30
#: What mail systems write at the top of each copy, so that two copies differ in it. What ties the
#: report to a mail of ours may stand there, and is part of the event's id by itself.
_TRACE = (
    "authentication-results|content-length|delivered-to|envelope-to|lines|received|return-path"
    "|status|x-delivered-to|x-envelope-[a-z]+|x-keywords|x-mozilla-[a-z0-9-]+|x-original-to"
    "|x-status|x-uid"
)
_TRACE_FIELD = re.compile(rf"(?im)^(?:{_TRACE})[ \t]*:.*\n(?:[ \t].*\n)*")
#: What a program or a person answered is nothing that a webhook may have us keep.
_NOT_KEPT = frozenset({FeedbackClass.AUTO_REPLY, FeedbackClass.NOT_A_REPORT})
_PERSONS = frozenset({FeedbackClass.NOT_A_REPORT, FeedbackClass.OPT_OUT})


class Taker:
    """Takes in what comes back, for one workspace; safe in several processes at once."""

    def __init__(
        self,
        store: Store,
        keys: ServiceKeys,
        log: SuppressionLog,
        clock: Clock,
        limits: SoftLimits,
    ) -> None:
        """Keep what it works with; it needs no `seal.key`.

        Args:
            store: the database.
            keys: of digests and tokens.
            log: keeps who is suppressed beside the database.
            clock: says when.
            limits: how many soft bounces are too many.
        """
        self._store = store
        self._keys = keys
        self._tokens = Tokens(keys)
        self._readers = MatchReaders(self._tokens, ServiceTokens(keys))
        self._log = log
        self._clock = clock
        self._limits = limits

    def take(
        self,
        raw: bytes,
        envelope_recipients: Sequence[str] = (),
        envelope_sender: str | None = None,
    ) -> Taken:
        """Take in one message, and say what was done and what is left to the caller.

        Args:
            raw: as it came.
            envelope_recipients: whom it was handed over for, where that is known.
            envelope_sender: its return path, "" for the null one; None where it is not known.

        Raises:
            StoreUnavailable: when the database does not answer: try again later.
            LogNotWritten: when `suppressions.log` cannot be written: try again later.
        """
        if not raw.strip():
            return Taken.IGNORED
        message = parse(raw)
        feedback = read(raw, self._readers, envelope_recipients)
        kinds = {one.kind for one in feedback.findings}
        if kinds == {FeedbackClass.AUTO_REPLY}:
            # RFC 3834 §5: "auto-generated" answers nobody: a mail program may ask so for its owner.
            asks = message.value("auto-submitted").strip().lower().startswith("auto-generated")
            if not asks or _has_null_sender(message, envelope_sender):
                return Taken.IGNORED
            person = self._person_who_leaves(message, envelope_recipients)
            return Taken.IGNORED if person is None else self._unsubscribe(person)
        if not kinds <= _PERSONS or message.kind == "multipart/report":
            return self._record(raw, feedback)
        if _has_null_sender(message, envelope_sender):
            # No person sent it, so nobody's wish is in it. It may well be a vacation notice in words
            # that are not known: its content is not kept.
            unread = Feedback((FeedbackFinding("", FeedbackClass.NOT_A_REPORT),))
            return self._record(raw, unread, keep=False)
        person = self._person_who_leaves(message, envelope_recipients)
        if person is not None:
            return self._unsubscribe(person)
        if FeedbackClass.NOT_A_REPORT in kinds or feedback.match.by is MatchedBy.NOTHING:
            return Taken.LETTER
        return self._record(raw, feedback)

    def take_events(self, events: Sequence[Event], body: bytes) -> int:
        """Take in what one request to a webhook told; return how many of its events are new.

        Args:
            events: as `receive` gives them.
            body: of the request.

        Raises:
            StoreUnavailable: when the database does not answer: the provider is to try again.
            LogNotWritten: when `suppressions.log` cannot be written: likewise.
        """
        new = 0
        for one in events:
            if one.kind in _NOT_KEPT:
                continue
            match = self._match_of(one)
            finding = FeedbackFinding(
                one.recipient,
                one.kind,
                one.reason,
                status=one.status,
                diagnostic=one.diagnostic,
            )
            taken = self._take_event(
                hook_source(one.source), one.event_id, body, Feedback((finding,), match), one.at
            )
            new += taken is Taken.RECORDED
        return new

    def _match_of(self, event: Event) -> Match:
        for token in event.tokens:
            found = self._readers.feedback(token, MatchedBy.VERP)
            if found:
                return found
        found = self._readers.message_id(event.message_id.partition("@")[0])
        return found or Match()

    def _person_who_leaves(
        self, message: Part, envelope_recipients: Sequence[str]
    ) -> PersonToken | None:
        """Return whose unsubscribe address a message was sent to; it is the token that counts."""
        recipients = [*envelope_recipients, *(v for name in _TO for v in message.values(name))]
        tried = 0
        for value in recipients:
            for found in _UNSUBSCRIBE.finditer(value[:_LONGEST_VALUE]):
                tried += 1
                if tried > _MOST_TRIED:
                    return None
                try:
                    return self._tokens.read_unsubscribe_in_mail(found[1])
                except BadToken:
                    continue
        return None

    def _unsubscribe(self, person: PersonToken) -> Taken:
        token = self._tokens.person(Purpose.UNSUBSCRIBE, person.delivery_id, person.supporter_id)
        done = unsubscribe(
            self._store,
            self._tokens,
            token,
            UnsubscriptionSource.MAIL,
            self._clock.now(),
            self._log,
        )
        if not done.logged:
            # They are out; the message is kept until no restored database can bring them back.
            raise LogNotWritten("its line is not on the disk yet")
        if done.left:
            emit("unsubscribed", delivery_id=person.delivery_id, lists=done.left, source="mail")
        return Taken.UNSUBSCRIBED

    def _record(self, raw: bytes, feedback: Feedback, *, keep: bool = True) -> Taken:
        event_id = _event_id(raw, feedback.match)
        kept = raw[:OCTETS_READ] if keep else None
        return self._take_event(MAIL_SOURCE, event_id, kept, feedback, self._clock.now())

    def _take_event(
        self,
        source: str,
        event_id: str,
        raw: bytes | None,
        feedback: Feedback,
        happened_at: datetime,
    ) -> Taken:
        now = self._clock.now()
        try:
            with self._store.write() as connection:
                event = store_event(connection, source, event_id, now, _boxed(connection, raw))
                if event.is_processed:
                    return Taken.UNREAD if event.is_unread else Taken.KNOWN
                told = Told(event.row_id, feedback, happened_at)
                lines = act(connection, told, self._digest_of, self._limits, now)
                # On the disk before the commit: no database put back from a copy mails them again.
                self._log.append(lines)
                end_event(connection, event.row_id, now)
        except LogNotWritten as error:
            failed("suppressions.log cannot be written: mend it now", reason=error.reason)
            self._keep_waiting(source, event_id, raw, now, error.reason)
            raise
        for one in feedback.findings:
            emit(
                "came back",
                source=source,
                kind=one.kind.value,
                reason=one.reason.value,
                matched_by=feedback.matched_by(one).value,
                **_about(feedback.match),
            )
        is_unread = all(
            feedback.matched_by(one) is MatchedBy.NOTHING
            and one.kind is not FeedbackClass.AUTHENTICATION_REPORT
            for one in feedback.findings
        )
        return Taken.UNREAD if is_unread else Taken.RECORDED

    def _keep_waiting(
        self, source: str, event_id: str, raw: bytes | None, now: datetime, reason: str
    ) -> None:
        """Write an event that cannot be acted on yet, and tell staff why."""
        with self._store.write() as connection:
            store_event(connection, source, event_id, now, _boxed(connection, raw))
            raise_alert(connection, AlertKind.LOG_NOT_WRITTEN, FILE_NAME, now, reason=reason)

    def _digest_of(self, address: str) -> bytes | None:
        try:
            return self._keys.address_digest(normalize_address(address).normal_form)
        except BadAddress:
            return None


def _about(match: Match) -> dict[str, int]:
    if match.delivery_id is not None:
        return {"delivery_id": match.delivery_id}
    return {} if match.service_id is None else {"service_mail": match.service_id}


def _boxed(connection: Connection, raw: bytes | None) -> bytes | None:
    """Return octets that only `seal.key` opens; None where its public half is not known yet."""
    public = read_setting(connection, FEEDBACK_BOX_KEY) if raw is not None else None
    return SmallBoxes.of_public(public).close(raw) if public and raw is not None else None


def _has_null_sender(message: Part, envelope_sender: str | None) -> bool:
    """Tell whether no person sent a message: RFC 5321 §4.5.5, reports have the null return path."""
    if envelope_sender is not None and envelope_sender.strip() in ("", "<>"):
        return True
    # Postfix hands this name to a command where the path is null.
    return message.value("return-path").strip().upper() in ("<>", "<MAILER-DAEMON>")


def _event_id(raw: bytes, match: Match) -> str:
    """Return what two copies of a message share, whatever way and with whatever line ends they came."""
    text = with_line_feeds(raw[:OCTETS_READ].decode("latin-1"))[: OCTETS_READ // 2].strip("\n")
    if text.startswith(("From ", ">From ")):
        text = text.partition("\n")[2]
    head, _, body = text.partition("\n\n")
    head = _TRACE_FIELD.sub("", head + "\n")
    said = f"{match.delivery_id}|{match.service_id}\n{head}\n{body}"
    return hashlib.sha256(said.encode("latin-1", "replace")).hexdigest()
