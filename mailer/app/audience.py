"""Count whom lists, a segment and an exclusion mean, before there is anything to send.

In: a workspace, keys of lists, expressions or keys of saved segments. Out: `AudienceCounts`: how many,
by language, country, time zone and list, and who is left out for which reason. Nothing is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mailer.app.planning import chosen_lists
from mailer.app.workspace import Workspace
from mailer.audience.mentions import mention_faults
from mailer.audience.segments import Expression, Place, read_expression, saved_segments
from mailer.cldr import is_never
from mailer.model.audience import LanguageProfile, ListDefinition
from mailer.model.faults import FaultsFound
from mailer.model.states import SkipReason
from mailer.store.audience import all_profiles
from mailer.store.audience_counts import PeopleAlike, people_alike
from mailer.store.coverage import count_memberships
from mailer.store.routes import make_rules
from mailer.store.segment_counts import list_ids

#: What faults of the two expressions name.
SEGMENT = "segment"
EXCLUDE = "exclude"


@dataclass(frozen=True)
class AudienceCounts:
    """Whom a mailing to these lists would find, in figures; each address counts once."""

    #: People who may be mailed.
    people: int
    #: The first of their languages that they do not forbid → people; "" where none is named.
    by_language: Mapping[str, int]
    #: Two letters → people; "" when unknown.
    by_country: Mapping[str, int]
    #: IANA name → people; "" when unknown.
    by_zone: Mapping[str, int]
    #: Key of the list they would be mailed through → people.
    by_list: Mapping[str, int]
    #: Why the others on the lists would not be mailed; only reasons that occur.
    left_out: Mapping[SkipReason, int]

    @property
    def on_lists(self) -> int:
        """Return how many people are on the lists."""
        duplicates = self.left_out.get(SkipReason.DUPLICATE_ADDRESS, 0)
        return self.people + sum(self.left_out.values()) - duplicates


def audience_of(
    workspace: Workspace, lists: Sequence[str], segment: str = "", exclude: str = ""
) -> AudienceCounts:
    """Count whom a mailing to these lists would find now.

    Which editions there will be is not known yet: nobody is left out for their language.

    Args:
        workspace: the workspace.
        lists: keys, in the order in which a mailing would be given them.
        segment: who is meant, an expression or the key of a saved segment; "" for everyone.
        exclude: who is left out; "" for nobody.

    Raises:
        FaultsFound: with what is wrong with lists and expressions.
    """
    chosen = chosen_lists(workspace, tuple(lists))
    meant = _read(workspace, chosen, segment, SEGMENT)
    left_out = _read(workspace, chosen, exclude, EXCLUDE)
    found = _count(workspace, chosen, meant, left_out)
    # After the counting: deliveries may be deleted meanwhile, and their mark is set with the first.
    with workspace.store.read() as connection:
        faults = [
            fault
            for one in (meant, left_out)
            if one is not None
            for fault in mention_faults(connection, one.mentions)
        ]
    if faults:
        raise FaultsFound(faults)
    return found


def _read(
    workspace: Workspace, lists: Sequence[ListDefinition], text: str, option: str
) -> Expression | None:
    if not text.strip():
        return None
    attributes = {name: value for one in lists for name, value in one.attributes.items()}
    saved = saved_segments(workspace.config.lists_dir)
    return read_expression(text.strip(), attributes, Place(option), saved)


def _count(
    workspace: Workspace,
    chosen: Sequence[ListDefinition],
    meant: Expression | None,
    left_out: Expression | None,
) -> AudienceCounts:
    with workspace.store.read() as connection:
        # A list that nobody was ever brought onto has no row, and nobody on it.
        rows = {one.key: list_ids(connection, [one.key]) for one in chosen}
        keys = {found[0]: key for key, found in rows.items() if found}
        rules = make_rules(
            connection,
            list(keys),
            meant.segment if meant else None,
            left_out.segment if left_out else None,
            [row_id for row_id, key in keys.items() if workspace.lists[0][key].discreet],
            workspace.clock.now(),
        )
        profiles = {
            row_id: _first_acceptable(profile)
            for row_id, profile in all_profiles(connection).items()
        }
        memberships = count_memberships(connection, rules)
    tally = _Tally(Counter({one.key: 0 for one in chosen}))
    for one in people_alike(workspace.store, rules):
        tally.add(one, keys[one.list_id], profiles.get(one.profile_id, ""))
    return tally.result(memberships)


@dataclass(frozen=True)
class _Tally:
    """Adds up people."""

    lists: Counter[str]
    languages: Counter[str] = field(default_factory=Counter)
    countries: Counter[str] = field(default_factory=Counter)
    zones: Counter[str] = field(default_factory=Counter)
    reasons: Counter[SkipReason] = field(default_factory=Counter)

    def add(self, one: PeopleAlike, key: str, language: str) -> None:
        """Add people of a list."""
        if one.reason is not None:
            self.reasons[one.reason] += one.people
            return
        self.languages[language] += one.people
        self.countries[one.country] += one.people
        self.zones[one.time_zone] += one.people
        self.lists[key] += one.people

    def result(self, memberships: int) -> AudienceCounts:
        """Return the figures."""
        people = self.lists.total()
        # Somebody may join or leave while we count.
        duplicates = max(0, memberships - people - self.reasons.total())
        if duplicates:
            self.reasons[SkipReason.DUPLICATE_ADDRESS] = duplicates
        return AudienceCounts(
            people=people,
            by_language=_most_first(self.languages),
            by_country=_most_first(self.countries),
            by_zone=_most_first(self.zones),
            by_list=dict(self.lists),
            left_out={
                reason: self.reasons[reason] for reason in SkipReason if self.reasons[reason]
            },
        )


def _first_acceptable(profile: LanguageProfile) -> str:
    return next((one for one in profile.languages if not is_never(one, profile.never)), "")


def _most_first(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda one: (-one[1], one[0])))
