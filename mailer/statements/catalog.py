"""Read the fixed phrases of mails and public pages, and speak them in one language.

In: `templates/locale/<language>/LC_MESSAGES/mailer.po`. Out: a `Catalog` per language. A phrase that
is empty or fuzzy counts as missing, and a missing phrase is an error that names it: nothing ever
falls back to English by itself. Phrases hold no markup; a value goes in by name, `%(name)s`.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.catalog import Message
from babel.messages.pofile import PoFileError, read_po
from babel.numbers import format_decimal

from mailer.cldr import script_of
from mailer.model.faults import Fault, FaultsFound
from mailer.statements.languages import (
    MalformedTag,
    find_locale,
    normalize_tag,
    own_digits,
    parse_tag,
)

#: The domain of the catalogs: the name of their files.
DOMAIN = "mailer"
#: The language the phrases are written in; its catalog says which phrases there are.
PHRASE_LANGUAGE = "en"
#: Every rule tells numbers apart by their last digits; nobody's looks at more than three.
_TELLING_COUNTS = 1_001
_PLACEHOLDER = re.compile(r"%\((\w+)\)s|%%")
_LINE = re.compile(
    r'\s*(?:#.*|(?:(?:msgctxt|msgid|msgid_plural|msgstr(?:\[\d\])?)\s+)?"(?:[^"\\]|\\.)*"\s*)?'
)
_MARKUP = re.compile(r"<[A-Za-z/!]|\{\{|\{%")


class MissingPhrase(LookupError):
    """A catalog has no finished translation of a phrase."""

    def __init__(self, language: str, phrase: str) -> None:
        self.language = language
        self.phrase = phrase
        super().__init__(f'the catalog "{language}" has no phrase "{phrase}"')


class MissingValue(LookupError):
    """A phrase names a value that it was not given."""

    def __init__(self, language: str, phrase: str, name: str) -> None:
        self.language = language
        self.phrase = phrase
        self.name = name
        super().__init__(f'the phrase "{phrase}" in "{language}" wants a value for {name}')


@dataclass(frozen=True)
class Catalog:
    """The finished phrases of one language."""

    language: str
    #: The expression of the Plural-Forms header, as gettext writes it: "n != 1".
    plural_rule: str
    #: msgid → its forms: one, or as many as the language has for a number.
    forms: Mapping[str, tuple[str, ...]]
    #: Phrases the file has but leaves empty or fuzzy.
    untranslated: tuple[str, ...] = field(default=(), compare=False)

    @cached_property
    def _form_of(self) -> Callable[[int], int]:
        return gettext.c2py(self.plural_rule)

    @cached_property
    def form_count(self) -> int:
        """Return how many forms the language has for a number."""
        return 1 + max(map(self._form_of, range(_TELLING_COUNTS)))

    def has(self, msgid: str, plural_msgid: str = "") -> bool:
        """Tell whether a phrase is finished; one with a plural in all forms the language has."""
        return len(self.forms.get(msgid, ())) >= (self.form_count if plural_msgid else 1)

    def phrase(self, msgid: str, /, **values: object) -> str:
        """Return a phrase with its values.

        Raises:
            MissingPhrase: when there is no finished translation.
            MissingValue: when it names a value that was not given.
        """
        forms = self.forms.get(msgid)
        if not forms:
            raise MissingPhrase(self.language, msgid)
        return self._filled(msgid, forms[0], values)

    def plural(self, msgid: str, plural_msgid: str, count: int, /, **values: object) -> str:
        """Return a phrase in the form that goes with `count`.

        The count itself is the value `count`, in the digits of the language, unless given.

        Raises:
            MissingPhrase: when there is no finished translation of that form.
            MissingValue: when it names a value that was not given.
        """
        forms = self.forms.get(msgid, ())
        index = self._form_of(count)
        if index >= len(forms):
            raise MissingPhrase(self.language, f"{msgid} / {plural_msgid}")
        return self._filled(msgid, forms[index], {"count": self.number(count), **values})

    def number(self, count: int) -> str:
        """Return a whole number as the language writes it: "1,200", "۱٬۲۰۰"."""
        locale = find_locale(self.language)
        if locale is None:
            return str(count)
        written = str(format_decimal(count, locale=locale, numbering_system="default"))
        return own_digits(written, self.language)

    def _filled(self, msgid: str, text: str, values: Mapping[str, object]) -> str:
        def value(found: re.Match[str]) -> str:
            name = found[1]
            if name is None:
                return "%"
            if name not in values:
                raise MissingValue(self.language, msgid, name)
            return str(values[name])

        return _PLACEHOLDER.sub(value, text)

    def to_document(self) -> dict[str, Any]:
        """Return the catalog as JSON can hold it."""
        return {
            "language": self.language,
            "plural_rule": self.plural_rule,
            "forms": {msgid: list(forms) for msgid, forms in sorted(self.forms.items())},
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Catalog:
        """Return the catalog that `to_document` was asked of."""
        forms = {msgid: tuple(forms) for msgid, forms in document["forms"].items()}
        return cls(document["language"], document["plural_rule"], forms)


def catalog_file(language: str) -> str:
    """Return the file of a language's catalog, as faults name it."""
    return f"templates/locale/{language.replace('-', '_')}/LC_MESSAGES/{DOMAIN}.po"


