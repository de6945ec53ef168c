"""Build the delivery engines of a workspace, and send one mailing in the foreground.

In: a workspace. Out: a `Fleet` wired to the sandbox, or once live to the relays its senders use.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import signal
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from typing import NoReturn

import uvloop

from mailer.app.discreet import heed_discreet_lists
from mailer.app.languages import resolver_for
from mailer.app.workspace import Workspace
from mailer.compose.composer import MailingComposer
from mailer.compose.dkim import Signer, load_signers
from mailer.config import Config, RelaySection
from mailer.delivery.claims import Material, MaterialFor
from mailer.delivery.engine import DeliveryEngine, EngineParts
from mailer.delivery.fleet import Fleet
from mailer.delivery.login import Auth, TokenSource
from mailer.delivery.retry import RetryPolicy
from mailer.delivery.session import Encryption, RelaySettings
from mailer.model.faults import Fault, FaultsFound
from mailer.model.mailing import Mailing, Sender
from mailer.model.relays import AS_IT_IS, EVERY_SENDER, RelayHandling, SenderChoice
from mailer.model.states import MailingState
from mailer.schedule.ticker import Ticker
from mailer.store.designs import load_design
from mailer.store.engine import StoreUnavailable
from mailer.store.mailings import load_mailing
from mailer.store.relays import is_relay_verified
from mailer.store.reports import Progress, progress
from mailer.store.settings import LOST_SINCE, read_setting
from mailer.store.statements import load_revision

SANDBOX = "sandbox"
#: How long a sandbox may take to start, on a small machine that has much to do.
SANDBOX_STARTS_S = 15.0
ENDED = (MailingState.FINISHED, MailingState.CANCELLED, MailingState.HELD, MailingState.PAUSED)


def unverified(workspace: Workspace, section: RelaySection) -> Fault | None:
    """Return that a relay has not been verified as it is configured now; None when it has."""
    with workspace.store.read() as connection:
        if is_relay_verified(connection, section.key, relay_digest(section)):
            return None
    return Fault(
        "config.toml",
        0,
        "workspace.live",
        f'is true, but the relay "{section.key}" has not been verified as it stands',
        f"Run: mailer relay verify {section.key}, or set live = false: "
        "the sandbox takes everything until then",
    )


def relay_settings(workspace: Workspace, section: RelaySection) -> RelaySettings:
    """Return how a relay is reached, be it verified or not.

    Raises:
        FaultsFound: when its password cannot be read.
    """
    password = workspace.config.relay_password(section) if section.username else ""
    return _settings(workspace, section, password)


def _settings(workspace: Workspace, section: RelaySection, password: str) -> RelaySettings:
    command = section.token_command
    return RelaySettings(
        key=section.key,
        host=section.host,
        port=section.port,
        encryption=Encryption(section.tls),
        username=section.username,
        password=password,
        auth=Auth(section.auth),
        tokens=TokenSource(command, workspace.config.root) if command else None,
        ehlo=section.ehlo,
        connections=section.connections,
        messages_per_connection=section.messages_per_connection,
    )


def sandbox_settings(workspace: Workspace) -> RelaySettings:
    """Return how the sandbox is reached."""
    config = workspace.config
    return RelaySettings(
        key=SANDBOX,
        host="127.0.0.1",
        port=config.sandbox.smtp_port,
        encryption=Encryption.NONE,
        connections=config.delivery.sandbox_connections,
    )


def answers(host: str, port: int) -> bool:
    """Tell whether something takes connections there."""
    # What listens everywhere is asked on this machine.
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  (Not bound.)
    with contextlib.suppress(OSError), socket.create_connection((local, port), 1):
        return True
    return False


def sandbox_answers(workspace: Workspace) -> bool:
    """Tell whether the sandbox takes mail; it may be starting just now, and is waited for."""
    port = workspace.config.sandbox.smtp_port
    deadline = workspace.clock.monotonic() + SANDBOX_STARTS_S
    while True:
        if answers("127.0.0.1", port):
            return True
        if workspace.clock.monotonic() > deadline:
            return False
        time.sleep(0.2)


def check_relay(workspace: Workspace, section: RelaySection) -> None:
    """Make sure that a relay may be handed mailings.

    Raises:
        FaultsFound: when it is not verified, its password cannot be read, or people may be mailed
            who left before a restore.
    """
    with workspace.store.read() as connection:
        lost_since = read_setting(connection, LOST_SINCE)
    if lost_since is not None:
        problem = f"is true, but unsubscriptions since {lost_since[:16]} UTC may be lost"
        remedy = "See who may have left, then run: mailer restore --accept-lost-unsubscribes"
        raise FaultsFound([Fault("config.toml", 0, "workspace.live", problem, remedy)])
    fault = unverified(workspace, section)
    if fault is not None:
        raise FaultsFound([fault])
    relay_settings(workspace, section)


def relay_digest(section: RelaySection) -> str:
    """Return a digest over what decides where mail goes and what is done to it there."""
    profile = section.model_dump(
        include={
            "key", "profile", "host", "port", "tls", "username", "signs", "return_path",
        }
    )  # fmt: skip
    profile["headers"] = section.handling.headers
    return hashlib.sha256(json.dumps(profile, sort_keys=True).encode()).hexdigest()


def relay_in_use(workspace: Workspace, sender_key: str) -> RelaySection | None:
    """Return the relay a sender's mails go to; None for the sandbox, which takes all else."""
    config = workspace.config
    return config.relay_of(sender_key) if config.workspace.live else None


