"""Read one row of a list's CSV: columns to fields, fields to values that are right.

In: the header and cells of a row. Out: an `ImportedRow`, or `BadRow` with a reason that quotes
nothing of the person. What a cell leaves empty is unknown, not "none". Standards: ISO 3166-1,
ISO 8601, RFC 5646.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache
from zoneinfo import available_timezones

from mailer.audience.addresses import BadAddress, NormalAddress, normalize_address
from mailer.audience.cells import cleaned, rearmed, split_tags
from mailer.audience.columns import (
    LEFT_OUT,
    chosen_columns,
    guessed_columns,
    header_names,
    known_headers,
)
from mailer.audience.consent import Consent, is_basis
from mailer.audience.systems import LENIENT, WHEREABOUTS, System, recognized
from mailer.cldr import is_country, is_language, is_understood
from mailer.model.audience import (
    Attribute,
    AttributeType,
    LanguageProfile,
    ListDefinition,
    SuppressionReason,
)
from mailer.model.faults import Fault, FaultsFound
from mailer.model.tags import MalformedTag, normalize_tag
from mailer.model.worded import worded

_NO = frozenset({"no", "false", "0", "none", "нет", "ні", "nein", "nu"})
_YES = frozenset({"yes", "true", "1", "on", "да", "так", "ja", "da"})
#: Columns that tell where consent came from: filled, they say that it was given.
_EVIDENCE = ("consent_source", "consented_at")
_LONGEST_VALUE = 2_000
_LONGEST_TAG = 120
#: All the tags of a profile, joined by commas.
_LONGEST_LANGUAGES = 400
#: Of somebody who named no language.
NOTHING_SAID = LanguageProfile((), ())
_SPLIT = re.compile(r"[;,|\s]+")
# How Go and Ruby print an instant: "2024-01-02 03:04:05.6 +0000 UTC", "2024-01-02 03:04:05 UTC".
_ZONED = re.compile(r"(.*?\d)(?: UTC| ([+-]\d{4})(?: [A-Z]{3,5}| [+-]\d{2,4})?)")
_UNKNOWN_LANGUAGE = "one is no language known here; write tags like ru, uk"

_TYPES: Mapping[AttributeType, str] = {
    AttributeType.NUMBER: worded("number"),
    AttributeType.DATE: worded("date"),
}


class BadRow(Exception):
    """A row that cannot be taken; the reason quotes nothing of the person."""

    def __init__(self, problem: str, field: str = "") -> None:
        #: The field as people know it: "country"; "" when the row as such is meant.
        self.field = field
        self.problem = problem
        self.reason = (
            worded("%(field)s: %(problem)s", field=field, problem=worded(problem))
            if field
            else problem
        )
        super().__init__(self.reason)


@dataclass(frozen=True, repr=False)
class ImportedRow:
    """A row, read; its `repr` shows nothing of the person."""

    address: NormalAddress
    profile: LanguageProfile = NOTHING_SAID
    #: "" when unknown, as `time_zone`.
    country: str = ""
    time_zone: str = ""
    joined_at: datetime | None = None
    tags: frozenset[str] = frozenset()
    #: At risk: mailed with the discreet profile only.
    discreet: bool = False
    #: Wants mails without HTML.
    text_only: bool = False
    #: Keys of topics of the list; none stands for all.
    topics: frozenset[str] = frozenset()
    consent: Consent = Consent.UNKNOWN
    #: "" unless consent was given.
    consent_basis: str = ""
    consent_source: str = ""
    consented_at: datetime | None = None
    #: Name, attributes and undeclared columns that have a value.
    fields: Mapping[str, str] = field(default_factory=dict)
    #: Declared clear attributes, by name, as text in canonical form.
    clear: Mapping[str, str] = field(default_factory=dict)
    #: Why another system mails them no more: a suppression, and no supporter.
    barred: SuppressionReason | None = None


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


class RowReader:
    """Reads the rows of one file into the fields of one list."""

    def __init__(
        self,
        header: Sequence[str],
        definition: ListDefinition,
        file_name: str,
        source: str,
        targets: Sequence[str] | None = None,
    ) -> None:
        self._definition = definition
        names = header_names(header)
        #: Whose export this is; None for a file of one's own.
        self.system: System | None = recognized(names)
        self._headers = [name.lower() for name in names]
        self._source = f"{self.system.name}, {source}" if self.system else source
        self._columns = self._map(names, targets, file_name)

    @property
    def sealed_columns(self) -> tuple[str, ...]:
        """Return the columns that neither the program nor the list knows; they are sealed."""
        known = {*known_headers(self._definition), *self._definition.attributes, LEFT_OUT}
        used = self._used()
        return tuple(
            name
            for name in self._columns
            if name and name not in known and name.lower() not in used
        )

    @property
    def says_who_left(self) -> bool:
        """Whether another system's file has a column that says who unsubscribed there."""
        return self.system is None or not self.system.leaving.isdisjoint(self._headers)

    def _used(self) -> set[str]:
        """Return the headers of another system that are not kept once a row is read."""
        system = self.system
        if system is None:
            return set()
        used = {*system.barred, *system.name_parts, *system.consent_times, *WHEREABOUTS}
        return used - set(self._definition.attributes)

    def _map(
        self, names: Sequence[str], targets: Sequence[str] | None, file_name: str
    ) -> list[str]:
        """Return the field of each column; a column that is no field keeps its header's name."""
        if targets is None:
            columns = guessed_columns(names, self._definition, self.system)
        else:
            columns = chosen_columns(names, targets)
        self._refuse_bad_header(columns, file_name)
        return columns

    def _refuse_bad_header(self, columns: Sequence[str], file_name: str) -> None:
        faults = [
            # A file without a header has a person where a name should be: that is not quoted.
            Fault(
                file_name,
                1,
                "" if _has_at_sign(name) else name,
                "two columns give this field",
                "Keep one of them",
            )
            for name in sorted({one for one in columns if one and columns.count(one) > 1})
            if name != LEFT_OUT
        ]
        if "address" not in columns:
            faults.append(
                Fault(file_name, 1, "address", "no column holds the address",
                      'Name it "email", or say which it is under [columns] of the list')
            )  # fmt: skip
        if faults:
            raise FaultsFound(faults)

    def read(self, cells: Sequence[str]) -> ImportedRow:
        """Return what a row says.

        Raises:
            BadRow: when it cannot be taken.
        """
        cells = [rearmed(cell) for cell in cells]
        barred = self._barred(cells)
        if barred is not None:
            # Whatever else is amiss with the row, the person is not to be mailed.
            return ImportedRow(_address(self._cell(cells, "address")), barred=barred)
        values = self._values(cells)
        address = _address(values.pop("address", ""))
        if self.system is not None:
            self._translate(self.system, values)
        consent, basis = self._consent(values)
        source = values.pop("consent_source", "")
        consented_at = _instant("consented_at", values.pop("consented_at", ""))
        given = consent is Consent.GIVEN
        country = _country(values.pop("country", ""))
        profile = LanguageProfile(
            _language_tags("languages", values.pop("languages", "")),
            tuple(sorted(_never_tags("never_languages", values.pop("never_languages", "")))),
        )
        time_zone = _zone(values.pop("time_zone", ""))
        joined_at = _instant("joined", values.pop("joined", ""))
        tags = frozenset(_split_tags(values.pop("tags", "")))
        discreet = _flag("discreet", values.pop("discreet", ""))
        text_only = _flag("text_only", values.pop("text_only", ""))
        topics = self._topics(values)
        attributes = self._attributes(values)
        return ImportedRow(
            address=address,
            profile=profile,
            country=country,
            time_zone=time_zone,
            joined_at=joined_at,
            tags=tags,
            discreet=discreet,
            text_only=text_only,
            topics=topics,
            consent=consent,
            consent_basis=basis,
            consent_source=(source or self._source) if given else "",
            consented_at=consented_at if given else None,
            fields={**{name: value for name, value in values.items() if value}, **attributes},
            clear={
                name: value
                for name, value in attributes.items()
                if self._definition.attributes[name].clear
            },
        )

    def _barred(self, cells: Sequence[str]) -> SuppressionReason | None:
        if self.system is None:
            return None
        # Spreadsheets leave out empty cells at the end of a row.
        return self.system.reason(dict(zip(self._headers, cells, strict=False)))

    def _cell(self, cells: Sequence[str], column: str) -> str:
        position = self._columns.index(column)
        return cells[position] if position < len(cells) else ""

    def _translate(self, system: System, values: dict[str, str]) -> None:
        """Bring the values of an export into our fields, where it says them otherwise."""
        by_header = {name.lower(): name for name in values}
        parts = [values[by_header[one]] for one in system.name_parts if one in by_header]
        if not values.get("name") and any(parts):
            values["name"] = " ".join(filter(None, parts))
        times = [values[by_header[one]] for one in system.consent_times if one in by_header]
        times += [values["joined"]] if "joined" in values and system.consent_times else []
        if times and "consented_at" not in values:
            values["consented_at"] = next(filter(None, times), "")
        for name in LENIENT:
            try:
                _LENIENT[name](values.get(name, ""))
            except BadRow:
                values[f"{name}_as_exported"] = values.pop(name)
        for header in self._used():
            values.pop(by_header.get(header, ""), None)

    def _values(self, cells: Sequence[str]) -> dict[str, str]:
        if any(cell.strip() for cell in cells[len(self._columns) :]):
            raise BadRow(
                worded(
                    "it has %(count)s cells, the header %(wanted)s",
                    count=len(cells),
                    wanted=len(self._columns),
                )
            )
        values: dict[str, str] = {}
        # Spreadsheets leave out empty cells at the end of a row.
        for name, cell in zip(self._columns, cells, strict=False):
            if name == LEFT_OUT:
                continue
            if len(cell) > _LONGEST_VALUE:
                raise BadRow(
                    worded("longer than %(longest)s characters", longest=_LONGEST_VALUE), name
                )
            if not name and cell.strip():
                raise BadRow("a cell stands under no column name")
            if name:
                values[name] = cell if name == "address" else cleaned(cell)
        return values

    def _consent(self, values: dict[str, str]) -> tuple[Consent, str]:
        """Return what the row says; a file without a word on consent has the list's basis."""
        said = values.pop("consent", "")
        if said.lower() in _NO:
            return Consent.WITHDRAWN, ""
        evidence = [values[one] for one in _EVIDENCE if one in values]
        if said.lower() in _YES or (not said and any(evidence)):
            return Consent.GIVEN, self._definition.consent_basis
        if said:
            # It is stored in clear, so it may say nothing of the person: no sentence, no address.
            if not is_basis(said):
                raise BadRow(
                    "write yes, no or one word in small letters like membership; a text belongs under consent_source",
                    "consent",
                )
            return Consent.GIVEN, said
        if "consent" in self._columns or evidence:
            return Consent.UNKNOWN, ""
        return Consent.GIVEN, self._definition.consent_basis

    def _topics(self, values: dict[str, str]) -> frozenset[str]:
        declared = self._definition.topics
        if not declared:
            return frozenset()
        topics = frozenset(filter(None, _SPLIT.split(values.pop("topics", "").lower())))
        if not topics <= declared.keys():
            # By one that nobody declares, the person would hear of nothing.
            raise BadRow(
                worded(
                    "one is no topic of this list; there are: %(known)s", known=", ".join(declared)
                ),
                "topics",
            )
        return topics

    def _attributes(self, values: Mapping[str, str]) -> dict[str, str]:
        found = {
            name: canonical_value(attribute, values[name])
            for name, attribute in self._definition.attributes.items()
            if values.get(name)
        }
        for name, value in found.items():
            if self._definition.attributes[name].clear and _has_at_sign(value):
                raise BadRow("holds an at sign; what stays readable may be no address", name)
        return found


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
            return repr(number).removesuffix(".0")
        if attribute.type is AttributeType.DATE:
            return date.fromisoformat(text).isoformat()
    except ValueError:
        raise BadRow(
            worded("not a %(type)s", type=_TYPES[attribute.type]), attribute.name
        ) from None
    if attribute.type is AttributeType.BOOLEAN:
        if text.lower() not in _YES | _NO:
            raise BadRow("neither yes nor no", attribute.name)
        return "yes" if text.lower() in _YES else "no"
    return text


