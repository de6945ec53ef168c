"""Pass on what people wrote to the return path of a mail: to where the sender reads answers.

In: a letter, and whom it came for. Out: a service mail from our own address, since a mail that
claimed to come from the writer would be a forgery to every receiver; its Reply-To is the writer. What
programs wrote, and what we passed on ourselves, is not passed on. Standards: RFC 3834 §2 and §5 (no
loops), RFC 9989 (whose From a mail may bear).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta

from mailer.app.service import digest_of, write_service
from mailer.app.workspace import Workspace
from mailer.audience.addresses import BadAddress, normalize_address
from mailer.compose.headers import UnfitForHeader
from mailer.compose.service import ServiceText
from mailer.compose.wire import MalformedMail
from mailer.events import emit
from mailer.feedback.intake.handling import Handled, NotNow, is_cut
from mailer.feedback.reading.addresses import addresses_in
from mailer.feedback.reading.message import OCTETS_READ, Part, parse, with_line_feeds
from mailer.keys import KeyFileError
from mailer.model.characters import printable
from mailer.model.faults import FaultsFound
from mailer.model.mailing import Sender
from mailer.model.service import ServicePurpose
from mailer.store.engine import Connection, WrongKeys
from mailer.store.service_mails import count_service_since
from mailer.tokens import BadToken, ServiceTokens

#: More than this in an hour, from one writer or from all, and the rest is kept for a person: nobody
#: floods a mailbox by way of us.
MOST_FROM_ONE, MOST_IN_ALL = 5, 60
_WITHIN = timedelta(hours=1)
#: Fields that tell whom a message came for.
_TO = ("delivered-to", "x-original-to", "envelope-to", "to", "cc")
#: Precedence of what programs send to many.
_BULK = frozenset({"bulk", "junk", "list"})
_LONGEST_SUBJECT, _LONGEST_FIELD, _LONGEST_TEXT = 160, 300, 64 * 1024

_BEGIN = """\
Somebody wrote to the return path of your mails, where only mail servers write. The letter is passed
on to you. Your answer goes to who wrote it, if that is who it claims to be.
"""
_CUT = f"""\
The letter was longer than {OCTETS_READ // 1024} kB. Only its text is here, nothing that was attached to it.
"""


def pass_on(workspace: Workspace, raw: bytes, recipients: Sequence[str]) -> Handled:
    """Write the service mail that passes a letter on; a second time writes none.

    Args:
        workspace: whose it is.
        raw: the letter, at most a little more than is read of a message.
        recipients: of its envelope, as far as they are known.

    Raises:
        NotNow: when there is no key to seal it with, or no relay that may take it.
        StoreUnavailable: when the database does not answer; nothing is written then.
    """
    letter = parse(raw)
    sender = _sender_for(workspace, letter, recipients)
    if sender is None:
        raise NotNow("there is no sender in config.toml to whom it could go")
    why_not = _why_not(workspace, letter)
    if why_not:
        emit("letter not passed on", reason=why_not)
        return Handled.DONE
    address = sender.reply_to or sender.address
    writer = _writer(letter)
    if _is_our_own(workspace, writer):
        # Who reads the answers wrote to the return path: it would come back to them.
        return Handled.UNREAD
    try:
        # Opened before the database is written: that they belong to it is looked up there.
        _ = workspace.seal_keys, workspace.service_keys
    except (KeyFileError, WrongKeys) as error:
        raise NotNow(str(error)) from error
    by_writer = f"letter-{digest_of(workspace, writer).hex()[:16] if writer else 'nobody'}-"
    digest = hashlib.sha256(with_line_feeds(raw.decode("latin-1")).encode("latin-1")).hexdigest()
    since = workspace.clock.now() - _WITHIN
    with workspace.store.write() as connection:
        for begins, most in ((by_writer, MOST_FROM_ONE), ("letter-", MOST_IN_ALL)):
            purpose = ServicePurpose.FORWARDED_REPLY
            if count_service_since(connection, purpose, begins, since) >= most:
                emit("letter kept: too many came within an hour")
                return Handled.UNREAD
        said = _said(letter, raw, writer)
        return _write(workspace, connection, said, sender, address, f"{by_writer}{digest[:32]}")


def _sender_for(workspace: Workspace, letter: Part, recipients: Sequence[str]) -> Sender | None:
    """Return the sender of the domain that a letter came to; else the first."""
    by_domain = {one.return_path_domain: one.key for one in reversed(workspace.config.senders)}
    named = [*recipients, *(value for name in _TO for value in letter.values(name))]
    for address in (one for value in named for one in addresses_in(value)):
        key = by_domain.get(address.rpartition("@")[2].lower())
        if key:
            return workspace.config.sender(key)
    first = next(iter(workspace.config.senders), None)
    return workspace.config.sender(first.key) if first else None


def _why_not(workspace: Workspace, letter: Part) -> str:
    """Return why nobody need read a letter; "" when somebody should."""
    # RFC 3834 §5: whatever is not "no" was written by a program, ours too.
    if letter.value("auto-submitted").partition(";")[0].strip().lower() not in ("", "no"):
        return "a program wrote it"
    if letter.value("precedence").strip().lower() in _BULK or letter.values("list-id"):
        return "it was sent to many"
    tokens = ServiceTokens(workspace.service_keys)
    return "we sent it ourselves" if _is_service_mail(tokens, letter) else ""


def _is_service_mail(tokens: ServiceTokens, letter: Part) -> bool:
    left = letter.value("message-id").strip("<> ").partition("@")[0]
    try:
        tokens.read_message_id(left)
    except BadToken:
        return False
    return True


def _writer(letter: Part) -> str:
    """Return where an answer goes, in the form that addresses have here; "" for nowhere."""
    for name in ("reply-to", "from"):
        for one in addresses_in(letter.value(name))[:1]:
            try:
                return normalize_address(one).address
            except BadAddress:
                continue
    return ""


def _is_our_own(workspace: Workspace, writer: str) -> bool:
    own = {
        address.lower()
        for one in workspace.config.senders
        for address in (one.address, one.reply_to, one.return_path_address)
        if address
    }
    domains = {one.return_path_domain for one in workspace.config.senders}
    return writer.lower() in own or writer.rpartition("@")[2].lower() in domains


def _said(letter: Part, raw: bytes, writer: str) -> ServiceText:
    """Return what is said of a letter, with its words; nothing of it is taken for markup."""
    subject = _line(letter.value("subject"), _LONGEST_SUBJECT)
    fields = [
        f"{name}: {_line(value, _LONGEST_FIELD)}\n"
        for name in ("From", "Date", "Subject")
        if (value := letter.value(name.lower()))
    ]
    text = "\n".join(printable(line) for line in _words(letter)[:_LONGEST_TEXT].split("\n"))
    begin = f"{_BEGIN}{_CUT}" if is_cut(raw) else _BEGIN
    return ServiceText(
        subject=f"Fwd: {subject}" if subject else "Fwd: a letter",
        text=f"{begin}\n{''.join(fields)}\n{text}\n",
        reply_to=writer if writer.isascii() else "",
        letter=b"" if is_cut(raw) else raw,
    )


def _line(value: str, longest: int) -> str:
    return printable(" ".join(value.split()))[:longest]


def _words(letter: Part) -> str:
    """Return the plain text of a letter, or the words of its HTML."""
    for kind in ("text/plain", "text/html"):
        for part in letter.walk():
            if part.kind == kind and part.text.strip():
                return part.text
    return ""


def _write(
    workspace: Workspace,
    connection: Connection,
    said: ServiceText,
    sender: Sender,
    address: str,
    request: str,
) -> Handled:
    purpose = ServicePurpose.FORWARDED_REPLY
    try:
        write_service(workspace, connection, purpose, request, sender, address, said)
    except FaultsFound as error:
        raise NotNow("; ".join(map(str, error.faults))) from error
    except (UnfitForHeader, MalformedMail) as error:
        emit("letter kept: it cannot be made a mail", problem=error.problem)
        return Handled.UNREAD
    return Handled.DONE