def signers_for(workspace: Workspace, sender: Sender) -> tuple[Signer, ...]:
    """Return what signs a sender's mails: nothing where the relay in use does it.

    Raises:
        FaultsFound: when a key file cannot be used, or people would get what nobody signs.
    """
    relay = relay_in_use(workspace, sender.key)
    if relay is not None and relay.signs == "relay":
        return ()
    if relay is not None and not sender.dkim:
        # RFC 8058 §4: what is not signed has no one click. A relay is verified by one sender's mail.
        problem = f'is missing, and the relay "{relay.key}" does not sign'
        remedy = f"Run: mailer domain key {sender.key} --selector mail2026"
        raise FaultsFound([Fault("config.toml", 0, f"senders.{sender.key}.dkim", problem, remedy)])
    return load_signers(sender)


def handling_for(workspace: Workspace, sender: Sender) -> RelayHandling:
    """Return what the relay in use asks of a sender's mails."""
    relay = relay_in_use(workspace, sender.key)
    return AS_IT_IS if relay is None else relay.handling


def check_ready(workspace: Workspace, sender: Sender) -> None:
    """Make sure that what sending needs is there, before a mailing is written that waits for it.

    Raises:
        FaultsFound: when the relay or a signing key cannot be used.
        KeyFileError: when `seal.key` or `service.key` cannot be used.
        WrongKeys: when one of them belongs to another database.
    """
    relay = relay_in_use(workspace, sender.key)
    if relay is not None:
        check_relay(workspace, relay)
    signers_for(workspace, sender)
    _ = workspace.seal_keys, workspace.service_keys


def _check_may_go(workspace: Workspace, mailing: Mailing) -> None:
    """Make sure that a mailing may go where this workspace sends its mails now.

    Raises:
        FaultsFound: when it may not, with what a person can do.
    """
    config = workspace.config
    if mailing.rehearsal is not (not config.workspace.live):
        problem, remedy = (
            ("was scheduled before the workspace was live, as a rehearsal", "Schedule it anew")
            if mailing.rehearsal
            else ("is for people, and the workspace is not live", "Set live = true, then release")
        )
        raise FaultsFound([Fault("", 0, mailing.key, problem, remedy)])
    if not config.workspace.live:
        return
    if config.sender(mailing.sender.key) is None:
        problem = f'its sender "{mailing.sender.key}" is not in config.toml any more'
        raise FaultsFound([Fault("", 0, mailing.key, problem, "Put it back, or cancel")])
    relay = config.relay_of(mailing.sender.key)
    if relay is not None:
        check_relay(workspace, relay)
    if not mailing.sender.base_url.startswith("https://"):
        # RFC 8058 §3.1: one click works by https. The config is held to it when it is read;
        # this mailing keeps the sender it was scheduled with.
        problem = "its links are not https"
        raise FaultsFound([Fault("", 0, mailing.key, problem, "Cancel it and schedule it anew")])


def material_for(workspace: Workspace) -> MaterialFor:
    """Return what loads, from the database only, what a mailing is composed with."""

    def load(row_id: int) -> Material:
        with workspace.store.read() as connection:
            mailing = load_mailing(connection, row_id)
            revision = load_revision(connection, mailing.revision_id).revision
            design = load_design(connection, mailing.design_id)
        _check_may_go(workspace, mailing)
        composer = MailingComposer(
            revision,
            design,
            mailing.sender,
            [target.definition for target in mailing.targets],
            workspace.tokens,
            signers_for(workspace, mailing.sender),
            handling_for(workspace, mailing.sender),
            corrects=mailing.corrects.day if mailing.corrects else None,
        )
        keys = {target.list_row_id: target.definition.key for target in mailing.targets}
        return Material(composer, keys)

    return load


