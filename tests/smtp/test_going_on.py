"""Mails that go over one connection one after the other, as fast as the relay takes them."""

import asyncio

import pytest

from mailer.delivery.session import (
    Encryption,
    InDoubt,
    RelaySettings,
    Session,
    Timeouts,
    Transaction,
)
from mailer.model.mailing import ComposedMail, Envelope
from tests.support.peer import ListeningPeer

HELLO = b"250-peer\r\n250-PIPELINING\r\n250 SIZE 200000\r\n"
TAKEN = (b"250 2.1.0 ok", b"250 2.1.5 ok", b"354 go")


class PipeliningPeer(ListeningPeer):
    """A relay that answers the end of a mail and the commands behind it with one packet."""

    def __init__(self, apart=False):
        #: Replies to the end of content, by number of mail; None cuts the connection instead.
        self.ends = {}
        #: Replies to MAIL, RCPT and DATA, by number of mail.
        self.taken = {}
        #: Each reply goes in a packet of its own.
        self.apart = apart
        self.mails = []

    async def _talk(self, reader, writer):
        writer.write(b"220 peer ESMTP\r\n")
        try:
            await reader.readline()
            writer.write(HELLO)
            replies = []
            while (line := await reader.readline()).startswith(b"MAIL"):
                await reader.readline()
                await reader.readline()
                await self._say(writer, [*replies, *self.taken.get(len(self.mails), TAKEN)])
                self.mails.append(await reader.readuntil(b"\r\n.\r\n"))
                replies = [self.ends.get(len(self.mails) - 1, b"250 2.0.0 queued")]
                if replies == [None]:
                    return
                # What travels with the end of this mail is here already, or nothing does.
                if not reader._buffer:
                    await self._say(writer, replies)
                    replies = []
            if line.startswith(b"QUIT"):
                writer.write(b"221 bye\r\n")
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    async def _say(self, writer, replies):
        for one in replies if self.apart else [b"\r\n".join(replies)]:
            writer.write(one + b"\r\n")
            await writer.drain()
            await asyncio.sleep(0.005 if self.apart else 0)


class Row:
    """Mails that wait in a row, and what became of them."""

    def __init__(self, count, size=40, mark=lambda number: None):
        self.marks = []
        self.accepted_codes = []
        self.at = 0
        self._mark = mark
        self.transactions = [self._transaction(number, size) for number in range(count)]

    def _transaction(self, number, size):
        content = f"Subject: {number}\r\n\r\n".encode() + b"a" * size + b"\r\n"
        mail = ComposedMail.whole(
            Envelope("b@bounces.example.org", f"p{number}@example.org"), content
        )
        return Transaction(
            mail._replace(is_plain=True), False, "", lambda: True, lambda: self._marked(number)
        )

    def _marked(self, number):
        self._mark(number)
        self.marks.append(number)

    def follow(self):
        """Return the next one."""
        return self.transactions[self.at + 1] if self.at + 1 < len(self.transactions) else None

    def accepted(self, reply):
        """Move on."""
        self.accepted_codes.append(reply.code)
        self.at += 1


def _relay(port):
    return RelaySettings(
        "peer", "127.0.0.1", port, Encryption.NONE, timeouts=Timeouts(5, 5, 5, 5, 5),
        messages_per_connection=100,
    )  # fmt: skip


async def _hand_over(peer, row):
    session = await Session.open(_relay(peer.port))
    try:
        return await session.transact(row.transactions[0], row)
    finally:
        session.abort()


async def test_a_row_of_mails_goes_over_without_waking_whoever_waits():
    """The answer is about the last one; each before it was told as it was accepted."""
    async with PipeliningPeer() as peer:
        row = Row(5)
        answer = await _hand_over(peer, row)
    assert (answer.stage, answer.reply.code) == ("content", 250)
    assert row.accepted_codes == [250] * 4
    assert row.marks == [0, 1, 2, 3, 4]
    assert [mail.split(b"\r\n")[0] for mail in peer.mails] == [
        f"Subject: {number}".encode() for number in range(5)
    ]


@pytest.mark.parametrize("size", [40, 100_000])
async def test_replies_that_come_one_by_one_and_large_mails_are_waited_for(size):
    """Then the next one is handed over by whoever waited."""
    async with PipeliningPeer(apart=size < 1000) as peer:
        row = Row(3, size)
        session = await Session.open(_relay(peer.port))
        for number in range(3):
            row.at = number
            answer = await session.transact(row.transactions[number], row)
            assert answer.reply.code == 250
        session.abort()
    assert row.accepted_codes == []
    assert row.marks == [0, 1, 2]
    assert len(peer.mails) == 3


async def test_a_refusal_in_the_row_is_the_answer_and_about_that_mail():
    """Of the content, while the commands of the next are answered already."""
    async with PipeliningPeer() as peer:
        peer.ends[2] = b"550 5.7.1 not wanted"
        row = Row(5)
        answer = await _hand_over(peer, row)
    assert (answer.stage, answer.reply.code, row.at) == ("content", 550, 2)
    assert row.marks == [0, 1, 2]


async def test_a_recipient_refused_in_the_row_leaves_the_content_before_it_accepted():
    """Both replies come with one packet; the next call tells of the refusal."""
    async with PipeliningPeer() as peer:
        peer.taken[2] = (b"250 2.1.0 ok", b"550 5.1.1 unknown", b"503 no")
        row = Row(4)
        session = await Session.open(_relay(peer.port))
        answer = await session.transact(row.transactions[0], row)
        assert (answer.stage, answer.reply.code, row.at) == ("content", 250, 1)
        answer = await session.transact(row.transactions[2], row)
        session.abort()
    assert (answer.stage, answer.reply.code) == ("rcpt", 550)
    assert row.marks == [0, 1]


async def test_a_connection_lost_in_the_row_leaves_one_mail_in_doubt():
    """The one whose end was written; those before it were accepted."""
    async with PipeliningPeer() as peer:
        peer.ends[3] = None
        row = Row(6)
        with pytest.raises(InDoubt):
            await _hand_over(peer, row)
    assert row.at == 3
    assert row.marks == [0, 1, 2, 3]


async def test_what_may_not_be_marked_in_the_row_is_not_sent():
    """The journal is full: it is raised to whoever waits, and nothing of that mail went."""

    def mark(number):
        if number == 2:
            raise OSError("no space left")

    async with PipeliningPeer() as peer:
        row = Row(4, mark=mark)
        with pytest.raises(OSError, match="no space left"):
            await _hand_over(peer, row)
        await asyncio.sleep(0.05)
    assert row.at == 2
    assert row.marks == [0, 1]
    assert len(peer.mails) == 2
