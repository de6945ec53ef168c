"""Read the preferences form, and say what it shows: pure, whatever was posted.

In: what is on record, what can be chosen, fields. Out: `Wishes`, from which the page is filled, and
the `Choices` they come to, or what is wrong with them. A value that the form does not offer is no
form of ours.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mailer.cldr import is_never
from mailer.feedback.preferences import pause_end
from mailer.model.audience import LanguageProfile
from mailer.store.preferences import Choices, ListStanding, Standing
from mailer.web.public.forms import Fields
from mailer.web.public.time_zones import current_zone, offered_zones

#: What a column of languages holds, with commas between them.
_LONGEST_LANGUAGES = 400
#: How many languages can be put in order at least, and how many more than there are.
_FEWEST_PLACES = 3
_SPARE_PLACES = 1
_YES = "yes"


class NotOurForm(Exception):
    """The fields are not those of the form, or have values that it does not offer."""


class Pause(StrEnum):
    """What can be chosen about a pause."""

    NONE = "none"
    #: As long as the one on record.
    KEEP = "keep"
    BEGIN = "begin"


@dataclass(frozen=True)
class Wishes:
    """What the form shows, or was posted with."""

    #: In order, each once.
    languages: tuple[str, ...]
    never: frozenset[str]
    time_zone: str
    text_only: bool
    only_urgent: bool
    pause: Pause
    #: Keys of lists that were shown as theirs, those of them to stay on, and those to come back to.
    shown: frozenset[str]
    stays: frozenset[str]
    returns: frozenset[str]
    #: (list's key, topic's key) of the topics that are marked.
    topics: frozenset[tuple[str, str]]

    @property
    def clashing(self) -> tuple[str, ...]:
        """Return the languages that are wanted, and never wanted, too."""
        return tuple(one for one in self.languages if is_never(one, self.never))


def offered_languages(known: Sequence[str], standing: Standing) -> tuple[str, ...]:
    """Return the tags that can be chosen: those there are texts in, and what is on record."""
    return tuple(dict.fromkeys((*known, *standing.profile.languages, *standing.profile.never)))


def places(wishes: Wishes, offered: Sequence[str]) -> int:
    """Return how many languages the form lets put in order."""
    return min(max(_FEWEST_PLACES, len(wishes.languages) + _SPARE_PLACES), len(offered))


def wishes_on_record(standing: Standing, now: datetime) -> Wishes:
    """Return what the form shows of what is on record."""
    on = frozenset(one.definition.key for one in standing.lists if one.is_on)
    return Wishes(
        languages=standing.profile.languages,
        never=frozenset(standing.profile.never),
        time_zone=current_zone(standing.time_zone),
        text_only=standing.text_only,
        only_urgent=standing.only_urgent,
        pause=Pause.KEEP if is_paused(standing, now) else Pause.NONE,
        shown=on,
        stays=on,
        returns=frozenset(),
        topics=frozenset(
            (one.definition.key, topic)
            for one in standing.lists
            for topic in one.topics
            if topic in one.definition.topics
        ),
    )


def is_paused(standing: Standing, now: datetime) -> bool:
    """Tell whether a pause is on record that is not over."""
    return standing.paused_until is not None and standing.paused_until > now


def read_wishes(fields: Fields, offered: Collection[str], standing: Standing) -> Wishes:
    """Return what was posted.

    Raises:
        NotOurForm: when it did not come from the form.
    """
    values: dict[str, list[str]] = {}
    for name, value in fields:
        values.setdefault(name, []).append(value)
    languages = tuple(dict.fromkeys(one for one in values.get("language", ()) if one))
    never = frozenset(values.get("never", ()))
    zone = _only(values, "time_zone")
    known = {"", current_zone(standing.time_zone), *offered_zones()}
    if (
        "language" not in values
        or not {*languages, *never} <= set(offered)
        or max(len(",".join(languages)), len(",".join(never))) > _LONGEST_LANGUAGES
        or zone not in known
    ):
        raise NotOurForm
    return Wishes(
        languages=languages,
        never=never,
        time_zone=zone,
        text_only=_YES in values.get("text_only", ()),
        only_urgent=_YES in values.get("only_urgent", ()),
        pause=_pause(values),
        shown=frozenset(values.get("shown", ())),
        stays=frozenset(values.get("stay", ())),
        returns=frozenset(values.get("return", ())),
        topics=frozenset(
            (key, topic)
            for key, _, topic in (one.partition("/") for one in values.get("topic", ()))
        ),
    )


def _only(values: Mapping[str, Sequence[str]], name: str) -> str:
    found = values.get(name, ())
    if len(found) != 1:
        raise NotOurForm
    return found[0]


def _pause(values: Mapping[str, Sequence[str]]) -> Pause:
    try:
        return Pause(_only(values, "pause"))
    except ValueError as error:
        raise NotOurForm from error


def choices_of(wishes: Wishes, standing: Standing, now: datetime) -> Choices:
    """Return what wishes come to, given what is on record.

    A list that was not shown as theirs is not left, and one that was is not come back to: a page
    that lay open since does neither unasked. What is not theirs is passed over.
    """
    leaves, returns = set(), set()
    topics = {}
    for one in standing.lists:
        key = one.definition.key
        if not one.is_on and key in wishes.returns:
            returns.add(one.list_id)
        elif one.is_on and key in wishes.shown - wishes.stays:
            leaves.add(one.list_id)
        elif one.is_on and key in wishes.shown:
            topics[one.list_id] = _topics(wishes, one)
    return Choices(
        profile=LanguageProfile(wishes.languages, tuple(sorted(wishes.never))),
        time_zone=_zone(wishes, standing),
        text_only=wishes.text_only,
        only_urgent=wishes.only_urgent,
        paused_until=_paused_until(wishes, standing, now),
        leaves=frozenset(leaves),
        returns=frozenset(returns),
        topics=topics,
    )


def _topics(wishes: Wishes, one: ListStanding) -> frozenset[str]:
    chosen = {topic for key, topic in wishes.topics if key == one.definition.key}
    return frozenset(chosen & one.definition.topics.keys())


def _zone(wishes: Wishes, standing: Standing) -> str:
    # A name of before that was not touched stays as it is on record.
    untouched = wishes.time_zone == current_zone(standing.time_zone)
    return standing.time_zone if untouched else wishes.time_zone


def _paused_until(wishes: Wishes, standing: Standing, now: datetime) -> datetime | None:
    if wishes.pause is Pause.BEGIN:
        return pause_end(now)
    if wishes.pause is Pause.KEEP and is_paused(standing, now):
        return standing.paused_until
    return None
