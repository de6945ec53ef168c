"""Take messages from a mailbox at a provider, by IMAP, and move each into another folder of it.

In: where the mailbox is and who we are. Out: every message is handed on, not marked as seen until
then, and moved: to one folder, or to another when nobody can tell what it says. Nothing is deleted
that was not copied first. Each look is a connection of its own, in which the folder's numbers hold.
Standards: RFC 3501, RFC 6851 (MOVE), RFC 4315 (UIDPLUS), RFC 8314 §3.2 (TLS), RFC 5530 (codes).
"""

from __future__ import annotations

import contextlib
import imaplib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from imap_tools import BaseMailBox, MailBox, MailBoxUnencrypted
from imap_tools.errors import ImapToolsError, MailboxLoginError
from imap_tools.utils import encode_folder

from mailer.clock import Clock
from mailer.events import scrub
from mailer.feedback.intake.handling import (
    OCTETS_FETCHED,
    Handle,
    Handled,
    IntakeFailed,
    IsStopped,
    Looked,
    NotNow,
    Postponed,
)

#: What is waited for a connection, and for each answer.
TIMEOUT_S = 20.0
#: A server looks through a folder anew for each move: one at a time is slow in a large one.
_MOVED_AT_ONCE = 50
_STRUCK = "[secret]"
_LONGEST_REASON = 200


@dataclass(frozen=True, repr=False)
class Account:
    """A mailbox and who we are to its server; never printed, since it holds the password."""

    host: str
    port: int
    #: "implicit", "starttls" or "none".
    tls: str
    username: str
    password: str
    #: Where messages come in.
    folder: str
    #: Where they go.
    processed: str
    unread: str