def _address(text: str) -> NormalAddress:
    try:
        return normalize_address(text)
    except BadAddress as error:
        raise BadRow(error.problem) from None


def _country(text: str) -> str:
    code = text.upper()
    if code and not is_country(code):
        raise BadRow("not a two-letter country code", "country")
    return code


def _zone(text: str) -> str:
    if text and text not in _zones():
        raise BadRow("not a time zone like Europe/Chisinau", "time_zone")
    return text


def _flag(name: str, text: str) -> bool:
    if text and text.lower() not in _YES | _NO:
        raise BadRow("neither yes nor no", name)
    return text.lower() in _YES


@lru_cache(maxsize=4096)
def _language_tags(name: str, text: str) -> tuple[str, ...]:
    try:
        tags = tuple(dict.fromkeys(normalize_tag(part) for part in _SPLIT.split(text) if part))
    except MalformedTag:
        raise BadRow("not language tags like ru;uk", name) from None
    if len(",".join(tags)) > _LONGEST_LANGUAGES:
        raise BadRow("more languages than anybody reads", name)
    if not all(map(is_language, tags)):
        raise BadRow(_UNKNOWN_LANGUAGE, name)
    return tags


def _never_tags(name: str, text: str) -> tuple[str, ...]:
    """Return tags of which every part is known: by another, no edition would be held back."""
    tags = _language_tags(name, text)
    if not all(map(is_understood, tags)):
        raise BadRow(_UNKNOWN_LANGUAGE, name)
    return tags


def _split_tags(text: str) -> list[str]:
    tags = split_tags(text)
    if any(len(tag) > _LONGEST_TAG for tag in tags):
        raise BadRow(
            worded("one is longer than %(longest)s characters", longest=_LONGEST_TAG), "tags"
        )
    # Tags are stored in clear.
    if any(_has_at_sign(tag) for tag in tags):
        raise BadRow("one holds an at sign; an address is no tag", "tags")
    return tags


def _has_at_sign(text: str) -> bool:
    # Compatibility forms hold the wide and the small sign too.
    return "@" in unicodedata.normalize("NFKC", text)


def _instant(name: str, text: str) -> datetime | None:
    if not text:
        return None
    zoned = _ZONED.fullmatch(text)
    try:
        moment = datetime.fromisoformat(zoned[1] + (zoned[2] or "+00:00") if zoned else text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadRow("not a date like 2025-03-31", name) from None


#: How the fields of `LENIENT` are read.
_LENIENT: Mapping[str, Callable[[str], object]] = {
    "country": _country,
    "time_zone": _zone,
    "joined": lambda text: _instant("joined", text),
}
