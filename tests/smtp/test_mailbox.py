"""A mailbox at a provider is emptied by IMAP: nothing is lost, nothing is seen too soon, nothing shows."""

import threading
import tracemalloc

import pytest

from mailer.clock import SYSTEM_CLOCK
from mailer.feedback.intake.handling import (
    AGAIN_AFTER_S,
    OCTETS_FETCHED,
    Handled,
    IntakeFailed,
    NotNow,
)
from mailer.feedback.intake.mailbox import Account, Mailbox
from tests.support.certificates import Certificate
from tests.support.clocks import FixedClock
from tests.support.dovecot import PASSWORD, USER

ONE, TWO, THREE = (f"Subject: {name}\r\n\r\nhello\r\n".encode() for name in ("one", "two", "three"))


def account(server, **changes):
    """Who we are to a Dovecot of the tests."""
    values = {
        "host": "localhost", "port": server.port, "tls": "none", "username": USER,
        "password": PASSWORD, "folder": "INBOX", "processed": "Processed", "unread": "Unread",
        **changes,
    }  # fmt: skip
    return Account(**values)


class Desk:
    """Deals with messages as it is told, and remembers them."""

    def __init__(self, **by_subject):
        self.got = []
        self._by_subject = by_subject

    def __call__(self, raw, recipients):
        """Remember a message and deal with it."""
        self.got.append(raw)
        subject = raw.partition(b"\r\n")[0].decode("latin-1").removeprefix("Subject: ")
        answer = self._by_subject.get(subject, Handled.DONE)
        if isinstance(answer, Exception):
            raise answer
        return answer


def never():
    """Nobody tells to stop."""
    return False


def test_what_was_dealt_with_and_what_could_not_be_read_go_to_folders_that_are_made(dovecot):
    """Those in the new folders are as they came; the count of what could not be read is told."""
    server = dovecot()
    server.deliver(ONE, TWO, THREE)
    desk = Desk(two=Handled.UNREAD)
    looked = Mailbox(account(server), SYSTEM_CLOCK).look(desk, never)
    assert (3, 0, 1) == (looked.done, looked.waiting, looked.unread)
    assert [ONE, TWO, THREE] == desk.got
    assert ([], [ONE, THREE], [TWO]) == tuple(
        server.messages(name) for name in ("INBOX", "Processed", "Unread")
    )
    # A folder that is there already is used as it is.
    server.deliver(TWO)
    assert 2 == Mailbox(account(server), SYSTEM_CLOCK).look(Desk(two=Handled.UNREAD), never).unread


@pytest.mark.parametrize("capability", ["IMAP4rev1 UIDPLUS", "IMAP4rev1"])
def test_a_server_without_move_keeps_what_others_marked(dovecot, capability):
    """COPY and EXPUNGE of this one alone; where not even that can be, it stays marked and uncounted."""
    server = dovecot(capability=capability)
    server.deliver(ONE, TWO)
    with server.opened() as client:
        client.select("INBOX")
        client.store("1", "+FLAGS", r"(\Deleted)")
    mailbox, desk = Mailbox(account(server), SYSTEM_CLOCK), Desk()
    mailbox.look(desk, never)
    mailbox.look(desk, never)
    assert [TWO] == desk.got
    assert [TWO] == server.messages("Processed")
    left = server.messages("INBOX")
    assert left == ([ONE] if "UIDPLUS" in capability else [ONE, TWO])


def test_what_cannot_be_dealt_with_yet_stays_unseen_and_is_asked_for_later(dovecot):
    """It is not fetched at every look, and nothing behind it waits."""
    server, clock = dovecot(), FixedClock()
    server.deliver(ONE, TWO)
    mailbox, desk = Mailbox(account(server), clock), Desk(one=NotNow("no seal.key"))
    assert (1, 1) == (lambda it: (it.done, it.waiting))(mailbox.look(desk, never))
    assert (0, 1) == (lambda it: (it.done, it.waiting))(mailbox.look(desk, never))
    assert [ONE, TWO] == desk.got
    assert 1 == server.unseen("INBOX")
    clock.forward(seconds=AGAIN_AFTER_S + 1)
    assert (1, 0) == (lambda it: (it.done, it.waiting))(mailbox.look(Desk(), never))


def test_who_dies_in_between_fetches_it_again(dovecot):
    """Whatever breaks off the look: what was not moved is there, unseen."""
    server = dovecot()
    server.deliver(ONE, TWO)
    with pytest.raises(RuntimeError):
        Mailbox(account(server), SYSTEM_CLOCK).look(Desk(two=RuntimeError()), never)
    assert [TWO] == server.messages("INBOX")
    assert 1 == server.unseen("INBOX")


