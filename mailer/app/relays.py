"""Look at a workspace's relays, and put on record that one has been verified.

In: a workspace, the key of a relay, a received mail. Out: findings; after a mail that came through
as it should, the relay's digest in the database.
"""

from __future__ import annotations

import asyncio
import re
from urllib.parse import urlsplit

import uvloop

from mailer.app.routing import relay_digest, relay_settings
from mailer.app.workspace import Workspace
from mailer.config import RelaySection
from mailer.delivery.probe import probe
from mailer.domains.received import Expected, ReceivedMail, compare
from mailer.domains.resolver import Resolver
from mailer.model.audit import AuditAction
from mailer.model.faults import Fault, FaultsFound
from mailer.model.findings import Finding, ok, passes, wrong
from mailer.model.mailing import Sender
from mailer.model.service import SentFacts
from mailer.model.staff import Actor
from mailer.store.audit import write_audit
from mailer.store.relays import mark_relay_verified
from mailer.store.service_mails import find_sent_facts, last_sent_facts
from mailer.store.statements import latest_revision
from mailer.tokens import BadToken, ServiceTokens

#: A mail larger than this is none of ours.
LARGEST_MAIL = 20_000_000
_URL = re.compile(r"https?://[^\s<>\"')]+")


def relays_named(workspace: Workspace, key: str) -> list[RelaySection]:
    """Return the relay of that key, or all for "".

    Raises:
        FaultsFound: when there is none.
    """
    config = workspace.config
    found = [one for one in config.relays if key in ("", one.key)]
    if not found:
        known = ", ".join(one.key for one in config.relays) or "none yet"
        problem = f'there is no relay "{key}"' if key else "there is no relay"
        raise FaultsFound([Fault("config.toml", 0, "relays", problem, f"There are: {known}")])
    return found


def one_relay(workspace: Workspace, key: str) -> RelaySection:
    """Return the relay of that key, or the only one for "".

    Raises:
        FaultsFound: when there is none, or it is not said which of several.
    """
    found = relays_named(workspace, key)
    if len(found) > 1:
        known = ", ".join(one.key for one in found)
        problem, remedy = "there are several relays", f"Name one: {known}"
        raise FaultsFound([Fault("config.toml", 0, "relays", problem, remedy)])
    return found[0]


def check_relay_steps(workspace: Workspace, section: RelaySection) -> list[Finding]:
    """Return what connecting to a relay found, step by step; nothing is sent."""
    try:
        settings = relay_settings(workspace, section)
    except FaultsFound as error:
        return [wrong(one.field, one.problem, one.remedy) for one in error.faults]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(probe(settings, workspace.clock.now()))


def verify_relay(
    workspace: Workspace,
    actor: Actor,
    section: RelaySection,
    saved: bytes,
    resolver: Resolver,
) -> list[Finding]:
    """Compare a mail that came through a relay with what it should be; if it is, note that.

    Args:
        workspace: Its senders and statements say what the mail should be.
        actor: In whose name it is noted.
        section: The relay it came through.
        saved: The mail as a mailbox saved it.
        resolver: Who is asked for keys and policies.
    """
    mail = ReceivedMail.read(saved)
    sender = _sender_of(workspace, mail, section)
    if sender is None:
        text = "the From address is of none of the senders in config.toml"
        return [wrong("From", text, "Save a mail that `mailer test-send` sent, whole")]
    used = workspace.config.relays_of(sender.key)
    if section not in used:
        others = ", ".join(f'"{one.key}"' for one in used) or "none"
        text = f'mails of the sender "{sender.key}" go by the relay {others}'
        return [wrong("From", text, "Name that relay, or save a mail of another sender")]
    expected = Expected(
        sender=sender,
        handling=section.handling,
        match=section.known.match,
        replaces=section.known.replaces,
        we_sign=section.signs == "mailer",
        hosts=_hosts_of_statement(workspace, sender, mail),
    )
    sent = _on_record(workspace, section, mail)
    found = [_test_send(section, sent)]
    found += list(compare(sent, saved, expected, resolver, workspace.clock.now()))
    if passes(found):
        with workspace.store.write() as connection:
            mark_relay_verified(connection, section.key, relay_digest(section))
            write_audit(
                connection, actor, AuditAction.RELAY_VERIFIED, section.key, workspace.clock.now(),
                digest=relay_digest(section),
            )  # fmt: skip
        found.append(ok("relay", f'"{section.key}" is verified as it is configured now'))
    return found


def _test_send(section: RelaySection, sent: SentFacts | None) -> Finding:
    """Say whether the mail was sent from here, by this relay as it is configured now."""
    again = "Send a new one: mailer test-send"
    if sent is None:
        return wrong("test send", "this mail is none that `mailer test-send` sent by it", again)
    if sent.relay_digest != relay_digest(section):
        return wrong("test send", "it was sent when the relay was configured otherwise", again)
    return ok("test send", "it was sent from here, by this relay")


def _on_record(workspace: Workspace, section: RelaySection, mail: ReceivedMail) -> SentFacts | None:
    """Return what a test send was when it left; None when the mail is none, or not of this place.

    A relay that writes Message-ID anew leaves nothing to find it by: then it is the last one.
    """
    left_side = mail.value("Message-ID").strip("<>").partition("@")[0]
    with workspace.store.read() as connection:
        if "Message-ID" in section.known.replaces:
            found = last_sent_facts(connection, section.key)
        else:
            try:
                service_id = ServiceTokens(workspace.service_keys).read_message_id(left_side)
            except BadToken:
                return None
            found = find_sent_facts(connection, service_id, section.key)
    return SentFacts.from_document(found) if found else None


def _sender_of(workspace: Workspace, mail: ReceivedMail, section: RelaySection) -> Sender | None:
    """Return the sender a mail comes from, rather one of this relay where several could be."""
    config = workspace.config
    senders = [config.sender(one.key) for one in config.senders]
    same = [one for one in senders if one and one.address.lower() == mail.from_address]
    same.sort(key=lambda one: section not in config.relays_of(one.key))
    return same[0] if same else None


def _hosts_of_statement(workspace: Workspace, sender: Sender, mail: ReceivedMail) -> frozenset[str]:
    """Return the hosts that the statement in a mail links to, as it was loaded last."""
    page = re.compile(rf"{re.escape(sender.base_url)}/w/([a-z0-9-]+)(?:[/?#]|$)")
    slugs = {found[1] for link in mail.links if (found := page.match(link))}
    hosts: set[str] = set()
    for slug in slugs:
        with workspace.store.read() as connection:
            stored = latest_revision(connection, slug)
        if stored is not None:
            for address in _URL.findall(str(stored.revision)):
                hosts.add(urlsplit(address).hostname or "")
    return frozenset(hosts)
