"""Plan the correction of a mailing: the newest revision, to those whom it reached.

In: a workspace and the key of a mailing. Out: a `Plan`, like any other, or what stands in the way.
Statement, lists and sender are those of the mailing that is corrected, and it is urgent where that
one was.
"""

from __future__ import annotations

from collections.abc import Iterator

from mailer.app.planning import (
    CorrectionPlan,
    Plan,
    Wish,
    check_mails,
    chosen_lists,
    refuse_withdrawn,
)
from mailer.app.workspace import Workspace
from mailer.audience.corrections import corrected_faults, correction_coverage, correction_of
from mailer.compose.correcting import correction_faults
from mailer.model.faults import Fault, FaultsFound, errors_in
from mailer.model.mailing import Mailing, Sender
from mailer.model.statement import StatementKind, StoredRevision
from mailer.model.worded import worded
from mailer.store.audience import sync_lists
from mailer.store.corrections import Reached, corrections_of, reached
from mailer.store.engine import Connection
from mailer.store.mailings import corrected_from, find_mailing
from mailer.store.statements import latest_revision, load_revision

OPTION = "--correct"


def plan_correction(workspace: Workspace, key: str) -> Plan:
    """Work out who would get the correction of a mailing; nothing is scheduled.

    Raises:
        FaultsFound: with everything that stops it.
        MailingNotFound: when there is no such mailing.
    """
    with workspace.store.read() as connection:
        found = find_mailing(connection, key)
        corrects = corrected_from(connection, found.row_id)
        faults = corrected_faults(connection, corrects, OPTION)
        if faults:
            raise FaultsFound(faults)
        sent = load_revision(connection, found.revision_id)
        stored = latest_revision(connection, sent.revision.slug) or sent
        got = reached(connection, found.row_id)
        faults = list(_revision_faults(connection, found, sent, stored, got))
    if faults:
        raise FaultsFound(faults)
    lists = tuple(target.definition.key for target in found.targets)
    wish = Wish(stored.revision.slug, lists, found.sender.key)
    chosen = chosen_lists(workspace, lists)
    sender = _sender(workspace, found)
    refuse_withdrawn(workspace, stored.revision.slug)
    design, warnings = check_mails(workspace, stored.revision, chosen, sender)
    fields = frozenset(name for one in chosen for name in one.attributes)
    faults = correction_faults(stored.revision, design, fields)
    if errors_in(faults):
        raise FaultsFound(faults)
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        ids = sync_lists(connection, chosen, now)
    targets = tuple((ids[one.key], one) for one in chosen)
    with workspace.store.read() as connection:
        rule = correction_of(connection, corrects, stored.revision_id)
        # Whoever it is for was chosen by the topics that one had, not by those of the newest text.
        covered = correction_coverage(connection, targets, rule, now, found.concern)
    plan = CorrectionPlan(corrects, got, sent_before=bool(rule.alike))
    return Plan(
        wish,
        stored,
        design,
        sender,
        targets,
        covered,
        warnings,
        correction=plan,
        concern=found.concern,
    )


def _revision_faults(
    connection: Connection,
    found: Mailing,
    sent: StoredRevision,
    stored: StoredRevision,
    got: Reached,
) -> Iterator[Fault]:
    """Yield why the newest revision cannot correct what was sent."""
    slug = stored.revision.slug
    if sent.revision.kind is StatementKind.NEWSLETTER:
        # Its newest revision is the next issue, which says something else.
        yield Fault(
            "", 0, OPTION,
            worded("%(key)s is an issue of a newsletter, of which there is no other text", key=found.key),
            "Correct the statement it tells of; the next issue tells of that again",
        )  # fmt: skip
        return
    if stored.revision_id == sent.revision_id:
        yield Fault(
            "", 0, OPTION,
            worded("%(key)s sent revision %(number)s, which is the latest: nothing is corrected", key=found.key, number=sent.number),
            worded("Mend the text, then run: mailer statements load templates/statements/%(slug)s", slug=slug),
        )  # fmt: skip
        return
    missing = [one for one in got.languages if one not in stored.revision.languages]
    if missing:
        yield Fault(
            "", 0, OPTION,
            worded("revision %(number)s has no edition in %(languages)s, in which %(key)s was sent", number=stored.number, languages=', '.join(missing), key=found.key),
            "Add it, then load the statement again",
        )  # fmt: skip
    for key in corrections_of(connection, found.row_id, stored.revision_id):
        yield Fault(
            "", 0, OPTION,
            worded("%(key)s corrects %(corrected)s with revision %(number)s already", key=key, corrected=found.key, number=stored.number),
            worded("To correct that one too, load a new revision and name %(key)s", key=key),
        )  # fmt: skip


def _sender(workspace: Workspace, found: Mailing) -> Sender:
    sender = workspace.config.sender(found.sender.key)
    if sender is None:
        problem = worded(
            'the sender "%(sender)s" of %(key)s is not in config.toml any more',
            sender=found.sender.key,
            key=found.key,
        )
        raise FaultsFound(
            [Fault("", 0, OPTION, problem, "Put it back: a correction comes from it")]
        )
    return sender
