"""Send a statement to those who had no edition of it when it went out, and would have one now.

In: a mailing that was sent. Out: the wish of a mailing to exactly those: the lists and the sender of that
one, and a segment that asks who was left out for want of an edition. Whoever still has none is not mailed
by the new one either, and shows in its plan; whoever was mailed meanwhile is left out by the segment.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailer.app.planning import Wish
from mailer.app.workspace import Workspace
from mailer.audience.mentions import mention_faults
from mailer.audience.segments import Place, read_expression
from mailer.model.faults import Fault, FaultsFound
from mailer.model.mailing import Mailing
from mailer.model.states import MailingState, SkipReason
from mailer.model.worded import worded
from mailer.store.segment_counts import count_people, list_ids
from mailer.store.statements import latest_revision, load_revision


@dataclass(frozen=True)
class CatchingUp:
    """A mailing to those who had no edition."""

    wish: Wish
    #: Tags of the editions that have come since.
    added: tuple[str, ...]
    #: How many were left out for want of an edition and have got none since, whoever of them would
    #: have one now.
    people: int


def catching_up(
    workspace: Workspace, mailing: Mailing, *, with_fallback: bool = False
) -> CatchingUp:
    """Return the mailing that would catch up with those whom `mailing` had no edition for.

    Args:
        workspace: the workspace.
        mailing: one that is over.
        with_fallback: those too who got it in another language than their first, where an edition in
            that has come since.

    Raises:
        FaultsFound: when it is not over, nothing was added since, or its deliveries are gone.
    """
    if mailing.state not in (MailingState.FINISHED, MailingState.CANCELLED):
        raise FaultsFound(
            [
                Fault(
                    "",
                    0,
                    "mailing",
                    worded("%(key)s is not over yet", key=mailing.key),
                    "Wait until it is",
                )
            ]
        )
    with workspace.store.read() as connection:
        sent = load_revision(connection, mailing.revision_id).revision
        latest = latest_revision(connection, sent.slug)
    now = set(latest.revision.languages) if latest else set()
    added = tuple(sorted(now - set(sent.languages)))
    if not added:
        problem = worded(
            "no edition of %(slug)s has come since %(key)s", slug=sent.slug, key=mailing.key
        )
        raise FaultsFound([Fault("", 0, "mailing", problem, "Add one, then come back")])
    segment = f'skipped("{sent.slug}", "{SkipReason.NO_ACCEPTABLE_EDITION}")'
    if with_fallback:
        segment = " or ".join([segment, *(f'fallback("{sent.slug}", {tag})' for tag in added)])
    if mailing.segment:
        segment = f"({segment}) and ({mailing.segment})"
    lists = tuple(target.definition.key for target in mailing.targets)
    wish = Wish(
        sent.slug, lists, mailing.sender.key, segment, mailing.exclude, mailing.concern.urgent
    )
    return CatchingUp(wish, added, _count(workspace, wish))


def _count(workspace: Workspace, wish: Wish) -> int:
    attributes = {
        name: value
        for key in wish.lists
        for name, value in workspace.list_of(key).attributes.items()
    }
    expression = read_expression(wish.segment, attributes, Place("segment"))
    with workspace.store.read() as connection:
        people = count_people(connection, list_ids(connection, wish.lists), expression.segment)
        # After the counting: deliveries may be deleted meanwhile.
        faults = mention_faults(connection, expression.mentions)
    if faults:
        raise FaultsFound(faults)
    return people
