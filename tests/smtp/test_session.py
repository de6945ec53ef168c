"""The dialogue with a relay, byte by byte, over a real socket."""

import asyncio

import pytest

from mailer.delivery.session import (
    Encryption,
    InDoubt,
    RelaySettings,
    RelayUnavailable,
    Session,
    Smtputf8Missing,
    Timeouts,
    Transaction,
    Withheld,
    dot_stuffed,
)  # fmt: skip
from mailer.delivery.wire import ConnectionLost
from mailer.model.mailing import ComposedMail, Envelope
from tests.support.peer import ListeningPeer

CONTENT = b"Subject: x\r\n\r\n.one\r\ntwo\r\n"
HELLO = ["PIPELINING", "SIZE 100000", "DSN", "8BITMIME"]


class Peer(ListeningPeer):
    """A scripted SMTP server: answers by command, and does what it is told at each stage."""

    def __init__(self, extensions=HELLO, answers=None, drop_after=None):
        self.extensions = extensions
        self.answers = {"MAIL": "250 2.1.0 ok", "RCPT": "250 2.1.5 ok", "DATA": "354 go",
                        ".": "250 2.0.0 queued", "RSET": "250 ok", **(answers or {})}  # fmt: skip
        self.drop_after = drop_after
        self.lines = []
        self.mails = []

    async def _talk(self, reader, writer):
        writer.write(b"220 peer ESMTP\r\n")
        try:
            while line := await reader.readline():
                if not await self._answer(line.decode().strip(), reader, writer):
                    break
        finally:
            writer.close()

    async def _answer(self, line, reader, writer):
        self.lines.append(line)
        verb = line.split()[0].upper()
        if verb == "EHLO":
            said = ["peer", *self.extensions]
            marks = ["-"] * (len(said) - 1) + [" "]
            text = "".join(f"250{m}{one}\r\n" for m, one in zip(marks, said, strict=True))
            writer.write(text.encode())
            return True
        if verb == "QUIT":
            writer.write(b"221 bye\r\n")
            return False
        if verb == self.drop_after:
            writer.transport.abort()
            return False
        answer = self.answers[verb]
        writer.write(f"{answer}\r\n".encode())
        if verb == "DATA" and answer.startswith("354"):
            if self.drop_after == "354":
                writer.transport.abort()
                return False
            content = await reader.readuntil(b"\r\n.\r\n") if not self._refused() else (
                await reader.readline())  # fmt: skip
            self.mails.append(content)
            if self.drop_after == ".":
                writer.transport.abort()
                return False
            writer.write(f"{self.answers['.']}\r\n".encode())
        return True

    def _refused(self):
        return not self.answers["RCPT"].startswith("2")


def _relay(port, **changes):
    values = {"key": "peer", "host": "127.0.0.1", "port": port, "encryption": Encryption.NONE,
              "timeouts": Timeouts(5, 5, 5, 5, 5)}  # fmt: skip
    return RelaySettings(**{**values, **changes})


def _transaction(marks=None, rcpt="anna@example.org", content=CONTENT, **changes):
    mail = ComposedMail.whole(Envelope("b+abc@bounces.example.org", rcpt), content)
    values = {"needs_smtputf8": False, "envelope_id": "aTOKEN", "may_send": lambda: True,
              "before_end_of_data": lambda: (marks if marks is not None else []).append("mark")}  # fmt: skip
    return Transaction(mail, **{**values, **changes})


async def test_an_accepted_message_and_its_transcript():
    """Commands with size and DSN parameters, content with dots stuffed, one mark, then the reply."""
    marks = []
    async with Peer() as peer:
        session = await Session.open(_relay(peer.port))
        answer = await session.transact(_transaction(marks))
        await session.close()
    assert (answer.stage, answer.reply.code, answer.reply.enhanced_code) == (
        "content",
        250,
        "2.0.0",
    )
    assert marks == ["mark"]
    assert peer.lines == [
        "EHLO localhost",
        "MAIL FROM:<b+abc@bounces.example.org> SIZE=25 RET=HDRS ENVID=aTOKEN",
        "RCPT TO:<anna@example.org> NOTIFY=FAILURE ORCPT=rfc822;anna@example.org",
        "DATA",
        "QUIT",
    ]
    assert peer.mails == [b"Subject: x\r\n\r\n..one\r\ntwo\r\n.\r\n"]


