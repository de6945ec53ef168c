"""Fix a mailing's audience, a range of members at a time, so that nobody waits for the database.

In: a mailing in state freezing, and how to choose an edition. Out: one delivery per address, due or
skipped with a reason. A step is one transaction; killed at any instant it goes on where it stood.
The first pass goes over the lists in the order given and finds the first route to each address; the
second says of everyone left why they are not mailed, and which lists each delivery came through.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from mailer.audience.corrections import corrected_faults, correction_of
from mailer.audience.mentions import mention_faults
from mailer.audience.segments import Expression, Mention, Place, read_expression
from mailer.clock import SYSTEM_CLOCK, Clock
from mailer.model.audience import LanguageChoice, LanguageProfile, ListDefinition
from mailer.model.faults import FaultsFound
from mailer.model.mailing import Corrected, Mailing
from mailer.model.states import MailingState, SkipReason
from mailer.store import freezing as rows
from mailer.store.engine import Connection, Store
from mailer.store.freezing import Progress, Range, Sharing, Unresolved
from mailer.store.mailings import load_mailing
from mailer.store.routes import RouteList, Rules, make_rules
from mailer.store.shares import ShareFor, place, shares_of

#: Chooses the edition for a profile on a list.
Resolve = Callable[[LanguageProfile, ListDefinition], LanguageChoice]

#: What a range should hold the write lock for; the limit is 50 ms and the commit comes on top.
TARGET_S = 0.025
#: No range is smaller, or freezing would never end, or larger, or one step would be a surprise.
FEWEST_MEMBERS = 100
MOST_MEMBERS = 20_000
#: Pairs of profile and list that one step writes.
PROFILES_PER_STEP = 2_000
_FIND_PASS = 1
_REASON_PASS = 2


@dataclass(frozen=True)
class FreezeProgress:
    """What one step did."""

    #: The last range is in; the mailing may start.
    done: bool
    #: It is not freezing, or no more: paused or cancelled by a person.
    stopped: bool = False
    #: Members this step looked at.
    members: int = 0
    #: How long it kept others from writing, without the commit.
    held_s: float = 0.0


def freeze_step(
    store: Store,
    mailing_id: int,
    resolve: Resolve,
    now: datetime,
    clock: Clock = SYSTEM_CLOCK,
    share_for: ShareFor | None = None,
) -> FreezeProgress:
    """Freeze the next range of a mailing, or see that all are frozen.

    Args:
        store: the database.
        mailing_id: row id of the mailing.
        resolve: chooses the edition for a profile on a list.
        now: the instant that pauses are compared with.
        clock: measures how long the lock was held, for the size of the next range.
        share_for: gives the share of a zone; needed where the mailing goes at recipients' time.

    Raises:
        FaultsFound: when the mailing's segment cannot be read any more, or asks about deliveries
            that are gone; nothing is changed.
    """
    with store.read() as connection:
        found = load_mailing(connection, mailing_id)
        asked = _Asked.of(found)
        asked.check(connection)
        rules = _rules(connection, found, asked, now)
        step = _Step(found, resolve, now, clock, rules, share_for)
        unresolved = step.unresolved(connection)
    choices = step.choices(unresolved)
    with store.write() as connection:
        done = step.run(connection, choices)
        # Deliveries may be deleted meanwhile; their mark is set before the first is, so that a
        # range which found some missing is taken back here.
        asked.check(connection)
        return done


@dataclass(frozen=True)
class _Asked:
    """Who is meant and who is left out."""

    segment: Expression | None
    exclude: Expression | None
    corrects: Corrected | None
    #: What faults about the mailing that is corrected name.
    option: str

    @classmethod
    def of(cls, found: Mailing) -> _Asked:
        """Read the expressions that a mailing pins."""
        return cls(
            _expression(found, found.segment, "segment"),
            _expression(found, found.exclude, "exclude"),
            found.corrects,
            found.key,
        )

    def check(self, connection: Connection) -> None:
        """Make sure that what earlier mailings did is still known.

        Raises:
            FaultsFound: when deliveries that are asked about are gone.
        """
        mentions: list[Mention] = []
        for one in (self.segment, self.exclude):
            mentions += one.mentions if one else ()
        # What it pins cannot be written anew.
        faults = [replace(one, remedy="Cancel it") for one in mention_faults(connection, mentions)]
        if self.corrects is not None:
            faults += corrected_faults(connection, self.corrects, self.option)
        if faults:
            raise FaultsFound(faults)


def _rules(connection: Connection, found: Mailing, asked: _Asked, now: datetime) -> Rules:
    return make_rules(
        connection,
        [target.list_row_id for target in found.targets],
        asked.segment.segment if asked.segment else None,
        asked.exclude.segment if asked.exclude else None,
        [target.list_row_id for target in found.targets if target.definition.discreet],
        now,
        correction_of(connection, found.corrects, found.revision_id, found.row_id)
        if found.corrects
        else None,
    )


def _expression(found: Mailing, text: str, name: str) -> Expression | None:
    if not text:
        return None
    attributes = {
        key: attribute
        for target in found.targets
        for key, attribute in target.definition.attributes.items()
    }
    return read_expression(text, attributes, Place(f"{name} of {found.key}"))


class _Step:
    """One step of one mailing."""

    def __init__(
        self,
        found: Mailing,
        resolve: Resolve,
        now: datetime,
        clock: Clock,
        rules: Rules,
        share_for: ShareFor | None,
    ) -> None:
        self._id = found.row_id
        self._timing = found.timing
        self._share_for = share_for
        self._resolve = resolve
        self._now = now
        self._clock = clock
        self._rules = rules
        self._definitions = {target.list_row_id: target.definition for target in found.targets}

    def unresolved(self, connection: Connection) -> list[Unresolved]:
        """Return profiles whose editions are not worked out yet, up to what one step writes."""
        if self._rules.correction is not None:
            # Their language is what it was, not chosen anew.
            return []
        return rows.unresolved_profiles(
            connection, self._id, list(self._definitions), PROFILES_PER_STEP
        )

    def choices(self, unresolved: list[Unresolved]) -> list[tuple[Unresolved, LanguageChoice]]:
        """Choose an edition for each."""
        return [
            (one, self._resolve(one.profile, self._definitions[one.list_id])) for one in unresolved
        ]

    def run(
        self, connection: Connection, choices: list[tuple[Unresolved, LanguageChoice]]
    ) -> FreezeProgress:
        """Write the next range, or some choices of editions when there are many."""
        progress = rows.lock_progress(connection, self._id)
        if progress.frozen:
            return FreezeProgress(done=True)
        if progress.state is not MailingState.FREEZING:
            return FreezeProgress(done=False, stopped=True)
        begun = self._clock.monotonic()
        rows.write_choices(connection, self._id, choices)
        if len(choices) >= PROFILES_PER_STEP:
            return FreezeProgress(done=False, held_s=self._clock.monotonic() - begun)
        # A profile may have come since we looked; nobody may be passed over for it.
        rows.write_choices(connection, self._id, self.choices(self.unresolved(connection)))
        return self._run_range(connection, progress, begun)

    def _run_range(
        self, connection: Connection, progress: Progress, begun: float
    ) -> FreezeProgress:
        freeze_pass = progress.freeze_pass or _FIND_PASS
        route = self._rules.lists[progress.position]
        span = rows.next_range(connection, route.list_id, progress.next_id, progress.members)
        if span is not None:
            self._freeze(connection, freeze_pass, route, span)
        members = span.members if span is not None else 0
        held_s = self._clock.monotonic() - begun
        size = next_size(progress.members, members, held_s)
        if span is not None and members == progress.members:
            rows.move_progress(
                connection, self._id, freeze_pass, route.position, span.last_id + 1, size
            )
        elif route.position + 1 < len(self._rules.lists):
            rows.move_progress(connection, self._id, freeze_pass, route.position + 1, 0, size)
        elif freeze_pass == _FIND_PASS:
            rows.move_progress(connection, self._id, _REASON_PASS, 0, 0, size)
        else:
            rows.mark_frozen(connection, self._id, self._now)
            return FreezeProgress(done=True, members=members, held_s=held_s)
        return FreezeProgress(done=False, members=members, held_s=held_s)

    def _freeze(
        self, connection: Connection, freeze_pass: int, route: RouteList, span: Range
    ) -> None:
        sharing = self._sharing(connection)
        insert = rows.insert_mailed if freeze_pass == _FIND_PASS else rows.insert_rest
        insert(connection, self._id, route, self._rules, span, self._now, sharing)
        if sharing.by_zone and self._share_for is not None:
            place(connection, self._id, self._timing, self._share_for, self._now)
        if self._rules.shared and self._rules.correction is None:
            self._heed_other_rows(connection, freeze_pass, route, span)
        if freeze_pass == _REASON_PASS:
            rows.insert_lists(connection, self._id, route, span)

    def _sharing(self, connection: Connection) -> Sharing:
        if not self._timing.in_shares:
            return Sharing()
        known = [] if self._timing.recipient_time else shares_of(connection, self._id)
        # A mailing written without its share gets it with its first delivery.
        return Sharing(known[0].row_id) if known else Sharing(by_zone=True)

    def _heed_other_rows(
        self, connection: Connection, freeze_pass: int, route: RouteList, span: Range
    ) -> None:
        """Choose again where another organisation knows of languages never to be used."""
        definition = self._definitions[route.list_id]
        for one in rows.forbidden_elsewhere(connection, self._id, route, span):
            choice = self._resolve(one.profile, definition)
            wanted = choice.wanted if choice.notice else None
            if choice.language is None and freeze_pass == _FIND_PASS:
                rows.withdraw(connection, one.delivery_id)
            elif choice.language is None:
                rows.skip(connection, one.delivery_id, SkipReason.NO_ACCEPTABLE_EDITION, self._now)
            elif (choice.language, choice.step, wanted) != (one.language, one.step, one.wanted):
                rows.change_edition(connection, one.delivery_id, choice)


def next_size(asked: int, members: int, held_s: float) -> int:
    """Return how many members the next range takes, from how long this one held the lock.

    It grows by half at most, so that one lucky range is not followed by a long one, and shrinks at
    once. A range that was not full says little and lets the size only shrink.
    """
    if held_s <= 0 or members == 0:
        return asked
    fitting = int(members * TARGET_S / held_s)
    largest = asked + asked // 2 if members == asked else asked
    return max(FEWEST_MEMBERS, min(fitting, largest, MOST_MEMBERS))