def load_catalogs(locale_dir: Path) -> dict[str, Catalog]:
    """Read every catalog below `locale_dir`; return them by language tag.

    An unfinished catalog is among them: see `missing_phrases` and `complete_catalogs`.

    Raises:
        FaultsFound: for files that cannot be read, and phrases that hold markup or other values
            than the original, each with file and line.
    """
    catalogs: dict[str, Catalog] = {}
    faults: list[Fault] = []
    for path in sorted(locale_dir.glob(f"*/LC_MESSAGES/{DOMAIN}.po")):
        folder = path.parent.parent.name
        name = f"{locale_dir.parent.name}/{path.relative_to(locale_dir.parent).as_posix()}"
        try:
            language = normalize_tag(folder)
        except MalformedTag:
            faults.append(
                Fault(name, 0, "", f'"{folder}" is not a language tag', "Rename the folder")
            )
            continue
        try:
            catalogs[language] = _read_catalog(path, name, language)
        except FaultsFound as error:
            faults.extend(error.faults)
    if faults:
        raise FaultsFound(faults)
    return catalogs


def _read_catalog(path: Path, name: str, language: str) -> Catalog:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise FaultsFound([Fault(name, 0, "", "is not UTF-8", "Save it so")]) from error
    except OSError as error:
        raise FaultsFound([Fault(name, 0, "", "cannot be read", "Check its owner")]) from error
    return _catalog_of(text, name, language)


# Whoever shows pages reads the files each time, and hardly ever finds them changed.
@lru_cache(maxsize=64)
def _catalog_of(text: str, name: str, language: str) -> Catalog:
    _check_lines(text, name)
    try:
        read = read_po(BytesIO(text.encode()), abort_invalid=True)
        # A rule that gettext does not understand is found here and not while sending.
        gettext.c2py(read.plural_expr)
    except PoFileError as error:
        raise FaultsFound([Fault(name, (error.lineno or 0) + 1, "", str(error.args[0]))]) from error
    except ValueError as error:
        raise FaultsFound([Fault(name, 0, "Plural-Forms", "is not a plural rule")]) from error
    forms: dict[str, tuple[str, ...]] = {}
    untranslated: list[str] = []
    faults: list[Fault] = []
    for message in read:
        if not message.id:
            continue
        msgid = _singular(message.id)
        found = _forms(message)
        expected = read.num_plurals if message.pluralizable else 1
        if message.fuzzy or len(found) != expected or not all(found):
            untranslated.append(msgid)
            continue
        forms[msgid] = found
        faults.extend(_faults_in(message, found, name))
    if faults:
        raise FaultsFound(faults)
    return Catalog(language, read.plural_expr, forms, tuple(untranslated))


