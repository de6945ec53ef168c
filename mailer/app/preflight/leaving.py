"""Say whether the mails can leave: keys, relays, what the DNS said of the sender's domains.

In: a subject. Out: findings. The DNS is asked by `ask_domain` alone, when a person wants it; what it
said is kept with its time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta

from mailer.app.domains import domain_findings, relay_facts
from mailer.app.preflight.findings import (
    Finding,
    FindingCode,
    Place,
    advisory,
    blocking,
    from_fault,
)
from mailer.app.preflight.subject import Subject
from mailer.app.sending import check_ready, unverified
from mailer.app.workspace import Workspace
from mailer.domains.resolver import Resolver, SystemResolver
from mailer.keys import KeyFileError
from mailer.model.faults import FaultKind, FaultsFound
from mailer.model.findings import Grade
from mailer.model.mailing import Sender
from mailer.store.engine import WrongKeys
from mailer.store.looks import DomainLook, keep_domain_look, last_domain_look

#: What the DNS said longer ago than this may have changed.
DOMAIN_FRESH = timedelta(days=7)


def leaving_findings(workspace: Workspace, subject: Subject) -> Iterator[Finding]:
    """Yield what keeps the mails from leaving, and what the DNS said of their domains."""
    config = workspace.config
    if not config.workspace.live:
        yield advisory(FindingCode.NOT_LIVE, Place(file="config.toml", field="workspace.live"))
    sender = subject.sender
    if sender is None:
        return
    yield from _relays(workspace, sender)
    yield from _ready(workspace, sender)
    yield from _domain(workspace, sender)


def _relays(workspace: Workspace, sender: Sender) -> Iterator[Finding]:
    """Yield the relays that nobody verified; one that was lets the mailing go."""
    live = workspace.config.workspace.live
    sections = workspace.config.relays_of(sender.key)
    missing = [one for one in sections if unverified(workspace, one) is not None]
    say = blocking if live and len(missing) == len(sections) else advisory
    for one in missing:
        place = Place(file="config.toml", field="relays", sender=sender.key, relay=one.key)
        yield say(FindingCode.RELAY_UNVERIFIED, place, relay=one.key)


def _ready(workspace: Workspace, sender: Sender) -> Iterator[Finding]:
    place = Place(sender=sender.key)
    try:
        check_ready(workspace, sender)
    except FaultsFound as error:
        for fault in error.faults:
            # Which relays are not verified was told one by one.
            if fault.kind is not FaultKind.UNVERIFIED:
                yield from_fault(FindingCode.SENDING_UNREADY, fault, place)
    except KeyFileError as error:
        place = Place(file=error.path.name, sender=sender.key)
        yield blocking(
            FindingCode.SENDING_UNREADY, place, problem=error.problem, remedy=error.remedy
        )
    except WrongKeys as error:
        place = Place(file=error.file_name, sender=sender.key)
        yield blocking(
            FindingCode.SENDING_UNREADY, place,
            problem=f"{error.file_name} belongs to another database", remedy="Put back its own",
        )  # fmt: skip


def _domain(workspace: Workspace, sender: Sender) -> Iterator[Finding]:
    name = sender.address.rpartition("@")[2]
    place = Place(sender=sender.key, domain=name)
    with workspace.store.read() as connection:
        look = last_domain_look(connection, sender.key, domains_digest(workspace, sender))
    if look is None:
        yield advisory(FindingCode.DOMAIN_NOT_ASKED, place, domain=name)
        return
    asked = f"{look.looked_at:%Y-%m-%d %H:%M} UTC"
    if workspace.clock.now() - look.looked_at > DOMAIN_FRESH:
        yield advisory(FindingCode.DOMAIN_ASKED_LONG_AGO, place, domain=name, asked=asked)
    away = [one for one in look.findings if one.grade is Grade.UNKNOWN]
    if away:
        yield advisory(
            FindingCode.DOMAIN_OFFLINE, place, domain=name, asked=asked, count=len(away),
            subjects=", ".join(one.subject for one in away),
        )  # fmt: skip
    for one in look.findings:
        if one.grade is Grade.WRONG:
            yield advisory(
                FindingCode.DOMAIN_WRONG, place, domain=name, asked=asked,
                subject=one.subject, problem=one.text, remedy=one.remedy,
            )  # fmt: skip


def domains_digest(workspace: Workspace, sender: Sender) -> str:
    """Return a digest over what decides which records a sender wants."""
    facts = [relay_facts(one) for one in workspace.config.relays_of(sender.key)]
    keys = [(one.domain, one.selector, one.key_file) for one in sender.dkim]
    decides = (sender.address, sender.base_url, sender.return_path_domain, keys, facts)
    return hashlib.sha256(repr(decides).encode()).hexdigest()


def ask_domain(
    workspace: Workspace, sender: Sender, resolver: Resolver | None = None
) -> DomainLook:
    """Ask the DNS about a sender's domains, and keep what it says.

    Args:
        workspace: where it is kept.
        sender: as config.toml has it.
        resolver: who is asked; None for the system's servers.

    Raises:
        FaultsFound: when a key file cannot be read, so that nobody knows what to look for.
    """
    findings = tuple(domain_findings(workspace, sender, resolver or SystemResolver()))
    look = DomainLook(sender.key, workspace.clock.now(), findings)
    with workspace.store.write() as connection:
        keep_domain_look(connection, look, domains_digest(workspace, sender))
    return look
