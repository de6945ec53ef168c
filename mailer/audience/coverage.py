"""Say before sending who would be mailed in which language, and which editions are missing.

In: the lists of a mailing to be, its segment and exclusion, and how to choose an edition. Out: a
`Coverage` of figures, by the same rules that freezing goes by. Nothing is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from mailer.cldr import script_of
from mailer.model.audience import LanguageChoice, LanguageProfile, LanguageStep, ListDefinition
from mailer.model.mailing import NO_CONCERN, Concern
from mailer.model.segments import Segment
from mailer.model.states import SkipReason
from mailer.model.tags import LanguageTag, parse_tag
from mailer.store import coverage as counts
from mailer.store.audience import all_profiles
from mailer.store.counting import slices
from mailer.store.coverage_counts import KnownTwice, covered_people, known_twice_by
from mailer.store.engine import Connection
from mailer.store.routes import RouteList, Rules, make_rules

#: Chooses the edition for a profile on a list.
Resolve = Callable[[LanguageProfile, ListDefinition], LanguageChoice]


@dataclass(frozen=True)
class Coverage:
    """Who would be mailed, in figures; each address counts once."""

    #: People who get their first language.
    first: int = 0
    #: People who get a later one of theirs, with a notice.
    later: int = 0
    #: People who get the list's chain or the source, with a notice if they named a language.
    fallback: int = 0
    #: Why people on the lists would not be mailed; only reasons that occur.
    not_mailed: Mapping[SkipReason, int] = field(default_factory=dict)
    #: Language of the edition → people.
    by_language: Mapping[str, int] = field(default_factory=dict)
    #: Languages people would want first and there is no edition in, most wanted first.
    missing: Sequence[tuple[str, int]] = ()
    #: Row id of the list they are mailed through, and their zone as on record → people.
    by_zone: Mapping[tuple[int, str], int] = field(default_factory=dict)

    @property
    def to_mail(self) -> int:
        """Return how many people would be mailed."""
        return self.first + self.later + self.fallback


def coverage(
    connection: Connection,
    targets: Sequence[tuple[int, ListDefinition]],
    segment: Segment | None,
    exclude: Segment | None,
    resolve: Resolve,
    now: datetime,
    concern: Concern = NO_CONCERN,
) -> Coverage:
    """Count who would be mailed if the mailing were frozen at `now`.

    Args:
        connection: a connection in a transaction.
        targets: row id and definition of each list, in the order given.
        segment: who is meant; None for everyone.
        exclude: who is left out; None for nobody.
        resolve: chooses the edition for a profile on a list.
        now: the instant that pauses are compared with.
        concern: what it is about, and whether it is urgent.
    """
    rules = make_rules(
        connection,
        [list_id for list_id, _ in targets],
        segment,
        exclude,
        [list_id for list_id, definition in targets if definition.discreet],
        now,
        concern=concern,
    )
    tally = _Tally(rules, dict(targets), resolve)
    tally.count(connection)
    return tally.result()


class _Tally:
    """Adds up people by how their edition was found, by language and by reason."""

    def __init__(
        self, rules: Rules, definitions: Mapping[int, ListDefinition], resolve: Resolve
    ) -> None:
        self._rules = rules
        self._definitions = definitions
        self._resolve = resolve
        self._choices: dict[tuple[int, LanguageProfile], LanguageChoice] = {}
        self._steps: Counter[LanguageStep] = Counter()
        self._languages: Counter[str] = Counter()
        self._missing: Counter[str] = Counter()
        self._not_mailed: Counter[SkipReason] = Counter()
        self._zones: Counter[tuple[int, str]] = Counter()

    def _choose(self, list_id: int, profile: LanguageProfile) -> LanguageChoice:
        key = (list_id, profile)
        if key not in self._choices:
            self._choices[key] = self._resolve(profile, self._definitions[list_id])
        return self._choices[key]

    def count(self, connection: Connection) -> None:
        """Count everyone on the lists."""
        profiles = all_profiles(connection)
        unacceptable = {
            list_id: [
                profile_id
                for profile_id, profile in profiles.items()
                if self._choose(list_id, profile).language is None
            ]
            for list_id in self._definitions
        }
        twice = known_twice_by(connection, self._rules)
        several = len(twice.by_address) > len(twice.joint)
        for route in self._rules.lists:
            for one in covered_people(connection, self._rules, route, unacceptable, twice):
                choice = self._choose(route.list_id, profiles[one.profile_id])
                if one.reason is not None:
                    self._skipped(one.reason, choice, one.people)
                    continue
                self._zones[route.list_id, one.time_zone] += one.people
                self._mailed(choice, one.people)
            if several:
                self._count_by_address(connection, route, unacceptable, profiles, twice)
        self._count_joint(connection, twice.joint)
        people = self._steps.total() + self._not_mailed.total()
        duplicates = counts.count_memberships(connection, self._rules) - people
        if duplicates:
            self._not_mailed[SkipReason.DUPLICATE_ADDRESS] = duplicates

    def _count_by_address(
        self,
        connection: Connection,
        route: RouteList,
        unacceptable: counts.Unacceptable,
        profiles: Mapping[int, LanguageProfile],
        twice: KnownTwice,
    ) -> None:
        """Count those of a list whom several organisations know, but for those who are joint."""
        for ids in slices(twice.by_address):
            mailed = counts.count_mailed(connection, self._rules, route, unacceptable, ids)
            for (profile_id, time_zone), people in mailed.items():
                self._zones[route.list_id, time_zone] += people
                self._mailed(self._choose(route.list_id, profiles[profile_id]), people)
            others = counts.count_not_mailed(connection, self._rules, route, unacceptable, ids)
            for (reason, profile_id), people in others.items():
                choice = self._choose(route.list_id, profiles[profile_id])
                self._skipped(reason, choice, people)

    def _count_joint(self, connection: Connection, joint: Sequence[int]) -> None:
        """Count those whose never-languages stand on rows of several organisations."""
        mailed: dict[bytes, tuple[LanguageChoice, int, str]] = {}
        skipped: dict[bytes, tuple[SkipReason, LanguageChoice]] = {}
        for route in self._rules.lists:
            found = (
                one
                for ids in slices(joint)
                for one in counts.joint_routes(connection, self._rules, route, ids)
            )
            for one in found:
                if one.address_digest in mailed:
                    continue
                choice = self._choose(route.list_id, one.profile)
                if one.reason is None and choice.language is not None:
                    mailed[one.address_digest] = (choice, route.list_id, one.time_zone)
                    skipped.pop(one.address_digest, None)
                else:
                    reason = one.reason or SkipReason.NO_ACCEPTABLE_EDITION
                    skipped.setdefault(one.address_digest, (reason, choice))
        for choice, list_id, time_zone in mailed.values():
            self._zones[list_id, time_zone] += 1
            self._mailed(choice, 1)
        for reason, choice in skipped.values():
            self._skipped(reason, choice, 1)

    def _mailed(self, choice: LanguageChoice, people: int) -> None:
        self._steps[choice.step] += people
        if choice.language is not None:
            self._languages[choice.language] += people
        if choice.step is not LanguageStep.FIRST:
            self._wanted(choice, people)

    def _skipped(self, reason: SkipReason, choice: LanguageChoice, people: int) -> None:
        self._not_mailed[reason] += people
        if reason is SkipReason.NO_ACCEPTABLE_EDITION:
            self._wanted(choice, people)

    def _wanted(self, choice: LanguageChoice, people: int) -> None:
        if choice.wanted is not None:
            self._missing[edition_tag(choice.wanted)] += people

    def result(self) -> Coverage:
        """Return the figures."""
        return Coverage(
            first=self._steps[LanguageStep.FIRST],
            later=self._steps[LanguageStep.LATER],
            fallback=self._steps[LanguageStep.FALLBACK],
            not_mailed={
                reason: self._not_mailed[reason]
                for reason in SkipReason
                if self._not_mailed[reason]
            },
            by_language=dict(sorted(self._languages.items())),
            by_zone=dict(self._zones),
            missing=tuple(sorted(self._missing.items(), key=lambda one: (-one[1], one[0]))),
        )


def edition_tag(wanted: str) -> str:
    """Return the tag of the edition that would serve a reader: without region and variants.

    The script is kept where it is not the one the language is written in by itself: whoever reads
    zh-TW is served by zh-Hant and not by zh.

    Raises:
        MalformedTag: when it is not a tag.
    """
    tag = parse_tag(wanted)
    script = script_of(tag)
    own = script_of(LanguageTag(tag.language))
    return str(LanguageTag(tag.language, "" if script == own else script))