@pytest.mark.parametrize("extensions", [HELLO, []])
async def test_a_refused_recipient_leaves_the_connection_usable(extensions):
    """With and without PIPELINING: the refusal is returned, RSET follows, the next one goes."""
    async with Peer(extensions, {"RCPT": "550 5.1.1 unknown", "DATA": "503 no"}) as peer:
        session = await Session.open(_relay(peer.port))
        marks = []
        answer = await session.transact(_transaction(marks))
        assert (answer.stage, answer.reply.code) == ("rcpt", 550)
        assert marks == []
        peer.answers.update(RCPT="250 ok", DATA="354 go")
        answer = await session.transact(_transaction(marks))
        assert (answer.stage, answer.reply.code) == ("content", 250)
        await session.close()
    assert peer.lines.count("RSET") == 1


async def test_a_relay_that_takes_content_for_nobody_is_given_none():
    """RFC 2920: RCPT refused but DATA taken: a lone dot, and the refusal stands."""
    async with Peer(answers={"RCPT": "550 5.1.1 unknown", ".": "554 no recipients"}) as peer:
        session = await Session.open(_relay(peer.port))
        marks = []
        answer = await session.transact(_transaction(marks))
        assert (answer.stage, answer.reply.code) == ("rcpt", 550)
        await session.close()
    assert peer.mails == [b".\r\n"]
    assert marks == []


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "354"])
async def test_a_connection_lost_before_the_end_of_data_is_no_doubt(stage):
    """Nothing was marked or can have been accepted: it may be tried again."""
    async with Peer(extensions=[], drop_after=stage) as peer:
        session = await Session.open(_relay(peer.port))
        marks = []
        content = CONTENT + b"x" * 60 + b"\r\n" if stage != "354" else CONTENT + b"x\r\n" * 900_000
        with pytest.raises(ConnectionLost):
            await session.transact(_transaction(marks, content=content))
        assert marks == []
        assert session.usable is False


async def test_a_connection_lost_after_the_end_of_data_is_in_doubt():
    """The mark was made and the reply never came."""
    async with Peer(drop_after=".") as peer:
        session = await Session.open(_relay(peer.port))
        marks = []
        with pytest.raises(InDoubt):
            await session.transact(_transaction(marks))
        assert marks == ["mark"]


async def test_no_mark_no_end_of_data():
    """When the journal cannot be written, the message is not ended."""

    def full():
        raise OSError(28, "No space left on device")

    async with Peer() as peer:
        session = await Session.open(_relay(peer.port))
        with pytest.raises(OSError, match="No space"):
            await session.transact(_transaction(before_end_of_data=full))
        session.abort()
    assert peer.mails == []


async def test_what_is_withheld_in_a_group_of_commands_is_never_begun():
    """With PIPELINING the question is asked before MAIL, since DATA goes with it."""
    async with Peer() as peer:
        session = await Session.open(_relay(peer.port))
        with pytest.raises(Withheld):
            await session.transact(_transaction(may_send=lambda: False))
        assert (await session.transact(_transaction())).reply.code == 250
        await session.close()
    assert [line.split()[0] for line in peer.lines] == ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"]


async def test_what_is_withheld_after_rcpt_gets_no_data():
    """Without PIPELINING the question is asked after RCPT; the next one begins with RSET."""
    async with Peer(["SIZE 100000"]) as peer:
        session = await Session.open(_relay(peer.port))
        with pytest.raises(Withheld):
            await session.transact(_transaction(may_send=lambda: False))
        assert (await session.transact(_transaction())).reply.code == 250
        await session.close()
    verbs = ["EHLO", "MAIL", "RCPT", "RSET", "MAIL", "RCPT", "DATA", "QUIT"]
    assert [line.split()[0] for line in peer.lines] == verbs


