"""Build the delivery engine of a workspace, and send one mailing in the foreground.

In: a workspace. Out: a `DeliveryEngine` wired to the sandbox, or to the relay once live.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import signal
from collections.abc import Callable
from datetime import timedelta

import uvloop

from mailer.app.discreet import heed_discreet_lists
from mailer.app.languages import resolver_for
from mailer.app.workspace import Workspace
from mailer.compose.composer import MailingComposer
from mailer.compose.dkim import Signer, load_signers
from mailer.config import RelaySection
from mailer.delivery.claims import Material, MaterialFor
from mailer.delivery.engine import DeliveryEngine, EngineParts
from mailer.delivery.retry import RetryPolicy
from mailer.delivery.session import Encryption, RelaySettings
from mailer.model.faults import Fault, FaultsFound
from mailer.model.mailing import Mailing, Sender
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
ENDED = (MailingState.FINISHED, MailingState.CANCELLED, MailingState.HELD, MailingState.PAUSED)


def relay_settings(workspace: Workspace) -> RelaySettings:
    """Return where mail goes: the sandbox, unless the workspace is live.

    Raises:
        FaultsFound: when it is live and its relay is not verified, or has no password.
    """
    config = workspace.config
    if not config.workspace.live:
        return sandbox_settings(workspace)
    section: RelaySection = config.relays[0]
    with workspace.store.read() as connection:
        verified = is_relay_verified(connection, section.key, relay_digest(section))
        lost_since = read_setting(connection, LOST_SINCE)
    if lost_since is not None:
        problem = f"is true, but unsubscriptions since {lost_since[:16]} UTC may be lost"
        remedy = "See who may have left, then run: mailer restore --accept-lost-unsubscribes"
        raise FaultsFound([Fault("config.toml", 0, "workspace.live", problem, remedy)])
    if not verified:
        raise FaultsFound(
            [
                Fault(
                    "config.toml",
                    0,
                    "workspace.live",
                    f'is true, but the relay "{section.key}" has not been verified as it stands',
                    "Set live = false: the sandbox takes everything until a relay is verified",
                )
            ]
        )
    return settings_of(workspace, section)


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


def settings_of(workspace: Workspace, section: RelaySection) -> RelaySettings:
    """Return how a relay of the config is reached, verified or not.

    Raises:
        FaultsFound: when it has no password.
    """
    return RelaySettings(
        key=section.key,
        host=section.host,
        port=section.port,
        encryption=Encryption(section.tls),
        username=section.username,
        password=workspace.config.relay_password(section) if section.username else "",
        ehlo=section.ehlo,
        connections=section.connections,
        messages_per_connection=section.messages_per_connection,
    )


def relay_digest(section: RelaySection) -> str:
    """Return a digest over what decides where mail goes and what is done to it there."""
    profile = section.model_dump(
        include={"key", "host", "port", "tls", "username", "signs", "return_path"}
    )
    return hashlib.sha256(json.dumps(profile, sort_keys=True).encode()).hexdigest()


def signers_for(workspace: Workspace, sender: Sender) -> tuple[Signer, ...]:
    """Return what signs a sender's mails: nothing where the relay in use does it.

    Raises:
        FaultsFound: when a key file cannot be used.
    """
    config = workspace.config
    if config.workspace.live and config.relays and config.relays[0].signs == "relay":
        return ()
    return load_signers(sender)


def check_ready(workspace: Workspace, sender: Sender) -> None:
    """Make sure that what sending needs is there, before a mailing is written that waits for it.

    Raises:
        FaultsFound: when the relay or a signing key cannot be used.
        KeyFileError: when `seal.key` or `service.key` cannot be used.
        WrongKeys: when one of them belongs to another database.
    """
    relay_settings(workspace)
    signers_for(workspace, sender)
    _ = workspace.seal_keys, workspace.service_keys


def material_for(workspace: Workspace) -> MaterialFor:
    """Return what loads, from the database only, what a mailing is composed with."""

    def load(row_id: int) -> Material:
        with workspace.store.read() as connection:
            mailing = load_mailing(connection, row_id)
            revision = load_revision(connection, mailing.revision_id).revision
            design = load_design(connection, mailing.design_id)
        if workspace.config.workspace.live and not mailing.sender.base_url.startswith("https://"):
            # RFC 8058 §3.1: one click works by https. The config is held to it when it is read;
            # this mailing keeps the sender it was scheduled with.
            problem = "was scheduled before the workspace was live, and its links are not https"
            raise FaultsFound(
                [Fault("", 0, mailing.key, problem, "Cancel it and schedule it anew")]
            )
        composer = MailingComposer(
            revision,
            design,
            mailing.sender,
            [target.definition for target in mailing.targets],
            workspace.tokens,
            signers_for(workspace, mailing.sender),
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


def build_engine(workspace: Workspace) -> DeliveryEngine:
    """Return a sender for the workspace."""
    config = workspace.config
    return DeliveryEngine(
        EngineParts(
            store=workspace.store,
            seal_keys=workspace.seal_keys,
            tokens=workspace.tokens,
            relay=relay_settings(workspace),
            journal_dir=config.journal_dir,
            policy=retry_policy(workspace),
            clock=workspace.clock,
            material_for=material_for(workspace),
            shutdown_grace_s=config.delivery.shutdown_grace_s,
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
        sending = asyncio.create_task(build_engine(workspace).run(stop))
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
