"""Say whether mailings may go by a relay, and what they are composed with for it.

In: a workspace, a sender, a relay or the sandbox. Out: faults that name what a person can do, and
the `Material` of a mailing.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Sequence
from datetime import timedelta

from mailer.app.routing import relay_digest, relay_settings
from mailer.app.workspace import Workspace
from mailer.compose.composer import MailingComposer
from mailer.compose.dkim import Signer, load_signers
from mailer.config import RelaySection
from mailer.delivery.claims import Material, MaterialFor
from mailer.delivery.retry import RetryPolicy
from mailer.model.faults import Fault, FaultKind, FaultsFound
from mailer.model.mailing import Mailing, Sender
from mailer.model.relays import AS_IT_IS, RelayHandling
from mailer.model.worded import worded
from mailer.store.designs import load_design
from mailer.store.mailings import load_mailing
from mailer.store.relays import is_relay_verified
from mailer.store.settings import LOST_SINCE, read_setting
from mailer.store.statements import load_revision

#: How long a sandbox may take to start, on a small machine that has much to do.
SANDBOX_STARTS_S = 15.0


def unverified(workspace: Workspace, section: RelaySection) -> Fault | None:
    """Return that a relay has not been verified as it is configured now; None when it has."""
    with workspace.store.read() as connection:
        if is_relay_verified(connection, section.key, relay_digest(section)):
            return None
    return Fault(
        "config.toml",
        0,
        "workspace.live",
        worded(
            'is true, but the relay "%(key)s" has not been verified as it stands', key=section.key
        ),
        worded(
            "Run: mailer relay verify %(key)s, or set live = false: the sandbox takes everything until then",
            key=section.key,
        ),
        kind=FaultKind.UNVERIFIED,
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
        problem = worded(
            "is true, but unsubscriptions since %(lost_since)s UTC may be lost",
            lost_since=lost_since[:16],
        )
        remedy = "See who may have left, then run: mailer restore --accept-lost-unsubscribes"
        raise FaultsFound([Fault("config.toml", 0, "workspace.live", problem, remedy)])
    fault = unverified(workspace, section)
    if fault is not None:
        raise FaultsFound([fault])
    relay_settings(workspace, section)


def relays_for(workspace: Workspace, sender_key: str) -> tuple[RelaySection | None, ...]:
    """Return the relays a sender's mails may go by, in order; None is the sandbox."""
    config = workspace.config
    return config.relays_of(sender_key) if config.workspace.live else (None,)


def signers_for(sender: Sender, relay: RelaySection | None) -> tuple[Signer, ...]:
    """Return what signs a sender's mails that go by a relay: nothing where the relay does it.

    Args:
        sender: whose keys they are.
        relay: None for the sandbox.

    Raises:
        FaultsFound: when a key file cannot be used, or people would get what nobody signs.
    """
    if relay is not None and relay.signs == "relay":
        return ()
    if relay is not None and not sender.dkim:
        # RFC 8058 §4: what is not signed has no one click. A relay is verified by one sender's mail.
        problem = worded('is missing, and the relay "%(key)s" does not sign', key=relay.key)
        remedy = worded("Run: mailer domain key %(key)s --selector mail2026", key=sender.key)
        raise FaultsFound([Fault("config.toml", 0, f"senders.{sender.key}.dkim", problem, remedy)])
    return load_signers(sender)


def handling_for(relay: RelaySection | None) -> RelayHandling:
    """Return what a relay asks of the mails it is handed; nothing where it is the sandbox."""
    return AS_IT_IS if relay is None else relay.handling


def check_ready(workspace: Workspace, sender: Sender) -> None:
    """Make sure that what sending needs is there, before a mailing is written that waits for it.

    Raises:
        FaultsFound: when no relay of the sender, or a signing key, can be used.
        KeyFileError: when `seal.key` or `service.key` cannot be used.
        WrongKeys: when one of them belongs to another database.
    """
    relay = _first_ready(workspace, relays_for(workspace, sender.key))
    signers_for(sender, relay)
    _ = workspace.seal_keys, workspace.service_keys


def _first_ready(
    workspace: Workspace, relays: Sequence[RelaySection | None]
) -> RelaySection | None:
    """Return the first relay that may be handed mailings; None for the sandbox.

    Raises:
        FaultsFound: when there is none, saying of the first why.
    """
    failure: FaultsFound | None = None
    for relay in relays:
        try:
            if relay is not None:
                check_relay(workspace, relay)
        except FaultsFound as error:
            failure = failure or error
        else:
            return relay
    if failure is not None:
        raise failure
    return None


def _check_may_go(workspace: Workspace, mailing: Mailing, relay: RelaySection | None) -> None:
    """Make sure that a mailing may go by a relay now.

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
        problem = worded(
            'its sender "%(key)s" is not in config.toml any more', key=mailing.sender.key
        )
        raise FaultsFound([Fault("", 0, mailing.key, problem, "Put it back, or cancel")])
    if relay is not None:
        check_relay(workspace, relay)
    if not mailing.sender.base_url.startswith("https://"):
        # RFC 8058 §3.1: one click works by https. The config is held to it when it is read;
        # this mailing keeps the sender it was scheduled with.
        problem = "its links are not https"
        raise FaultsFound([Fault("", 0, mailing.key, problem, "Cancel it and schedule it anew")])


def material_for(workspace: Workspace, relay: RelaySection | None) -> MaterialFor:
    """Return what loads, from the database only, what a mailing is composed with for a relay.

    Args:
        workspace: whose mailings they are.
        relay: None for the sandbox.
    """

    def load(row_id: int) -> Material:
        with workspace.store.read() as connection:
            mailing = load_mailing(connection, row_id)
            revision = load_revision(connection, mailing.revision_id).revision
            design = load_design(connection, mailing.design_id)
        _check_may_go(workspace, mailing, relay)
        composer = MailingComposer(
            revision,
            design,
            mailing.sender,
            [target.definition for target in mailing.targets],
            workspace.tokens,
            signers_for(mailing.sender, relay),
            handling_for(relay),
            corrects=mailing.corrects.day if mailing.corrects else None,
            takes_mail=workspace.config.feedback.takes_mail,
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
        workspace.config.feedback.soft_limits,
    )