def test_of_a_huge_message_only_the_beginning_is_fetched(dovecot):
    """The rest of it is not sent to us; all of it is moved."""
    server, desk = dovecot(), Desk()
    huge = ONE + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 30_000
    server.deliver(huge)
    Mailbox(account(server), SYSTEM_CLOCK).look(desk, never)
    assert [huge[:OCTETS_FETCHED]] == desk.got
    assert [huge] == server.messages("Processed")


def test_told_to_stop_it_ends_between_two_messages(dovecot):
    """The rest stays for the next look."""
    server, desk = dovecot(), Desk()
    server.deliver(ONE, TWO)
    Mailbox(account(server), SYSTEM_CLOCK).look(desk, lambda: bool(desk.got))
    assert [TWO] == server.messages("INBOX")


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_it_is_read_inside_tls_by_who_it_says_it_is(dovecot, monkeypatch, authority, tls):
    """A server that nobody vouches for, or for another name, learns no password."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    server, desk = dovecot(tls=tls), Desk()
    server.deliver(ONE)
    Mailbox(account(server, tls=tls), SYSTEM_CLOCK).look(desk, never)
    assert [ONE] == desk.got
    for certificate in (Certificate.WRONG_NAME, Certificate.SELF_SIGNED, Certificate.EXPIRED):
        false = dovecot(tls=tls, certificate=certificate)
        with pytest.raises(IntakeFailed, match="certificate is not valid"):
            Mailbox(account(false, tls=tls), SYSTEM_CLOCK).look(Desk(), never)
        assert USER not in false.log


def test_a_server_that_offers_no_tls_is_not_logged_in_to(dovecot):
    """Nothing goes on in clear."""
    server = dovecot()
    with pytest.raises(IntakeFailed):
        Mailbox(account(server, tls="starttls"), SYSTEM_CLOCK).look(Desk(), never)
    assert USER not in server.log


def test_a_refused_login_lasts_and_tells_nothing_secret(dovecot):
    """Staff are to be told at once; the reason holds neither password nor user name."""
    server = dovecot()
    wrong = account(server, password="guess")
    with pytest.raises(IntakeFailed) as raised:
        Mailbox(wrong, SYSTEM_CLOCK).look(Desk(), never)
    assert raised.value.lasts
    assert "refuses our login" in raised.value.reason
    assert not [one for one in ("guess", USER) if one in raised.value.reason]
    assert "guess" not in repr(wrong)


def test_a_server_that_is_not_there_does_not_last(dovecot):
    """It may come back: staff are told when it does not."""
    server = dovecot()
    away = account(server, port=1)
    with pytest.raises(IntakeFailed) as raised:
        Mailbox(away, SYSTEM_CLOCK).look(Desk(), never)
    assert not raised.value.lasts


def test_a_folder_that_is_not_there_is_told(dovecot):
    """With the words of the server."""
    with pytest.raises(IntakeFailed, match="Nowhere"):
        Mailbox(account(dovecot(), folder="Nowhere"), SYSTEM_CLOCK).look(Desk(), never)


def test_a_look_that_waits_for_a_server_is_ended(dovecot):
    """Who must end does not wait until an answer comes."""
    server = dovecot()
    server.deliver(ONE)
    mailbox, inside, go_on = (
        Mailbox(account(server), SYSTEM_CLOCK),
        threading.Event(),
        threading.Event(),
    )

    def slow(raw, recipients):
        inside.set()
        go_on.wait(20)
        return Handled.DONE

    failures = []

    def look():
        try:
            mailbox.look(slow, never)
        except IntakeFailed as error:
            failures.append(error)

    thread = threading.Thread(target=look)
    thread.start()
    assert inside.wait(20)
    mailbox.interrupt()
    go_on.set()
    thread.join(20)
    assert not thread.is_alive()
    assert 1 == len(failures)
    assert [ONE] == server.messages("INBOX")


def test_a_password_beyond_ascii_is_told_as_it_is(dovecot):
    """By AUTHENTICATE, since LOGIN takes ASCII alone."""
    with pytest.raises(IntakeFailed, match="refuses our login"):
        Mailbox(account(dovecot(), password="пароль"), SYSTEM_CLOCK).look(Desk(), never)


def test_many_messages_take_no_more_memory_than_one(dovecot):
    """One after another: only their numbers are held together."""
    server = dovecot()
    server.deliver(*[ONE + (b"x" * 70 + b"\r\n") * 1_000] * 200)
    tracemalloc.start()
    looked = Mailbox(account(server), SYSTEM_CLOCK).look(lambda *_: Handled.DONE, never)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 200 == looked.done
    assert peak < 3_000_000