async def test_smtputf8_is_never_guessed():
    """Without the offer nothing is sent; with it, MAIL says so."""
    async with Peer() as peer:
        session = await Session.open(_relay(peer.port))
        with pytest.raises(Smtputf8Missing):
            await session.transact(_transaction(rcpt="анна@example.org", needs_smtputf8=True))
        await session.close()
    assert peer.lines == ["EHLO localhost", "QUIT"]
    async with Peer([*HELLO, "SMTPUTF8"]) as peer:
        session = await Session.open(_relay(peer.port))
        await session.transact(_transaction(rcpt="анна@example.org", needs_smtputf8=True))
        await session.close()
    assert "SMTPUTF8" in peer.lines[1]


@pytest.mark.parametrize(
    ("offered", "mail", "rcpt"),
    [
        (["SMTPUTF8", "8BITMIME"], " SMTPUTF8 BODY=8BITMIME", ""),
        # What is not offered is not said.
        (["SMTPUTF8"], " SMTPUTF8", ""),
        # RFC 6533 §3: plus, equals and the backslash stand for themselves in no ORCPT.
        (["SMTPUTF8", "DSN"], " SMTPUTF8 RET=HDRS ENVID=aTOKEN",
         r" NOTIFY=FAILURE ORCPT=utf-8;анна\x{2B}а\x{3D}б\x{5C}@example.org"),
    ],
)  # fmt: skip
async def test_an_internationalized_address_goes_with_what_is_offered(offered, mail, rcpt):
    """Parameters of MAIL and RCPT by EHLO's list, and the address as it is."""
    async with Peer(offered) as peer:
        session = await Session.open(_relay(peer.port))
        address = "анна+а=б\\@example.org"
        await session.transact(_transaction(rcpt=address, needs_smtputf8=True))
        await session.close()
    assert f"MAIL FROM:<b+abc@bounces.example.org>{mail}" == peer.lines[1]
    assert f"RCPT TO:<{address}>{rcpt}" == peer.lines[2]


async def test_what_is_larger_than_the_relay_takes_is_refused_here():
    """RFC 1870: no command is wasted on it."""
    async with Peer(["SIZE 20"]) as peer:
        session = await Session.open(_relay(peer.port))
        answer = await session.transact(_transaction())
        assert (answer.reply.code, answer.reply.enhanced_code) == (552, "5.3.4")
        await session.close()


async def test_starttls_is_required_not_tried():
    """A relay without STARTTLS gets nothing, not even MAIL."""
    async with Peer() as peer:
        with pytest.raises(RelayUnavailable):
            await Session.open(_relay(peer.port, encryption=Encryption.STARTTLS))
    assert [line for line in peer.lines if line.startswith("MAIL")] == []


async def test_a_refusal_in_any_encoding_can_be_written_down():
    """Relays of many countries say no in their own; it is stored with the relay and logged."""

    async def refuse(_reader, writer):
        writer.write("554 5.3.2 доступ запрещён\0\r\n".encode("cp1251"))
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        with pytest.raises(RelayUnavailable) as failed:
            await Session.open(_relay(server.sockets[0].getsockname()[1]))
    said = "\ufffd" * 6 + " " + "\ufffd" * 9
    assert f"554 5.3.2 {said}" == failed.value.reason


async def test_nobody_listening_is_said_plainly():
    """The step and the reason, with the relay's key."""
    with pytest.raises(RelayUnavailable) as caught:
        await Session.open(_relay(1))
    assert (caught.value.relay, caught.value.step) == ("peer", "connect")


@pytest.mark.parametrize(
    "content", [b"a\n.\r\n", b"a\r.\r\n", b"a\r\n.\n\r\n", b"no end", b"a\0\r\n"]
)
def test_bare_cr_and_lf_and_nul_never_leave(content):
    """What some servers would take for the end of a message is refused."""
    with pytest.raises(ValueError, match=r"CR|NUL"):
        dot_stuffed(content)


@pytest.mark.parametrize(
    "address",
    ["a@b.example.org>\r\nRCPT TO:<x@y.example.org", "a b@c.example.org", "<a@b.example.org"],
)
async def test_an_address_cannot_end_its_command(address):
    """Blanks, brackets and control characters reach no command."""
    async with Peer() as peer:
        session = await Session.open(_relay(peer.port))
        with pytest.raises(ValueError, match="envelope"):
            await session.transact(_transaction(rcpt=address))
        await session.close()
    assert peer.lines == ["EHLO localhost", "QUIT"]
