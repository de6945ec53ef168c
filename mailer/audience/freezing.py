"""Fix a mailing's audience, a range of people at a time, so that nobody waits for the database.

In: a mailing in state freezing, and how to choose an edition. Out: one delivery per address, due or
skipped with a reason. A step is one transaction; killed at any instant it goes on where it stood.
A range holds all rows of its addresses: the first list in the order given that is a route to one
makes its delivery, and where none is, the first that it is on says why. All that is worked out before
others are kept from writing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from mailer.audience.corrections import corrected_faults, correction_of
from mailer.audience.mentions import mention_faults
from mailer.audience.segments import Expression, Mention, Place, read_expression
from mailer.clock import SYSTEM_CLOCK, Clock
from mailer.model.audience import LanguageChoice, LanguageProfile, ListDefinition
from mailer.model.faults import FaultsFound
from mailer.model.mailing import Corrected, Mailing
from mailer.model.states import MailingState
from mailer.store import freezing as rows
from mailer.store.engine import Connection, Store
from mailer.store.freezing import Progress, Range, Sharing, Unresolved
from mailer.store.mailings import load_mailing
from mailer.store.routes import Rules, make_rules
from mailer.store.shares import ShareFor, place, shares_of
from mailer.store.turns import fitting

#: Chooses the edition for a profile on a list.
Resolve = Callable[[LanguageProfile, ListDefinition], LanguageChoice]

#: What a range should hold the write lock for; the limit is 50 ms and the commit comes on top.
TARGET_S = 0.020
#: No range is smaller, or freezing would never end, or larger, or one step would be a surprise.
FEWEST_PEOPLE = 1_000
MOST_PEOPLE = 20_000
#: Pairs of profile and list that one step writes.
PROFILES_PER_STEP = 2_000


@dataclass(frozen=True)
class FreezeProgress:
    """What one step did."""

    #: The last range is in; the mailing may start.
    done: bool
    #: It is not freezing, or no more: paused or cancelled by a person.
    stopped: bool = False
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
    with store.connection() as connection:
        with store.reading(connection):
            found = load_mailing(connection, mailing_id)
            asked = _Asked.of(found)
            asked.check(connection)
            rules = _rules(connection, found, asked, now)
            step = _Step(found, resolve, now, clock, rules, share_for)
            prepared = step.prepare(connection)
        with store.writing(connection, patient=True):
            done = step.run(connection, prepared)
            # Deliveries may be deleted meanwhile; their mark is set before the first is, so that a
            # range which found some missing is taken back here.
            asked.check(connection)
            return done


@dataclass(frozen=True)
class _Prepared:
    """A step as far as it goes without keeping others from writing."""

    #: What it begins from.
    progress: Progress
    #: Editions that were not worked out yet: they are written first, and a range in the next step.
    choices: list[tuple[Unresolved, LanguageChoice]]
    #: None where there are choices, or nothing is to be frozen.
    span: Range | None
    sharing: Sharing
    #: What the range comes to.
    foreseen: rows.Foreseen = field(default_factory=dict)


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


def rules_of(connection: Connection, mailing: Mailing, now: datetime) -> Rules:
    """Return the rules that a mailing would be frozen by.

    Raises:
        FaultsFound: when its segment cannot be read any more, or asks about deliveries that are gone.
    """
    asked = _Asked.of(mailing)
    asked.check(connection)
    return _rules(connection, mailing, asked, now)


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
        found.concern,
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

    def prepare(self, connection: Connection) -> _Prepared:
        """Work out the next range, or editions that are not chosen yet."""
        progress = rows.read_progress(connection, self._id, lock=False)
        sharing = self._sharing(connection)
        choices = self._choices(connection)
        if choices or progress.frozen or progress.state is not MailingState.FREEZING:
            return _Prepared(progress, choices, None, sharing)
        list_ids = [one.list_id for one in self._rules.lists]
        span = rows.next_range(connection, list_ids, progress.after, progress.people)
        rows.find_routes(connection, self._id, self._rules, span, sharing)
        if self._rules.shared and self._rules.correction is None:
            # Choose again where another organisation knows of languages never to be used.
            rows.change_editions(
                connection,
                [
                    (one, self._resolve(one.profile, self._definitions[one.list_id]))
                    for one in rows.forbidden_elsewhere(connection)
                ],
            )
        return _Prepared(progress, choices, span, sharing, rows.foresee(connection, self._id))

    def _choices(self, connection: Connection) -> list[tuple[Unresolved, LanguageChoice]]:
        """Choose an edition for profiles that have none yet, up to what one step writes."""
        if self._rules.correction is not None:
            # Their language is what it was, not chosen anew.
            return []
        return [
            (one, self._resolve(one.profile, self._definitions[one.list_id]))
            for one in rows.unresolved_profiles(
                connection, self._id, list(self._definitions), PROFILES_PER_STEP
            )
        ]

    def run(self, connection: Connection, prepared: _Prepared) -> FreezeProgress:
        """Write what was prepared, unless another process did."""
        progress = rows.read_progress(connection, self._id, lock=True)
        if progress.frozen:
            return FreezeProgress(done=True)
        if progress.state is not MailingState.FREEZING:
            return FreezeProgress(done=False, stopped=True)
        begun = self._clock.monotonic()
        rows.write_choices(connection, self._id, prepared.choices)
        span = prepared.span
        if span is None or progress != prepared.progress:
            return FreezeProgress(done=False, held_s=self._clock.monotonic() - begun)
        rows.insert_deliveries(connection, self._id, prepared.foreseen, self._now)
        if prepared.sharing.by_zone and self._share_for is not None:
            place(connection, self._id, self._timing, self._share_for, self._now)
        rows.insert_lists(connection, self._id)
        held_s = self._clock.monotonic() - begun
        if span.upto is None:
            rows.mark_frozen(connection, self._id, self._now)
        else:
            size = fitting(progress.people, held_s, TARGET_S, FEWEST_PEOPLE, MOST_PEOPLE)
            rows.move_progress(connection, self._id, span.upto, size)
        return FreezeProgress(done=span.upto is None, held_s=held_s)

    def _sharing(self, connection: Connection) -> Sharing:
        if not self._timing.in_shares:
            return Sharing()
        known = [] if self._timing.recipient_time else shares_of(connection, self._id)
        # A mailing written without its share gets it with its first delivery.
        return Sharing(known[0].row_id) if known else Sharing(by_zone=True)
