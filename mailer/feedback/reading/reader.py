"""Read one message that came back, and say what it means.

In: its octets. Out: `Feedback`, frozen; never an exception, whatever the octets are, and in bounded
time. What machines wrote for machines counts first, then what mail systems wrote for people, then
what flufl.bounce finds. Nothing is looked up and nothing is changed. Standards: RFC 3464, RFC 6533,
RFC 5965, RFC 3834.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from mailer.feedback.reading.addresses import addresses_in
from mailer.feedback.reading.answers import is_auto_reply, is_opt_out
from mailer.feedback.reading.complaints import complaint_findings
from mailer.feedback.reading.delivery_status import Status, StatusReport, read_status_report
from mailer.feedback.reading.judging import Failure, judge
from mailer.feedback.reading.last_resort import addresses_of_last_resort
from mailer.feedback.reading.matching import MatchReaders, match_of
from mailer.feedback.reading.message import Part, parse
from mailer.feedback.reading.plain_reports import (
    address_of_nobody_else,
    block_of,
    plain_failures,
)
from mailer.feedback.reading.provider_notices import notice_findings
from mailer.feedback.reading.returned import Pieces, pieces_of
from mailer.model.feedback import Feedback, FeedbackClass, FeedbackFinding, FeedbackReason, Match

_DAEMONS = re.compile(
    r"mailer-?daemon|postmaster|poostmaster|mail[ ._-]?delivery|mail[ ._-]?system|mail administrator"
    r"|system administrator|mdaemon|mailmaster|daemon@|mail-?adm|^<?>?$",
    re.IGNORECASE,
)
#: What subjects of reports say, in the languages of mail systems.
_SUBJECTS = re.compile(
    r"deliver|undeliver|returned mail|returned to sender|failure|failed|mail error|mail system error"
    r"|not delivered|non remis|nondeliverable|processing error|warning: could not send|bounce"
    r"|unzustellbar|nicht zugestellt|fehlgeschlagen|échec|no se puede entregar|no entregado|não entreg"
    r"|mancato recapito|impossibile recapitare|nelivrat|не доставлено|недоставлен|не може бути доставлен"
    r"|メールエラー|配信不能|エラー|传输失败|投递失败|退信|rejected|blocked",
    re.IGNORECASE,
)
#: What reports begin with, in words.
_WORDS = re.compile(
    r"could not be delivered|could not deliver|couldn't be delivered|unable to deliver|not be delivered"
    r"|was not delivered|wasn't delivered|delivery (?:has )?failed|delivery failure|delivery problem"
    r"|did not reach|following address(?:es)? failed|returned mail|undeliverable|не может быть доставлено"
    r"|送信できませんでした|配信できません|无法发送|konnte nicht zugestellt|n'a pas pu être remis"
    r"|no se ha podido entregar",
    re.IGNORECASE,
)
#: What a mail system speaks of when it reports, and hardly in anything else it writes.
_SIGNS = re.compile(
    r"deliver|error|fail|reject|доставл|доставк|配信|送信|退信|投递|zustell|remis\b|entreg|recapit|consegn"
    r"|livr[aă]|dostarcz|doru[cč]|bezorg|teslim|(?<![\d.])[45]\.\d\.\d{1,3}(?![\d.])",
    re.IGNORECASE,
)
#: A report that goes on trying.
_DELAY = re.compile(
    r"warning message only|this is a warning only|(?:has been|is) delayed|will be retried|still being retried"
    r"|delivery delayed|not yet been delivered|not yet received|continue to (?:try|attempt)"
    r"|will continue (?:trying|to be made)|has been postponed|will keep trying|no need to resend"
    r"|delivery attempts will continue|only a notification about a delay|do not need to resend",
    re.IGNORECASE,
)
_DELAY_SUBJECT = re.compile(
    r"\bdelay|warning: could not send|warning\b.{0,40}deliver", re.IGNORECASE
)
_FINAL = re.compile(
    r"not going to try again|giving up|gave up|failed permanently|permanent error", re.I
)


def read(
    raw: bytes, readers: MatchReaders | None = None, envelope_recipients: Sequence[str] = ()
) -> Feedback:
    """Return what a message says.

    Args:
        raw: as it came.
        readers: of our tokens; without them nothing but an address can tie it to a mail.
        envelope_recipients: whom it was handed over for, where that is known.
    """
    message = parse(raw)
    pieces = pieces_of(message)
    reports = [read_status_report(text) for text in pieces.statuses]
    findings = _findings(message, pieces, reports)
    match = Match()
    if readers:
        match = match_of(
            message,
            pieces,
            [one.envelope_id for one in reports if one.envelope_id],
            [trace for one in reports for trace in one.traces],
            envelope_recipients,
            readers,
        )
    return Feedback(tuple(findings), match)


def _findings(
    message: Part, pieces: Pieces, reports: Sequence[StatusReport]
) -> list[FeedbackFinding]:
    found = complaint_findings(message, pieces) or notice_findings(pieces.words)
    if found:
        return found
    statuses = [one for report in reports for one in report.statuses]
    if statuses:
        failures = dict.fromkeys(_failures(statuses, message, pieces))
        return _once(judge(one) for one in failures)
    sender = next(iter(addresses_in(message.value("from"))), "")
    if not _is_from_a_mail_system(message):
        if is_opt_out(message, pieces.words):
            return [FeedbackFinding(sender, FeedbackClass.OPT_OUT)]
        if is_auto_reply(message):
            return [FeedbackFinding(sender, FeedbackClass.AUTO_REPLY)]
        return [FeedbackFinding(sender, FeedbackClass.NOT_A_REPORT)]
    return _told(message, pieces)


def _failures(statuses: Sequence[Status], message: Part, pieces: Pieces) -> list[Failure]:
    """Return the failures of a report for machines, with what its words say of the same people."""
    failures = []
    for one in statuses:
        words = block_of(pieces.words, one.recipient) if one.recipient else ""
        recipient = one.recipient
        if not recipient and len(statuses) == 1:
            recipient = next(iter(_named_in_header(message)), "") or _only_recipient(pieces)
        failures.append(
            Failure(
                recipient=recipient,
                original_recipient=one.original_recipient,
                action=one.action,
                status=one.status,
                diagnostic=one.diagnostic,
                words=words,
                is_own=bool(one.action) and not one.diagnostic and not one.remote,
                context=pieces.words if len(statuses) == 1 else "",
            )
        )
    return failures


def _told(message: Part, pieces: Pieces) -> list[FeedbackFinding]:
    """Return what a report says that only has words."""
    ours = {
        address.lower()
        for name in ("to", "from", "cc", "delivered-to", "x-original-to", "return-path", "reply-to")
        for value in message.values(name)
        for address in addresses_in(value)
    }
    failures = plain_failures(pieces.words, _named_in_header(message), ours)
    if not failures:
        others = addresses_of_last_resort(
            message.value("subject"), message.value("from"), pieces.words
        )
        others = [one for one in others if one.lower() not in ours]
        # Whom the returned mail was for is known; an address that stands just anywhere is a guess.
        meant = _only_recipient(pieces)
        others = (
            others or ([meant] if meant else address_of_nobody_else(pieces.words, ours)) or [""]
        )
        failures = [Failure(one, context=pieces.words) for one in others]
    findings = _once(judge(one) for one in failures)
    is_delay = bool(
        (_DELAY.search(pieces.words) or _DELAY_SUBJECT.search(message.value("subject")))
        and not _FINAL.search(pieces.words)
    )
    if not is_delay:
        return findings
    return [
        replace(one, kind=FeedbackClass.DELAYED, reason=FeedbackReason.NONE)
        if one.kind is FeedbackClass.SOFT
        else one
        for one in findings
    ]


def _is_from_a_mail_system(message: Part) -> bool:
    """Tell whether a mail system wrote a message: by who sent it, and what it calls itself."""
    if message.values("x-failed-recipients"):
        return True
    if "delivery-status" in message.parameters.get("report-type", ""):
        return True
    subject = message.value("subject")
    calls_itself_so = bool(_SUBJECTS.search(subject) or _DELAY_SUBJECT.search(subject))
    tells_so = bool(_WORDS.search(_beginning(message)))
    if _DAEMONS.search(message.value("from").strip()):
        says_something = _SIGNS.search(f"{subject} {_beginning(message)}")
        return calls_itself_so or tells_so or bool(says_something)
    # RFC 3834 §3.3: answers, too, have a null return path; only reports say what they are.
    is_returned = message.value("return-path").strip().upper() in (
        "<>",
        "<MAILER-DAEMON>",
    ) or any(part.kind == "message/rfc822" for part in message.walk())
    if is_returned and not is_auto_reply(message):
        return calls_itself_so or tells_so
    # A person who answers quotes what we say, and may speak of mail that did not arrive.
    return calls_itself_so and tells_so and not message.values("in-reply-to")


def _beginning(message: Part) -> str:
    part = next((one for one in message.walk() if one.kind == "text/plain"), message)
    return " ".join(part.text[:2000].lower().split())


def _named_in_header(message: Part) -> list[str]:
    return [one for value in message.values("x-failed-recipients") for one in addresses_in(value)]


def _only_recipient(pieces: Pieces) -> str:
    """Return whom the returned mail was for, where that is one address: ours always are."""
    named = {one for value in pieces.returned_values("to") for one in addresses_in(value)}
    return named.pop() if len(named) == 1 else ""


def _once(findings: Iterable[FeedbackFinding]) -> list[FeedbackFinding]:
    """Return findings, the most telling one of each recipient."""
    best: dict[str, FeedbackFinding] = {}
    for one in findings:
        key = one.recipient.lower()
        known = best.get(key)
        if known is None or (
            known.reason is FeedbackReason.UNCLEAR and one.reason is not FeedbackReason.UNCLEAR
        ):
            best[key] = one
    return list(best.values())