def _check_lines(text: str, name: str) -> None:
    """Refuse lines that are none of a catalog: the parser would pass over them in silence."""
    faults = [
        Fault(name, number, "", "is not a line of a catalog", 'Write msgid "…" or msgstr "…"')
        for number, line in enumerate(text.split("\n"), 1)
        if not _LINE.fullmatch(line)
    ]
    if faults:
        raise FaultsFound(faults)


def _forms(message: Message) -> tuple[str, ...]:
    string = message.string or ""
    return (string,) if isinstance(string, str) else tuple(string)


def _singular(msgid: str | list[str] | tuple[str, ...]) -> str:
    return msgid if isinstance(msgid, str) else msgid[0]


def placeholders(text: str) -> frozenset[str]:
    """Return the names of the values a phrase takes."""
    return frozenset(name for name in _PLACEHOLDER.findall(text) if name)


def _faults_in(message: Message, forms: tuple[str, ...], name: str) -> Iterable[Fault]:
    ids = (message.id,) if isinstance(message.id, str) else tuple(message.id)
    allowed = frozenset[str]().union(*(placeholders(text) for text in ids))
    required = frozenset() if message.pluralizable else allowed
    for form in forms:
        held = placeholders(form)
        # A form for one or none may say "one organisation" without a figure.
        for value in sorted((required - held) | (held - allowed)):
            problem = "is missing" if value in allowed else "is not one the phrase is given"
            yield Fault(
                name,
                message.lineno or 0,
                _singular(message.id),
                f"the value %({value})s {problem}",
                "Write the same values as in the msgid",
            )
        if _MARKUP.search(form):
            yield Fault(
                name,
                message.lineno or 0,
                _singular(message.id),
                "holds markup",
                "Write words only; the template puts the markup around them",
            )


def required_phrases(catalogs: Mapping[str, Catalog]) -> tuple[str, ...]:
    """Return the phrases every catalog must have: those of the English one, else all known."""
    english = catalogs.get(PHRASE_LANGUAGE)
    known = [english] if english is not None else list(catalogs.values())
    return tuple(sorted({msgid for one in known for msgid in (*one.forms, *one.untranslated)}))


def missing_phrases(
    catalogs: Mapping[str, Catalog], language: str, required: Iterable[str] | None = None
) -> tuple[str, ...]:
    """Return the phrases that the catalog for `language` lacks: all of them when there is none.

    Args:
        catalogs: As `load_catalogs` gives them.
        language: A tag; "en-GB" is served by the catalog "en".
        required: The phrases wanted; by default those of `required_phrases`.

    Raises:
        MalformedTag: when `language` is not a tag.
    """
    wanted = required_phrases(catalogs) if required is None else sorted(set(required))
    catalog = find_catalog(catalogs, language)
    held: Mapping[str, object] = {} if catalog is None else catalog.forms
    return tuple(msgid for msgid in wanted if msgid not in held)


def complete_catalogs(
    catalogs: Mapping[str, Catalog], required: Iterable[str] | None = None
) -> dict[str, Catalog]:
    """Return the catalogs that lack nothing: the languages mails and pages can speak."""
    wanted = required_phrases(catalogs) if required is None else tuple(required)
    return {
        language: catalog
        for language, catalog in catalogs.items()
        if all(msgid in catalog.forms for msgid in wanted)
    }


def find_catalog(catalogs: Mapping[str, Catalog], language: str) -> Catalog | None:
    """Return the catalog a reader of `language` reads: its own, else its base language's.

    Never one in another script, and never one of another language.

    Raises:
        MalformedTag: when `language` is not a tag.
    """
    found = _nearest(tuple(catalogs), language)
    return None if found is None else catalogs[found]


@lru_cache(maxsize=1024)
def _nearest(languages: tuple[str, ...], language: str) -> str | None:
    tag = parse_tag(language)
    if str(tag) in languages:
        return str(tag)
    for candidate in sorted(languages, key=len):
        other = parse_tag(candidate)
        if other.language == tag.language and script_of(other) == script_of(tag):
            return candidate
    return None