class Mailbox:
    """A mailbox that is emptied."""

    def __init__(self, account: Account, clock: Clock) -> None:
        self._account = account
        self._clock = clock
        self._postponed = Postponed()
        #: The open connection, so that who must end need not wait for an answer.
        self._open: BaseMailBox | None = None

    def look(self, handle: Handle, is_stopped: IsStopped) -> Looked:
        """Deal with what is in the folder.

        Raises:
            IntakeFailed: when the server cannot be reached, refuses us, or the connection is lost.
        """
        try:
            with self._logged_in() as box:
                return self._look(box, handle, is_stopped)
        except ssl.SSLCertVerificationError as error:
            raise IntakeFailed(f"its certificate is not valid: {error.verify_message}") from None
        except (ImapToolsError, imaplib.IMAP4.error) as error:
            raise IntakeFailed(self._clean(str(error))) from None
        except OSError as error:
            raise IntakeFailed(error.strerror or "the connection was lost") from None

    def interrupt(self) -> None:
        """End a look that waits for the server; from another thread."""
        box = self._open
        if box is not None:
            with contextlib.suppress(OSError):
                box.client.socket().shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def _logged_in(self) -> Iterator[BaseMailBox]:
        box = self._connected()
        self._open = box
        try:
            self._log_in(box)
            yield box
        finally:
            self._open = None
            # What is to say was said: a server that takes no leave is left all the same.
            with contextlib.suppress(OSError, ImapToolsError, imaplib.IMAP4.error):
                box.logout()
            with contextlib.suppress(OSError):
                box.client.shutdown()

    def _connected(self) -> BaseMailBox:
        account = self._account
        # The certificate and its name are verified; RFC 8314 §3: nothing goes on in clear.
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if account.tls == "implicit":
            return MailBox(account.host, account.port, timeout=TIMEOUT_S, ssl_context=context)
        box = MailBoxUnencrypted(account.host, account.port, timeout=TIMEOUT_S)
        if account.tls == "starttls":
            try:
                box.client.starttls(context)
            except BaseException:
                with contextlib.suppress(OSError):
                    box.client.shutdown()
                raise
        return box

    def _log_in(self, box: BaseMailBox) -> None:
        account = self._account
        # LOGIN takes ASCII alone.
        is_ascii = f"{account.username}{account.password}".isascii()
        login = box.login if is_ascii else box.login_utf8
        try:
            login(account.username, account.password, initial_folder=None)
        except imaplib.IMAP4.abort:
            raise
        except (MailboxLoginError, imaplib.IMAP4.error) as error:
            told = (
                _text(error.command_result[1])
                if isinstance(error, MailboxLoginError)
                else str(error)
            )
            reason = f"it refuses our login: {self._clean(told)}"
            # RFC 5530 §3: it may let us in later.
            raise IntakeFailed(reason, lasts="[UNAVAILABLE]" not in told) from None

    def _look(self, box: BaseMailBox, handle: Handle, is_stopped: IsStopped) -> Looked:
        account = self._account
        for folder in (account.processed, account.unread):
            if not box.folder.exists(folder):
                box.folder.create(folder)
        box.folder.set(account.folder)
        # What a server can do it says anew after a login (RFC 3501 §6.2.3).
        able = _text(_done(box.client.capability(), "CAPABILITY")).upper().split()
        # RFC 3501 §2.3.1.1: a number means the same message only with this.
        validity = _text(box.client.response("UIDVALIDITY")[1])
        # A message that was copied and could not be expunged is marked as deleted.
        uids = box.uids("UNDELETED", charset=None)
        self._postponed.keep_only({f"{validity} {uid}" for uid in uids})
        done = 0
        for at in range(0, len(uids), _MOVED_AT_ONCE):
            handled: dict[Handled, list[str]] = {Handled.DONE: [], Handled.UNREAD: []}
            try:
                for uid in uids[at : at + _MOVED_AT_ONCE]:
                    if is_stopped():
                        break
                    what = self._deal_with(box, uid, f"{validity} {uid}", handle)
                    if what is not None:
                        handled[what].append(uid)
            finally:
                # What broke off the look does not undo what was dealt with before.
                _move(box, handled[Handled.DONE], account.processed, able)
                _move(box, handled[Handled.UNREAD], account.unread, able)
            done += sum(map(len, handled.values()))
        unread = box.folder.status(account.unread, ["MESSAGES"]).get("MESSAGES", 0)
        return Looked(done, len(self._postponed), unread)

    def _deal_with(self, box: BaseMailBox, uid: str, name: str, handle: Handle) -> Handled | None:
        """Deal with one message; return None for one that waits, or is no longer there."""
        if self._postponed.is_waiting(name, self._clock.monotonic()):
            return None
        raw = _fetched(box, uid)
        if raw is None:
            return None
        try:
            handled = handle(raw, ())
        except NotNow:
            self._postponed.note(name, self._clock.monotonic())
            return None
        self._postponed.forget(name)
        return handled

    def _clean(self, text: str) -> str:
        # Some servers repeat a command that they do not understand.
        for one in (self._account.password, self._account.username):
            text = text.replace(one, _STRUCK)
        return scrub(text)[:_LONGEST_REASON]


def _fetched(box: BaseMailBox, uid: str) -> bytes | None:
    """Return the beginning of a message; None when it is no longer there."""
    # RFC 3501 §6.4.5: PEEK leaves it unseen, and no more than this is sent to us.
    found = _done(box.client.uid("FETCH", uid, f"(BODY.PEEK[]<0.{OCTETS_FETCHED}>)"), "FETCH")
    return next((bytes(one[1]) for one in found if isinstance(one, tuple)), None)


def _move(box: BaseMailBox, uids: list[str], folder: str, able: list[str]) -> None:
    if not uids:
        return
    uid = ",".join(uids)
    # Quoted and in the encoding of folder names, which is ASCII (RFC 3501 §5.1.3).
    to = encode_folder(folder).decode("ascii")
    if "MOVE" in able:
        _done(box.client.uid("MOVE", uid, to), "MOVE")
        return
    _done(box.client.uid("COPY", uid, to), "COPY")
    _done(box.client.uid("STORE", uid, "+FLAGS.SILENT", r"(\Deleted)"), "STORE")
    # RFC 4315 §2.1: of these alone. A plain EXPUNGE would take what others have marked.
    if "UIDPLUS" in able:
        _done(box.client.uid("EXPUNGE", uid), "EXPUNGE")


def _done(result: tuple[str, list[Any]], command: str) -> list[Any]:
    status, data = result
    if status != "OK":
        raise imaplib.IMAP4.error(f"{command}: {_text(data)}")
    return data


def _text(data: list[Any]) -> str:
    found = [one for one in data if isinstance(one, bytes)]
    return b" ".join(found).decode("ascii", "replace")
