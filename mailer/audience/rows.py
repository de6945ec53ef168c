"""Read one row of a list's CSV: columns to fields, fields to values that are right.

In: the header and cells of a row. Out: an `ImportedRow`, or `BadRow` with a reason that quotes
nothing of the person. Standards: ISO 3166-1, ISO 8601, RFC 5646.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache
from zoneinfo import available_timezones

from babel import Locale

from mailer.audience.addresses import BadAddress, NormalAddress, normalize_address
from mailer.model.audience import Attribute, AttributeType, LanguageProfile, ListDefinition
from mailer.model.faults import Fault, FaultsFound
from mailer.model.tags import MalformedTag, normalize_tag

#: Field → headers it is known by, in lower case, when the list's file names none.
_HEADERS: Mapping[str, tuple[str, ...]] = {
    "address": ("address", "email", "e-mail", "email address", "mail"),
    "name": ("name", "full name", "full_name"),
    "languages": ("languages", "language", "lang"),
    "never_languages": ("never_languages", "never languages", "never"),
    "country": ("country", "country code"),
    "time_zone": ("time_zone", "timezone", "time zone"),
    "tags": ("tags", "tag"),
    "joined": ("joined", "joined at", "joined_at"),
    "consent": ("consent",),
    "consent_source": ("consent_source", "consent source"),
    "consented_at": ("consented_at", "consented at"),
}
_NO = frozenset({"", "no", "false", "0", "none"})
_YES = frozenset({"yes", "true", "1", "on"})
_LONGEST_VALUE = 2_000
_SPLIT = re.compile(r"[;,|\s]+")


class BadRow(Exception):
    """A row that cannot be taken; the reason quotes nothing of the person."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True)
class ImportedRow:
    """A row, read."""

    address: NormalAddress
    #: None when the row says nothing of languages.
    profile: LanguageProfile | None
    country: str
    time_zone: str
    joined_at: datetime | None
    tags: frozenset[str]
    #: "" when the row says that there is none.
    consent_basis: str
    consent_source: str
    consented_at: datetime | None
    #: Name, attributes and undeclared columns that have a value.
    fields: Mapping[str, str] = field(default_factory=dict)
    #: Declared clear attributes, by name, as text in canonical form.
    clear: Mapping[str, str] = field(default_factory=dict)


def cleaned(text: str) -> str:
    """Return text on one line, without control and invisible characters, blanks at the ends gone."""
    kept = (
        " " if unicodedata.category(character) in ("Cc", "Zl", "Zp") else character
        for character in text
        # Persian and Kurdish words need the two joiners; every other format character goes.
        if unicodedata.category(character) not in ("Cf", "Cs") or character in "\u200c\u200d"
    )
    return " ".join(unicodedata.normalize("NFC", "".join(kept)).split())


@lru_cache(maxsize=1)
def _countries() -> frozenset[str]:
    return frozenset(code for code in map(str, Locale("en").territories) if len(code) == 2)


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


