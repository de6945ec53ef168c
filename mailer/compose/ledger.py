"""Keep account of the places in a message that differ from supporter to supporter.

In: the slots and conditions met in templates. Out: a `Ledger` that gives each slot a marker, which
stands for it until the message is merged, and each condition a name.
"""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from mailer.compose.conditions import Condition

#: What a mail may hold of any supporter, beside the attributes that lists declare. It is less than
#: what every supporter has: the address, say, stands in no text.
MAIL_FIELDS = frozenset({"name", "country"})
_PREFIX_LETTERS = 10


class SlotKind(StrEnum):
    """What fills a slot."""

    #: A field of the supporter.
    FIELD = "field"
    #: The address of the person's unsubscribe page.
    UNSUBSCRIBE_URL = "unsubscribe_url"
    #: The address of the person's preferences page.
    PREFERENCES_URL = "preferences_url"
    #: The name of the list the delivery came through.
    LIST_NAME = "list.name"


@dataclass(frozen=True)
class Slot:
    """A place in a message that is filled per supporter."""

    kind: SlotKind
    #: The supporter's field; "" for the other kinds.
    field: str = ""
    #: What is shown when the field is missing.
    default: str = ""

    def __str__(self) -> str:
        return f"supporter.{self.field}" if self.kind is SlotKind.FIELD else self.kind.value


@dataclass(frozen=True)
class Place:
    """A slot in one of the lines that name it."""

    slot: Slot
    #: As faults name it; "" for what templates are handed as a value, and name as they like.
    file: str = ""
    #: Line of the file.
    line: int = 0


UNSUBSCRIBE_URL = Slot(SlotKind.UNSUBSCRIBE_URL)
PREFERENCES_URL = Slot(SlotKind.PREFERENCES_URL)
#: Slots whose value is a web address of the person's own: they may be the whole of a link.
PERSONAL_LINKS = frozenset({UNSUBSCRIBE_URL, PREFERENCES_URL})
LIST_NAME = Slot(SlotKind.LIST_NAME)


def _random_prefix() -> str:
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(_PREFIX_LETTERS))


@dataclass
class Ledger:
    """The slots and conditions of one edition in one design, as its templates name them.

    A slot's marker is made of ASCII letters and digits only, so that neither Markdown nor the HTML
    parser nor the CSS inliner takes it for anything; its beginning is random, so that no text holds
    it by chance or by intent. Each line that names a slot has a marker of its own, so that of two
    the one can be told that stands where no value may go.
    """

    places: list[Place] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)
    #: Places of slots without a default where their value may be missing.
    bare: list[Place] = field(default_factory=list)
    prefix: str = field(default_factory=_random_prefix)

    def __post_init__(self) -> None:
        self._marker = re.compile(rf"{self.prefix}(\d+)z")

    def copy(self) -> Ledger:
        """Return a ledger that goes on from what this one holds."""
        return Ledger(list(self.places), list(self.conditions), list(self.bare), self.prefix)

    @property
    def slots(self) -> list[Slot]:
        """Return the slots there are, each once, in the order met."""
        return list(dict.fromkeys(place.slot for place in self.places))

    def marker(self, slot: Slot, file: str = "", line: int = 0) -> str:
        """Return what stands for a slot, in one of the lines that name it, until it is filled."""
        place = Place(slot, file, line)
        if place not in self.places:
            self.places.append(place)
        return f"{self.prefix}{self.places.index(place)}z"

    def name_of(self, condition: Condition) -> str:
        """Return the variable that stands for a condition in the lifted templates."""
        if condition not in self.conditions:
            self.conditions.append(condition)
        return condition_name(self.conditions.index(condition))

    def split(self, text: str) -> Iterator[str | Slot]:
        """Yield the text between markers and the slots the markers stand for, in order."""
        position = 0
        for found in self._marker.finditer(text):
            if found.start() > position:
                yield text[position : found.start()]
            yield self.places[int(found[1])].slot
            position = found.end()
        if position < len(text):
            yield text[position:]

    def places_in(self, text: str) -> list[Place]:
        """Return the places whose markers a text has, in order."""
        return [self.places[int(index)] for index in self._marker.findall(text)]

    def is_marker(self, text: str) -> bool:
        """Tell whether the text is one marker and nothing else."""
        return self._marker.fullmatch(text) is not None

    def isolate(self, html: str) -> str:
        """Put every marker in an HTML text into `<bdi>`, so that its value turns nothing around."""
        return self._marker.sub(r"<bdi>\g<0></bdi>", html)


def condition_name(index: int) -> str:
    """Return the variable that stands for the condition of that index."""
    return f"condition_{index}"
