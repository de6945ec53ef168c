"""Send the mail of a statement to staff, exactly as a supporter would get it, and wait for replies.

In: a statement or a mailing, a language, addresses of staff. Out: what the relay said to each. The
supporter is invented; the links are those of nobody, so that unsubscribing by them leaves no list.
Nothing is sent later unasked: what could not be handed over is cancelled.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

import uvloop

from mailer.app.preview import choice_for, invented_reader
from mailer.app.routing import relay_digest
from mailer.app.service import (
    digest_of,
    is_staff,
    relays_for,
    service_engine,
    service_handling,
    service_signers,
)
from mailer.app.workspace import Workspace
from mailer.compose.checks import check_revision_with_design
from mailer.compose.composer import CannotCompose, MailingComposer
from mailer.compose.design import read_design
from mailer.compose.fixed import check_headers
from mailer.delivery.session import RelaySettings
from mailer.domains.received import facts_of
from mailer.model.audience import LanguageChoice, ListDefinition
from mailer.model.audit import AuditAction
from mailer.model.faults import Fault, FaultsFound, errors_in
from mailer.model.mailing import Design, Sender
from mailer.model.service import ServiceMail, ServicePurpose
from mailer.model.staff import Actor
from mailer.model.statement import Revision
from mailer.model.states import DeliveryState
from mailer.model.worded import worded
from mailer.store.audit import write_audit
from mailer.store.designs import load_design
from mailer.store.engine import StoreUnavailable
from mailer.store.mailings import find_mailing
from mailer.store.relays import relay_contacts
from mailer.store.service_mails import (
    ServiceRow,
    cancel_service,
    service_rows,
    take_service_id,
    write_service_mail,
)
from mailer.store.statements import latest_revision, load_revision
from mailer.tokens import ServiceTokens

#: How long replies are waited for, in seconds.
PATIENCE_S = 120.0
_LOOK_S = 0.1
_WAITING = (DeliveryState.DUE, DeliveryState.SENDING)


@dataclass(frozen=True)
class StaffWish:
    """What a person asked for."""

    #: Slug; "" where `mailing` is given.
    statement: str
    #: Key of a mailing whose pinned revision, design, sender and list are used; "" for none.
    mailing: str
    #: Of the reader; "" for the statement's own.
    language: str
    #: Key; "" for the first.
    list_key: str
    #: Addresses of staff; none for all.
    to: tuple[str, ...]
    #: Key of one of the sender's relays; "" for all of them in order.
    relay: str = ""


@dataclass(frozen=True)
class StaffPlan:
    """What is about to be sent."""

    revision: Revision
    design: Design
    sender: Sender
    definition: ListDefinition
    choice: LanguageChoice
    addresses: tuple[str, ...]
    #: By which it goes, in order: the next takes what the one before could not be handed.
    relays: tuple[RelaySettings, ...]


@dataclass(frozen=True, repr=False)
class StaffResult:
    """What became of the test send to one address; None for no row, which cannot be."""

    address: str
    row: ServiceRow
    #: Why the relay could not be reached; "" where it was.
    unreachable: str = ""


def plan_staff_send(workspace: Workspace, wish: StaffWish) -> StaffPlan:
    """Work out a test send; nothing is written and nothing sent.

    Raises:
        FaultsFound: with everything that stops it.
        MailingNotFound: when there is no such mailing.
    """
    addresses = _addresses(workspace, wish)
    if wish.mailing:
        revision, design, sender, definition = _of_mailing(workspace, wish)
    else:
        revision, design, sender, definition = _of_statement(workspace, wish)
    choice = choice_for(revision, definition, wish.language or revision.source_language)
    relays = relays_for(workspace, ServicePurpose.TEST_SEND, addresses[0], sender.key, wish.relay)
    return StaffPlan(revision, design, sender, definition, choice, addresses, relays)


def _addresses(workspace: Workspace, wish: StaffWish) -> tuple[str, ...]:
    staff = workspace.config.workspace.staff
    if not staff:
        problem = "names nobody, and a test send goes to staff only"
        raise FaultsFound(
            [Fault("config.toml", 0, "workspace.staff", problem, "Write your own address into it")]
        )
    if not all(is_staff(workspace, one) for one in wish.to):
        problem = "names an address that is not in staff of [workspace]"
        remedy = "Test sends go to staff only; add it there first"
        raise FaultsFound([Fault("", 0, "--to", problem, remedy)])
    known = {digest_of(workspace, one): one for one in staff}
    wanted = [digest_of(workspace, one) for one in wish.to] or list(known)
    # As the config writes them: A-labels, ASCII.
    return tuple(known[digest] for digest in dict.fromkeys(wanted))


def _of_mailing(
    workspace: Workspace, wish: StaffWish
) -> tuple[Revision, Design, Sender, ListDefinition]:
    with workspace.store.read() as connection:
        mailing = find_mailing(connection, wish.mailing)
        revision = load_revision(connection, mailing.revision_id).revision
        design = load_design(connection, mailing.design_id)
    lists = {target.definition.key: target.definition for target in mailing.targets}
    return revision, design, mailing.sender, _list(lists, wish.list_key)


def _of_statement(
    workspace: Workspace, wish: StaffWish
) -> tuple[Revision, Design, Sender, ListDefinition]:
    definitions, faults = workspace.lists
    if errors_in(faults):
        raise FaultsFound(errors_in(faults))
    definition = _list(definitions, wish.list_key)
    sender = workspace.config.sender(definition.sender)
    with workspace.store.read() as connection:
        stored = latest_revision(connection, wish.statement)
    if stored is None or sender is None:
        problem = worded('no statement "%(slug)s" has been loaded', slug=wish.statement)
        remedy = worded(
            "Run: mailer statements load templates/statements/%(slug)s",
            slug=wish.statement,
        )
        raise FaultsFound([Fault("", 0, "--statement", problem, remedy)])
    revision = stored.revision
    design = read_design(workspace.config.templates_dir, revision.kind, workspace.catalogs)
    found = [
        *check_revision_with_design(revision, design, frozenset(definition.attributes)),
        *check_headers(revision, sender, [definition]),
    ]
    if errors_in(found):
        raise FaultsFound(errors_in(found))
    return revision, design, sender, definition


def _list(definitions: dict[str, ListDefinition], key: str) -> ListDefinition:
    known = ", ".join(sorted(definitions)) or worded("none yet")
    if key and key not in definitions:
        raise FaultsFound(
            [
                Fault(
                    "",
                    0,
                    "--list",
                    worded('there is no list "%(key)s"', key=key),
                    worded("There are: %(known)s", known=known),
                )
            ]
        )
    if not definitions:
        problem, remedy = (
            "there is no list yet",
            worded("Write lists/%(key)s.toml first", key="<key>"),
        )
        raise FaultsFound([Fault("", 0, "--list", problem, remedy)])
    return definitions[key] if key else next(iter(definitions.values()))


def send_to_staff(workspace: Workspace, actor: Actor, plan: StaffPlan) -> list[StaffResult]:
    """Send a test to each address in this process, and return what became of each.

    Raises:
        FaultsFound: when the mail cannot be made.
        JournalFull: when the journal cannot be written; nothing was sent then.
        StoreUnavailable: when the database does not answer.
    """
    ended: dict[str, StaffResult] = {}
    for relay in plan.relays:
        left = [one for one in plan.addresses if one not in ended or ended[one].unreachable]
        if not left:
            break
        found, told_to_stop = _send_by(workspace, actor, plan, relay, left)
        ended |= {one.address: one for one in found}
        if told_to_stop:
            break
    return [ended[one] for one in plan.addresses]


def leave_to_senders(workspace: Workspace, actor: Actor, plan: StaffPlan) -> int:
    """Write a test to each address, due now, for the senders of `mailer run`; return how many.

    Raises:
        FaultsFound: when the mail cannot be made.
        StoreUnavailable: when the database does not answer.
    """
    now = workspace.clock.now()
    return len(_write(workspace, actor, plan, plan.relays[0].key, plan.addresses, now))


def _send_by(
    workspace: Workspace,
    actor: Actor,
    plan: StaffPlan,
    relay: RelaySettings,
    addresses: Sequence[str],
) -> tuple[list[StaffResult], bool]:
    """Send a test by one relay; return what became of each, and whether a person stopped it."""
    now = workspace.clock.now()
    ids = _write(workspace, actor, plan, relay.key, addresses, now)
    engine = service_engine(workspace, relay, alerts=False, idle_s=_LOOK_S)

    async def until_answered() -> bool:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        sending = asyncio.create_task(engine.run(stop))
        deadline = time.monotonic() + PATIENCE_S
        while not stop.is_set() and not sending.done() and time.monotonic() < deadline:
            with suppress(StoreUnavailable):
                if await asyncio.to_thread(_is_over, workspace, relay.key, list(ids), now):
                    break
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _LOOK_S)
        told_to_stop = stop.is_set()
        stop.set()
        await sending
        return told_to_stop

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            told_to_stop = runner.run(until_answered())
    finally:
        due = _still_due(workspace, list(ids))
        with workspace.store.write() as connection:
            cancel_service(connection, due, workspace.clock.now())
    with workspace.store.read() as connection:
        rows = service_rows(connection, list(ids))
    why = _unreachable(workspace, relay.key, now)
    results = [
        StaffResult(ids[row.service_id], row, why if row.state is DeliveryState.CANCELLED else "")
        for row in rows
    ]
    return results, told_to_stop


def _write(
    workspace: Workspace,
    actor: Actor,
    plan: StaffPlan,
    relay: str,
    addresses: Sequence[str],
    now: datetime,
) -> dict[int, str]:
    """Write the service mails, due now, by a relay; return their ids and addresses."""
    composer = MailingComposer(
        plan.revision,
        plan.design,
        plan.sender,
        [plan.definition],
        ServiceTokens(workspace.service_keys),
        service_signers(workspace, plan.sender, relay),
        service_handling(workspace, relay),
        takes_mail=workspace.config.feedback.takes_mail,
    )
    # Opened before the database is written: that they belong to it is looked up there.
    seal_keys = workspace.seal_keys
    # Each test send is a request of its own: a second one a minute later is wanted.
    request = f"test-{secrets.token_hex(8)}"
    ids: dict[int, str] = {}
    for address in addresses:
        with workspace.store.write() as connection:
            service_id = take_service_id(connection)
        reader = invented_reader(address, plan.definition.key, plan.choice, service_id)
        try:
            mail = composer.compose(reader, now)
        except CannotCompose as error:
            raise FaultsFound([Fault("", 0, "--to", error.problem)]) from error
        mail_from = mail.envelope.mail_from
        made = ServiceMail(
            service_id=service_id,
            purpose=ServicePurpose.TEST_SEND,
            request=request,
            address=address,
            address_digest=digest_of(workspace, address),
            mail_from=mail_from,
            content=mail.content,
            relay=relay,
            facts=replace(
                facts_of(mail.content), relay_digest=_digest_of(workspace, relay)
            ).to_document(),
        )
        with workspace.store.write() as connection:
            write_service_mail(connection, seal_keys, made, now)
            if not ids:
                write_audit(
                    connection, actor, AuditAction.TEST_SENT, plan.revision.slug, now,
                    language=plan.choice.wanted, relay=relay, recipients=len(addresses),
                )  # fmt: skip
        ids[service_id] = address
    return ids


def _digest_of(workspace: Workspace, relay: str) -> str:
    """Return the digest over how a relay is configured; "" for the sandbox."""
    section = workspace.config.relay(relay)
    return "" if section is None else relay_digest(section)


def _is_over(workspace: Workspace, relay: str, ids: Sequence[int], since: datetime) -> bool:
    with workspace.store.read() as connection:
        rows = service_rows(connection, ids)
    return not any(row.state in _WAITING for row in rows) or bool(
        _unreachable(workspace, relay, since)
    )


def _unreachable(workspace: Workspace, relay: str, since: datetime) -> str:
    """Return why the relay could not be reached since then; "" when it was."""
    with workspace.store.read() as connection:
        for one in relay_contacts(connection):
            if one.relay == relay and one.is_failing and one.failed_at is not None:
                return one.failure if one.failed_at >= since else ""
    return ""


def _still_due(workspace: Workspace, ids: Sequence[int]) -> list[int]:
    """Return the test sends that were never tried: a deferred one is tried again by `mailer run`."""
    with workspace.store.read() as connection:
        rows = service_rows(connection, ids)
    return [row.service_id for row in rows if row.state is DeliveryState.DUE]
