"""Say which column of a file is which field of a supporter: by its header, or as a person chose.

In: the header of a file, the list it is for, the system it was exported from. Out: a field per column.
What a file names otherwise, and what a known system means, is guessed; what a person chose is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mailer.audience.cells import cleaned, rearmed
from mailer.audience.systems import System
from mailer.model.audience import ListDefinition

#: A column that a person leaves out: nothing of it is read. No header can be this.
LEFT_OUT = "\0left out"
#: What a person chooses for a column that is kept, sealed, under the name it has.
KEPT = "\0kept"
#: Field → headers it is known by, in lower case, when the list's file names none.
HEADERS: Mapping[str, tuple[str, ...]] = {
    "address": ("address", "email", "e-mail", "email address", "mail"),
    "name": ("name", "full name", "full_name"),
    "languages": ("languages", "language", "lang"),
    "never_languages": ("never_languages", "never languages", "never"),
    "country": ("country", "country code"),
    "time_zone": ("time_zone", "timezone", "time zone"),
    "tags": ("tags", "tag"),
    "joined": ("joined", "joined at", "joined_at"),
    "discreet": ("discreet",),
    "text_only": ("text_only", "text only"),
    "topics": ("topics", "topic"),
    "consent": ("consent",),
    "consent_source": ("consent_source", "consent source"),
    "consented_at": ("consented_at", "consented at"),
}
#: What the list's file calls a field → the field, where a field has two names.
SAME_FIELD = {"email": "address", "language": "languages"}


def header_names(header: Sequence[str]) -> list[str]:
    """Return the names of columns as they are compared."""
    return [cleaned(rearmed(cell)) for cell in header]


def known_headers(definition: ListDefinition) -> dict[str, tuple[str, ...]]:
    """Return the headers of each field that a list has: topics only where it declares some."""
    has_topics = bool(definition.topics)
    return {name: one for name, one in HEADERS.items() if name != "topics" or has_topics}


def guessed_columns(
    names: Sequence[str], definition: ListDefinition, system: System | None
) -> list[str]:
    """Return the field of each column; a column that is no field keeps its header's name."""
    by_header = {name: one for one, found in known_headers(definition).items() for name in found}
    by_header |= {name.lower(): name for name in definition.attributes}
    by_header |= {
        name.lower(): SAME_FIELD.get(one, one) for one, name in definition.columns.items()
    }
    columns = [by_header.get(name.lower(), name) for name in names]
    if system is not None:
        columns = _of_export(names, columns, definition, system)
    if "email" in [name.lower() for name in names]:
        # Beside "email", a column "address" is where somebody lives.
        columns = [
            name if name.lower() == "address" and name.lower() not in _named(definition) else one
            for name, one in zip(names, columns, strict=True)
        ]
    return columns


def _of_export(
    names: Sequence[str], columns: Sequence[str], definition: ListDefinition, system: System
) -> list[str]:
    """Return the fields of a known export: what its system means goes before what we guess."""
    theirs = system.columns
    named = _named(definition)
    claimed = {SAME_FIELD.get(one, one) for one in definition.columns}
    taken = {
        theirs[name.lower()]
        for name in names
        if name.lower() in theirs and name.lower() not in named
    }
    found = []
    for name, guessed in zip(names, columns, strict=True):
        header = name.lower()
        if header in named or header in definition.attributes:
            found.append(guessed)
        elif theirs.get(header) in claimed:
            # The list's file says that another column gives this field.
            found.append(f"{header}_as_exported")
        elif header in theirs:
            found.append(theirs[header])
        else:
            # Beside "Email Address", Mailchimp's "Address" is where somebody lives.
            found.append(name if guessed in taken else guessed)
    return found


def _named(definition: ListDefinition) -> set[str]:
    return {name.lower() for name in definition.columns.values()}


def chosen_columns(names: Sequence[str], targets: Sequence[str]) -> list[str]:
    """Return the field of each column as a person chose it.

    Args:
        names: of the columns.
        targets: a field, an attribute, `KEPT` or `LEFT_OUT` for each.
    """
    return [
        _kept_name(name) if target == KEPT else target
        for name, target in zip(names, targets, strict=True)
    ]


def _kept_name(name: str) -> str:
    # Under the name of a field it would be read as that field.
    return f"{name} (as sent)" if name.lower() in {*HEADERS, *SAME_FIELD} else name
