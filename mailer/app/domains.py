"""Gather what a sender's domains want and have.

In: a workspace and a sender. Out: records to paste, findings about what the DNS says.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path

from mailer.app.workspace import Workspace
from mailer.config import RelaySection
from mailer.domains.checks import check_domain
from mailer.domains.https import check_https
from mailer.domains.records import (
    RelayFacts,
    Wanted,
    bounce_domain,
    key_record,
    new_key,
    wanted_records,
)
from mailer.domains.resolver import Resolver, SystemResolver
from mailer.durable import write_private
from mailer.model.audit import AuditAction
from mailer.model.faults import Fault, FaultsFound
from mailer.model.findings import Finding
from mailer.model.mailing import Sender
from mailer.model.relays import AS_IT_IS, ProfileName
from mailer.model.staff import Actor
from mailer.store.audit import write_audit


def senders_named(workspace: Workspace, key: str) -> list[Sender]:
    """Return the sender of that key, or all for "".

    Raises:
        FaultsFound: when there is none.
    """
    config = workspace.config
    keys = [one.key for one in config.senders]
    if key and key not in keys:
        known = ", ".join(keys) or "none yet"
        problem = f'there is no sender "{key}"'
        raise FaultsFound([Fault("", 0, "SENDER", problem, f"There are: {known}")])
    return [found for one in keys if key in ("", one) and (found := config.sender(one))]


def resolver_at(server: str) -> Resolver:
    """Return who is asked: the system's servers for "", else "address" or "address:port".

    Raises:
        FaultsFound: when that is no IP address.
    """
    if not server:
        return SystemResolver()
    host, _, port = server.rpartition(":") if server.count(":") == 1 else (server, "", "53")
    try:
        return SystemResolver(str(ipaddress.ip_address(host)), int(port))
    except ValueError as error:
        problem = "is not an IP address, with or without a port"
        raise FaultsFound([Fault("", 0, "--dns", problem, "Write 192.0.2.53")]) from error


def relay_facts(relay: RelaySection | None) -> RelayFacts:
    """Return what of a relay decides about records; of no relay, a server of one's own."""
    if relay is None:
        return RelayFacts(AS_IT_IS.return_path, "", signs=False, own=True)
    return RelayFacts(
        return_path=relay.handling.return_path,
        spf_include=relay.known.spf_include,
        signs=relay.signs == "relay",
        own=relay.profile == ProfileName.POSTFIX.value,
        keeps_from=relay.known.keeps_from,
        greets_as=relay.greets_as,
    )


def _facts_of(workspace: Workspace, sender: Sender) -> list[RelayFacts]:
    """Return what each relay of a sender decides: any of them may take its mails."""
    found = [relay_facts(one) for one in workspace.config.relays_of(sender.key)]
    return found or [relay_facts(None)]


def key_records(sender: Sender) -> list[tuple[str, str]]:
    """Return full name and text of the record of each of a sender's DKIM keys.

    Raises:
        FaultsFound: when a key file cannot be read.
    """
    found = []
    for key in sender.dkim:
        path = Path(key.key_file)
        try:
            text = key_record(path.read_bytes())
        except (OSError, ValueError, TypeError) as error:
            field = f"senders.{sender.key}.dkim.{key.selector}"
            problem = "cannot be read as a private key in PEM"
            raise FaultsFound([Fault(path.name, 0, field, problem, "Run: mailer check")]) from error
        found.append((f"{key.selector}._domainkey.{key.domain}", text))
    return found


def domain_records(workspace: Workspace, sender: Sender) -> list[Wanted]:
    """Return the records that a sender's zone should hold."""
    found: dict[Wanted, None] = {}
    for facts in _facts_of(workspace, sender):
        bounces = bounce_domain(sender, facts)
        sharing = [
            known
            for one in senders_named(workspace, "")
            for known in _facts_of(workspace, one)
            if bounce_domain(one, known) == bounces
        ]
        records = wanted_records(sender, facts, key_records(sender), sharing)
        found |= dict.fromkeys(records)
    return list(found)


def domain_findings(workspace: Workspace, sender: Sender, resolver: Resolver) -> list[Finding]:
    """Return what the DNS says of a sender's domains, and whether its links lead to https."""
    found: dict[Finding, None] = {}
    for facts in _facts_of(workspace, sender):
        found |= dict.fromkeys(check_domain(sender, facts, key_records(sender), resolver))
    return [*found, check_https(sender.base_url)]


def make_key(
    workspace: Workspace, actor: Actor, sender: Sender, selector: str, *, ed25519: bool
) -> Path:
    """Write a new DKIM key for its owner alone; return where it is.

    Raises:
        FaultsFound: when there is such a file already: a key in use is never written over.
    """
    # A database that cannot take the entry is found before a key is made.
    _ = workspace.store
    path = workspace.config.root / f"dkim-{sender.key}-{selector}.key"
    try:
        write_private(path, new_key(ed25519=ed25519))
    except FileExistsError as error:
        fault = Fault(path.name, 0, "", "is there already", "Take another selector")
        raise FaultsFound([fault]) from error
    with workspace.store.write() as connection:
        write_audit(
            connection, actor, AuditAction.KEY_MADE, path.name, workspace.clock.now(),
            sender=sender.key, selector=selector,
        )  # fmt: skip
    return path
