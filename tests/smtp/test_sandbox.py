"""The sandbox takes everything on loopback, keeps it in memory, and misbehaves when asked to."""

import asyncio
import contextlib
import socket

import pytest

from mailer.clock import SYSTEM_CLOCK
from mailer.delivery.session import (
    Encryption,
    InDoubt,
    RelaySettings,
    Session,
    Timeouts,
    Transaction,
)
from mailer.model.mailing import ComposedMail, Envelope
from mailer.sandbox.catcher import Mailbox, serve_catcher


@contextlib.asynccontextmanager
async def _sandbox(*, misbehave, keep=10):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    mailbox, stop = Mailbox(keep), asyncio.Event()
    serving = asyncio.create_task(
        serve_catcher(mailbox, SYSTEM_CLOCK, port, stop, misbehave=misbehave)
    )
    await asyncio.sleep(0.05)
    relay = RelaySettings(
        "sandbox", "127.0.0.1", port, Encryption.NONE, timeouts=Timeouts(5, 5, 5, 5, 5)
    )
    try:
        yield mailbox, relay
    finally:
        stop.set()
        await serving


def _to(address):
    mail = ComposedMail.whole(
        Envelope("b+x@bounces.example.org", address), b"Subject: x\r\n\r\nhello\r\n"
    )
    return Transaction(mail, not address.isascii(), "", lambda: True, lambda: None)


async def test_it_takes_and_keeps_a_mail():
    """What was sent can be read, envelope and content."""
    async with _sandbox(misbehave=False) as (mailbox, relay):
        session = await Session.open(relay)
        answer = await session.transact(_to("unknown.anna@example.org"))
        await session.close()
    assert answer.reply.code == 250
    (mail,) = mailbox
    assert (mail.number, mail.rcpt_to, mail.mail_from) == (
        1, "unknown.anna@example.org", "b+x@bounces.example.org",
    )  # fmt: skip
    assert b"hello" in mail.content


async def test_it_misbehaves_for_the_addresses_made_for_it():
    """Refused, deferred once and then taken, dropped after the end of DATA."""
    async with _sandbox(misbehave=True) as (mailbox, relay):
        session = await Session.open(relay)
        assert (await session.transact(_to("unknown.a@example.org"))).reply.code == 550
        assert (await session.transact(_to("busy.a@example.org"))).reply.code == 451
        assert (await session.transact(_to("busy.a@example.org"))).reply.code == 250
        with pytest.raises(InDoubt):
            await session.transact(_to("vanishes.a@example.org"))
        assert [mail.rcpt_to for mail in mailbox] == ["busy.a@example.org"]


async def test_it_takes_addresses_in_any_script():
    """SMTPUTF8 is offered."""
    async with _sandbox(misbehave=False) as (mailbox, relay):
        session = await Session.open(relay)
        assert (await session.transact(_to("анна@example.org"))).reply.code == 250
        await session.close()
    assert next(iter(mailbox)).rcpt_to == "анна@example.org"


async def test_it_forgets_the_oldest():
    """Memory is bounded; the count goes on."""
    async with _sandbox(misbehave=False, keep=2) as (mailbox, relay):
        session = await Session.open(relay)
        for name in "abc":
            await session.transact(_to(f"{name}@example.org"))
        await session.close()
    assert [mail.rcpt_to for mail in mailbox.newest(5)] == ["c@example.org", "b@example.org"]
    assert mailbox.total == 3
    assert mailbox.find(1) is None