class RowReader:
    """Reads the rows of one file into the fields of one list."""

    def __init__(
        self, header: Sequence[str], definition: ListDefinition, file_name: str, source: str
    ) -> None:
        self._definition = definition
        self._source = source
        self._width = len(header)
        self._columns = self._map(header, file_name)

    def _map(self, header: Sequence[str], file_name: str) -> list[str]:
        """Return the field of each column; a column that is no field keeps its header's name."""
        by_header = {name: one for one, names in _HEADERS.items() for name in names}
        by_header |= {name.lower(): name for name in self._definition.attributes}
        by_header |= {name.lower(): one for one, name in self._definition.columns.items()}
        columns = []
        for cell in header:
            name = cleaned(cell)
            columns.append(by_header.get(name.lower(), name))
        faults = [
            Fault(file_name, 1, name, "two columns give this field", "Keep one of them")
            for name in sorted({one for one in columns if one and columns.count(one) > 1})
        ]
        if "address" not in columns:
            faults.append(
                Fault(file_name, 1, "address", "no column holds the address",
                      'Name it "email", or say which it is under [columns] of the list')
            )  # fmt: skip
        if faults:
            raise FaultsFound(faults)
        return columns

    def read(self, cells: Sequence[str]) -> ImportedRow:
        """Return what a row says.

        Raises:
            BadRow: when it cannot be taken.
        """
        if len(cells) != self._width:
            raise BadRow(f"it has {len(cells)} cells, the header {self._width}")
        values: dict[str, str] = {}
        for name, cell in zip(self._columns, cells, strict=True):
            if len(cell) > _LONGEST_VALUE:
                raise BadRow(f"{name}: longer than {_LONGEST_VALUE} characters")
            values[name] = cell if name == "address" else cleaned(cell)
        try:
            address = normalize_address(values.pop("address"))
        except BadAddress as error:
            raise BadRow(error.problem) from None
        basis = self._basis(values)
        clear = dict(self._clear(values))
        row = ImportedRow(
            address=address,
            profile=self._profile(values),
            country=self._country(values.pop("country", "")),
            time_zone=self._zone(values.pop("time_zone", "")),
            joined_at=_instant("joined", values.pop("joined", "")),
            tags=frozenset(_split_tags(values.pop("tags", ""))),
            consent_basis=basis,
            consent_source=values.pop("consent_source", "") or self._source,
            consented_at=_instant("consented_at", values.pop("consented_at", "")),
            clear=clear,
        )
        return _with_fields(row, {name: value for name, value in values.items() if name and value})

    def _basis(self, values: dict[str, str]) -> str:
        said = values.pop("consent", None)
        if said is None or said.lower() in _YES:
            return self._definition.consent_basis
        return "" if said.lower() in _NO else said

    def _profile(self, values: dict[str, str]) -> LanguageProfile | None:
        languages = _tags_of("languages", values.pop("languages", ""))
        never = _tags_of("never_languages", values.pop("never_languages", ""))
        if not languages and not never:
            return None
        return LanguageProfile(languages, tuple(sorted(set(never))))

    def _country(self, text: str) -> str:
        code = text.upper()
        if code and code not in _countries():
            raise BadRow("country: not a two-letter country code")
        return code

    def _zone(self, text: str) -> str:
        if text and text not in _zones():
            raise BadRow("time_zone: not a time zone like Europe/Chisinau")
        return text

    def _clear(self, values: Mapping[str, str]) -> list[tuple[str, str]]:
        found = []
        for name, attribute in self._definition.attributes.items():
            value = values.get(name, "")
            if value:
                canonical = canonical_value(attribute, value)
                if attribute.clear:
                    found.append((name, canonical))
        return found


def _with_fields(row: ImportedRow, fields: Mapping[str, str]) -> ImportedRow:
    return ImportedRow(**{**row.__dict__, "fields": fields})


def canonical_value(attribute: Attribute, text: str) -> str:
    """Return an attribute's value in the one form it is stored in.

    Raises:
        BadRow: when it is not of the attribute's type.
    """
    try:
        if attribute.type is AttributeType.NUMBER:
            number = float(text.replace(",", "."))
            if not math.isfinite(number):
                raise ValueError
            return repr(number)
        if attribute.type is AttributeType.DATE:
            return date.fromisoformat(text).isoformat()
    except ValueError:
        raise BadRow(f"{attribute.name}: not a {attribute.type.value}") from None
    if attribute.type is AttributeType.BOOLEAN:
        if text.lower() not in _YES | _NO:
            raise BadRow(f"{attribute.name}: neither yes nor no")
        return "yes" if text.lower() in _YES else "no"
    return text


def _tags_of(name: str, text: str) -> tuple[str, ...]:
    tags: list[str] = []
    for part in filter(None, _SPLIT.split(text)):
        try:
            tag = normalize_tag(part)
        except MalformedTag:
            raise BadRow(f"{name}: not language tags like ru;uk") from None
        if tag not in tags:
            tags.append(tag)
    return tuple(tags)


def _split_tags(text: str) -> list[str]:
    return [tag for part in re.split(r"[;,|]", text) if (tag := part.strip())]


def _instant(name: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadRow(f"{name}: not a date like 2025-03-31") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