def retry_policy(workspace: Workspace) -> RetryPolicy:
    """Return the limits of retrying."""
    delivery = workspace.config.delivery
    return RetryPolicy(
        delivery.first_retry_s,
        delivery.longest_retry_s,
        timedelta(hours=delivery.give_up_after_h),
    )


def sender_engines(workspace: Workspace, number: int = 0) -> list[DeliveryEngine]:
    """Return one engine for the sandbox, or once live one for each relay that a sender uses.

    A relay that is not verified or has no password stops no other: what its senders have to send
    is held, with the reason.

    Args:
        workspace: whose mailings they send.
        number: which of several sender processes they are in; 0 for the only one.
    """
    config = workspace.config
    if not config.workspace.live:
        return [_engine(workspace, sandbox_settings(workspace), EVERY_SENDER, number=number)]
    return [
        _relay_engine(workspace, section, number)
        for section in config.relays
        if _used(config, section)
    ]


def build_senders(workspace: Workspace) -> Fleet:
    """Return the engines that send mailings, as one."""
    return Fleet(sender_engines(workspace))


def _used(config: Config, section: RelaySection) -> bool:
    first = section == config.relays[0]
    return first or any(config.relay_of(one.key) == section for one in config.senders)


def _senders_of(config: Config, section: RelaySection) -> SenderChoice:
    others = {one.key for one in config.senders if config.relay_of(one.key) != section}
    if section == config.relays[0]:
        # Also what comes from a sender that is gone from the file, to be held with that reason.
        return SenderChoice(frozenset(others), others=True)
    return SenderChoice(frozenset(one.key for one in config.senders) - others)


def _relay_engine(workspace: Workspace, section: RelaySection, number: int) -> DeliveryEngine:
    try:
        settings = relay_settings(workspace, section)
    except FaultsFound as error:
        # Nothing reaches it: every mailing is held with the fault before a connection is made.
        failure = error
        return _engine(
            workspace,
            _settings(workspace, section, ""),
            _senders_of(workspace.config, section),
            lambda _row_id: _raise(failure),
            number=number,
        )
    return _engine(workspace, settings, _senders_of(workspace.config, section), number=number)


def _raise(failure: FaultsFound) -> NoReturn:
    raise failure


def _engine(
    workspace: Workspace,
    relay: RelaySettings,
    senders: SenderChoice,
    material: MaterialFor | None = None,
    *,
    number: int,
) -> DeliveryEngine:
    config = workspace.config
    return DeliveryEngine(
        EngineParts(
            store=workspace.store,
            seal_keys=workspace.seal_keys,
            tokens=workspace.tokens,
            relay=relay,
            journal_dir=config.journal_dir,
            policy=retry_policy(workspace),
            clock=workspace.clock,
            material_for=material or material_for(workspace),
            shutdown_grace_s=config.delivery.shutdown_grace_s,
            senders=senders,
            number=number,
        )
    )


def send_now(workspace: Workspace, row_id: int, show: Callable[[Mailing, Progress], None]) -> bool:
    """Freeze and send one mailing in this process; return whether it ended.

    The scheduler's lease is shared with `mailer run`: whoever holds it moves the mailing along.
    Ctrl-C stops sending in good order; what is left goes on with `mailer run`.
    """

    async def until_ended() -> bool:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        ticker = Ticker(
            workspace.store,
            workspace.clock,
            resolver_for(workspace.store),
            before_freezing=lambda: heed_discreet_lists(workspace),
        )
        sending = asyncio.create_task(build_senders(workspace).run(stop))
        ended = False
        while not stop.is_set() and not sending.done():
            with contextlib.suppress(StoreUnavailable):
                await asyncio.to_thread(ticker.tick)
                current, figures = await asyncio.to_thread(_look, workspace, row_id)
                show(current, figures)
                ended = current.state in ENDED
            if ended:
                break
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 0.25)
        stop.set()
        await sending
        return ended

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(until_ended())


def _look(workspace: Workspace, row_id: int) -> tuple[Mailing, Progress]:
    with workspace.store.read() as connection:
        return load_mailing(connection, row_id), progress(connection, row_id)
