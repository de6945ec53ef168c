"""Service mails of a workspace: by which relay each goes, and the engines that send them.

In: a workspace. Out: an engine per relay that service mails may go by, with a connection of its own,
so that they never wait behind a mailing. Before the workspace is live, only the addresses in `staff`
are reached by a real relay (invariant 13); the sandbox takes all else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from mailer.app.routing import SANDBOX, relay_digest, relay_settings, sandbox_settings
from mailer.app.sending import retry_policy
from mailer.app.workspace import Workspace
from mailer.audience.addresses import BadAddress, normalize_address
from mailer.compose.dkim import Signer, load_signers
from mailer.compose.headers import UnfitForHeader
from mailer.compose.service import ServiceText, compose_service_mail
from mailer.compose.wire import MalformedMail
from mailer.config import RelaySection
from mailer.delivery.claims import Material
from mailer.delivery.engine import DeliveryEngine, EngineParts
from mailer.delivery.service import SERVICE_CONNECTIONS, SERVICE_IDLE_S, service_work
from mailer.delivery.session import RelaySettings
from mailer.events import failed
from mailer.model.alerts import Alert, alert_text
from mailer.model.faults import Fault, FaultsFound
from mailer.model.mailing import Sender
from mailer.model.relays import AS_IT_IS, RelayHandling
from mailer.model.service import ServiceMail, ServicePurpose, alert_of_request, alert_request
from mailer.store.alerts import alerts_to_mail, mark_mailed, mark_not_mailed
from mailer.store.engine import Connection
from mailer.store.relays import is_relay_verified, relays_aside
from mailer.store.service_mails import take_back_service, take_service_id, write_service_mail
from mailer.tokens import ServiceTokens

#: An alert older than this is history: who is named in the config only now is not mailed about it.
TELL_WITHIN = timedelta(hours=24)
#: What may leave the machine for staff before the workspace is live; the sandbox takes all else.
_TO_STAFF = (ServicePurpose.TEST_SEND, ServicePurpose.ALERT)
#: Alerts that become service mails in one transaction.
_ALERTS_AT_ONCE = 5


def is_staff(workspace: Workspace, address: str) -> bool:
    """Tell whether an address is one of `[workspace] staff`."""
    try:
        wanted = normalize_address(address).normal_form
        known = {normalize_address(one).normal_form for one in workspace.config.workspace.staff}
    except BadAddress:
        return False
    return wanted in known


def relays_for(
    workspace: Workspace,
    purpose: ServicePurpose,
    address: str,
    sender_key: str,
    wanted: str = "",
) -> tuple[RelaySettings, ...]:
    """Return the relays that a service mail may go by, in order; the next is for where one fails.

    Args:
        workspace: whose mail it is.
        purpose: what it is for.
        address: whom it is for.
        sender_key: whom it comes from.
        wanted: one of the sender's relays, and no other; all for "".

    Raises:
        FaultsFound: when the first relay has no password, none may take this mail yet, or the one
            that is wanted is none of the sender's.
    """
    sections = _sections_for(workspace, purpose, address, sender_key, wanted)
    if not sections:
        return (sandbox_settings(workspace.config),)
    found = [relay_settings(workspace, sections[0])]
    for section in sections[1:]:
        with contextlib.suppress(FaultsFound):
            found.append(relay_settings(workspace, section))
    return tuple(found)


def _sections_for(
    workspace: Workspace,
    purpose: ServicePurpose,
    address: str,
    sender_key: str,
    wanted: str = "",
) -> tuple[RelaySection, ...]:
    """Return the relays that a service mail may go by, in order; none for the sandbox."""
    sections = (
        _alert_relays(workspace)
        if purpose is ServicePurpose.ALERT
        else _relays_of(workspace, sender_key, wanted)
    )
    to_staff = purpose in _TO_STAFF and is_staff(workspace, address)
    if not sections or not (workspace.config.workspace.live or to_staff):
        return ()
    if to_staff:
        return sections
    with workspace.store.read() as connection:
        verified = tuple(
            one for one in sections if is_relay_verified(connection, one.key, relay_digest(one))
        )
    if not verified:
        problem = f'the relay "{sections[0].key}" has not been verified as it stands'
        raise FaultsFound([Fault("config.toml", 0, "relays", problem)])
    return verified


def _relays_of(workspace: Workspace, sender_key: str, wanted: str) -> tuple[RelaySection, ...]:
    relays = workspace.config.relays_of(sender_key)
    found = tuple(one for one in relays if wanted in ("", one.key))
    if not found and wanted:
        problem = f'the mails of "{sender_key}" go by no relay "{wanted}"'
        known = ", ".join(one.key for one in relays) or "none yet"
        raise FaultsFound([Fault("", 0, "--relay", problem, f"There are: {known}")])
    return found


def _alert_relays(workspace: Workspace) -> tuple[RelaySection, ...]:
    """Return the relays of alerts: the one named for them or the first, then those of their sender."""
    config, sender = workspace.config, alert_sender(workspace)
    named = (one for one in config.relays if one.key == config.alerts.relay)
    first = next(named, None) or next(iter(config.relays), None)
    if first is None:
        return ()
    others = config.relays_of(sender.key) if sender is not None else ()
    return (first, *(one for one in others if one.key != first.key))


def alert_sender(workspace: Workspace) -> Sender | None:
    """Return who alerts come from; None when the config has no sender."""
    config = workspace.config
    key = config.alerts.sender or (config.senders[0].key if config.senders else "")
    return config.sender(key)


def service_signers(workspace: Workspace, sender: Sender, relay: str) -> tuple[Signer, ...]:
    """Return what signs a service mail: nothing where its relay does.

    Raises:
        FaultsFound: when a key file cannot be used.
    """
    if any(one.key == relay and one.signs == "relay" for one in workspace.config.relays):
        return ()
    return load_signers(sender)


def service_handling(workspace: Workspace, relay: str) -> RelayHandling:
    """Return what the relay of a service mail asks of it."""
    section = workspace.config.relay(relay)
    return AS_IT_IS if section is None else section.handling


def write_alert_mails(workspace: Workspace) -> None:
    """Make service mails of the alerts that nobody was mailed about yet: one to each address.

    Raises:
        StoreUnavailable: when the database does not answer; nothing is written then.
    """
    if not workspace.config.alerts.addresses:
        return
    now = workspace.clock.now()
    # Opened before the database is written: that they belong to it is looked up there.
    _ = workspace.seal_keys, workspace.service_keys
    _take_back_from_relays_aside(workspace, now)
    with workspace.store.read() as connection:
        waiting = alerts_to_mail(connection, now - TELL_WITHIN, _ALERTS_AT_ONCE)
    for alert in waiting:
        with workspace.store.write() as connection:
            for address in workspace.config.alerts.addresses:
                try:
                    _write_alert_mail(workspace, connection, alert, address)
                except (FaultsFound, UnfitForHeader, MalformedMail):
                    # The command and `mailer status` still tell it.
                    failed("alert not mailed", alert=alert.row_id, kind=alert.kind)
            mark_mailed(connection, alert.row_id, now)


def _write_alert_mail(
    workspace: Workspace, connection: Connection, alert: Alert, address: str
) -> None:
    sender = alert_sender(workspace)
    if sender is None:
        return
    said = _said(workspace, alert)
    request = alert_request(alert.row_id)
    write_service(workspace, connection, ServicePurpose.ALERT, request, sender, address, said)


def write_service(
    workspace: Workspace,
    connection: Connection,
    purpose: ServicePurpose,
    request: str,
    sender: Sender,
    address: str,
    said: ServiceText,
) -> bool:
    """Compose a service mail and write it, due; False when its request reached the address already.

    Args:
        workspace: Whose mail it is.
        connection: A connection in a transaction that writes.
        purpose: What it is for.
        request: What it is sent for; never anything of a person.
        sender: Whom it comes from.
        address: To whom, domain in A-labels.
        said: What it says.

    Raises:
        FaultsFound: when no relay may take it yet, or it cannot be signed.
        UnfitForHeader: when a text or the address cannot stand in a header.
        MalformedMail: when it comes out otherwise than every mail of ours must.
    """
    now = workspace.clock.now()
    sections = _sections_for(workspace, purpose, address, sender.key)
    relay = _relay_now(workspace, connection, sections) if sections else SANDBOX
    # An alert that is not signed is better than none: the key may be what is amiss.
    signing = _signers_if_any if purpose is ServicePurpose.ALERT else service_signers
    service_id = take_service_id(connection)
    mail = compose_service_mail(
        said,
        sender,
        address,
        service_id,
        ServiceTokens(workspace.service_keys),
        signing(workspace, sender, relay),
        now,
        service_handling(workspace, relay),
    )
    return write_service_mail(
        connection,
        workspace.seal_keys,
        ServiceMail(
            service_id=service_id,
            purpose=purpose,
            request=request,
            address=address,
            address_digest=digest_of(workspace, address),
            mail_from=mail.envelope.mail_from,
            content=mail.content,
            relay=relay,
        ),
        now,
    )


def _relay_now(
    workspace: Workspace, connection: Connection, sections: Sequence[RelaySection]
) -> str:
    """Return the first relay that is not aside; the first of all when none can take a mail now."""
    aside = relays_aside(connection)
    for one in sections:
        if one.key in aside:
            continue
        with contextlib.suppress(FaultsFound):
            return relay_settings(workspace, one).key
    # It comes back, or its password does: the mail waits for it.
    return sections[0].key


def _take_back_from_relays_aside(workspace: Workspace, now: datetime) -> None:
    """Let alerts that wait for a relay that is aside be made anew, where another one can take them."""
    relays = _alert_relays(workspace)
    with workspace.store.read() as connection:
        aside = relays_aside(connection)
        if not aside or _relay_now(workspace, connection, relays) in aside:
            return
    with workspace.store.write() as connection:
        requests = take_back_service(connection, ServicePurpose.ALERT, aside, now - TELL_WITHIN)
        mark_not_mailed(connection, [alert_of_request(one) for one in requests])


def _signers_if_any(workspace: Workspace, sender: Sender, relay: str) -> tuple[Signer, ...]:
    with contextlib.suppress(FaultsFound):
        return service_signers(workspace, sender, relay)
    return ()


def digest_of(workspace: Workspace, address: str) -> bytes:
    """Return the blind index of an address."""
    return workspace.service_keys.address_digest(normalize_address(address).normal_form)


def _said(workspace: Workspace, alert: Alert) -> ServiceText:
    config = workspace.config.workspace
    told = alert_text(alert)
    at = alert.raised_at.astimezone(ZoneInfo(config.time_zone))
    text = f"{told.text}\n\nSince {at:%Y-%m-%d %H:%M} {config.time_zone}. All at a glance: mailer status\n"
    return ServiceText(f"[{config.name}] {told.headline}", text)


def build_service_engines(workspace: Workspace, number: int = 0) -> list[DeliveryEngine]:
    """Return a sender of service mails for every relay they may go by.

    A relay that cannot be used is left out and logged: mailings and the other relays go on. Each of
    several sender processes has them, so that none of them is needed for an alert: a mail is written
    and claimed once whoever looks, and only who has claimed one opens a connection.

    Args:
        workspace: whose mails they are.
        number: which of several sender processes they are in; 0 for the only one.
    """
    config = workspace.config
    alerting = next(iter(_alert_relays(workspace)), None)
    sections = [*config.relays_in_use, *([] if alerting is None else [alerting])]
    relays: dict[str, RelaySettings] = {}
    if not workspace.config.workspace.live:
        sandbox = sandbox_settings(workspace.config)
        relays[sandbox.key] = sandbox
    for section in sections:
        try:
            relays[section.key] = relay_settings(workspace, section)
        except FaultsFound:
            failed("service mails cannot go by this relay", relay=section.key)
    # With no relay at all, the sandbox's sender makes the mails of alerts.
    key = (
        alerting.key if alerting is not None and alerting.key in relays else next(iter(relays), "")
    )
    return [
        service_engine(workspace, one, alerts=one.key == key, number=number)
        for one in relays.values()
    ]


def service_engine(
    workspace: Workspace,
    relay: RelaySettings,
    *,
    alerts: bool,
    idle_s: float = SERVICE_IDLE_S,
    number: int = 0,
) -> DeliveryEngine:
    """Return a sender of the service mails that go by a relay.

    Args:
        workspace: whose mails they are.
        relay: how it is reached.
        alerts: make service mails of alerts, too.
        idle_s: how often is looked for due mails.
        number: which of several sender processes it is in; 0 for the only one.
    """

    def prepare() -> None:
        if alerts:
            write_alert_mails(workspace)

    return DeliveryEngine(
        EngineParts(
            store=workspace.store,
            seal_keys=workspace.seal_keys,
            tokens=ServiceTokens(workspace.service_keys),
            relay=replace(relay, connections=SERVICE_CONNECTIONS),
            journal_dir=workspace.config.journal_dir,
            log=workspace.suppression_log,
            policy=retry_policy(workspace),
            clock=workspace.clock,
            material_for=_no_mailing,
            number=number,
            shutdown_grace_s=workspace.config.delivery.shutdown_grace_s,
            work=service_work(
                workspace.store, workspace.seal_keys, relay.key, workspace.clock, prepare, idle_s
            ),
        )
    )


def _no_mailing(mailing_id: int) -> Material:
    raise FaultsFound([Fault("", 0, "", f"mailing {mailing_id} is no service mail")])
