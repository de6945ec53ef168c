"""Read the lists a workspace declares, one file each, all their faults at once.

In: `lists/<key>.toml` and the config they refer to. Out: `ListDefinition` by key, and faults with
file, line and field. `lists/segments.toml` is no list and is left out.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from mailer.audience.consent import is_basis
from mailer.cldr import is_language
from mailer.config import Config
from mailer.config.values import DOMAIN
from mailer.model.audience import Attribute, AttributeType, ListDefinition
from mailer.model.characters import unwanted_character
from mailer.model.faults import Fault
from mailer.model.tags import normalize_tag
from mailer.model.toml_lines import TomlLines, not_toml, not_utf8
from mailer.model.topics import is_topic

SEGMENTS_FILE = "segments.toml"
_KEY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
# RFC 2919 §2: at most 255 octets, of which `list@` and brackets leave these.
_LONGEST_LIST_ID = 240
_TRUE_OR_FALSE = "Write true or false, without quotes"
_ATTRIBUTE = re.compile(r"[a-z][a-z0-9_]{0,59}")
_KNOWN = frozenset(
    [
        "name",
        "owner",
        "sender",
        "list_id",
        "consent_basis",
        "languages",
        "time_zone",
        "discreet",
        "attributes",
        "columns",
        "topics",
    ]
)
#: Fields every supporter has; no attribute may take their names.
BUILT_IN_FIELDS = frozenset(
    [
        "address",
        "email",
        "name",
        "language",
        "languages",
        "never_languages",
        "country",
        "time_zone",
        "tags",
        "joined",
        "discreet",
        "text_only",
        "topics",
        "consent",
        "consent_source",
        "consented_at",
        "received",
    ]
)


def load_lists(
    lists_dir: Path, config: Config
) -> tuple[dict[str, ListDefinition], tuple[Fault, ...]]:
    """Return the lists that can be used, by key, and the faults of all the files."""
    definitions: dict[str, ListDefinition] = {}
    lines: dict[str, TomlLines] = {}
    faults: list[Fault] = []
    for path in sorted(lists_dir.glob("*.toml")):
        if path.name == SEGMENTS_FILE:
            continue
        reader = _ListReader(path, f"{lists_dir.name}/{path.name}", config)
        definition = reader.read()
        faults += reader.faults
        if definition is not None:
            definitions[definition.key] = definition
            lines[definition.key] = reader.lines
    faults += _disagreements(definitions.values(), lists_dir.name, lines)
    return definitions, tuple(faults)


def faulty_lists(
    lists_dir: Path, config: Config, usable: Collection[str]
) -> dict[str, Mapping[str, Attribute] | None]:
    """Return the lists that cannot be used, each with the attributes that its file declares.

    Such a list is there all the same: who names it, or a field of its people, is not to blame. None
    stands where it cannot be told what the file declares.

    Args:
        lists_dir: where the files are.
        config: what they refer to.
        usable: keys of the lists that can be used.
    """
    found: dict[str, Mapping[str, Attribute] | None] = {}
    for path in sorted(lists_dir.glob("*.toml")):
        if path.name != SEGMENTS_FILE and path.stem not in usable:
            reader = _ListReader(path, path.name, config)
            reader.read()
            found[path.stem] = reader.attributes
    return found


def _disagreements(
    definitions: Iterable[ListDefinition], folder: str, lines: Mapping[str, TomlLines]
) -> Iterator[Fault]:
    """Yield what two lists say differently that must be one: attributes, and List-Ids."""
    attributes: dict[str, tuple[Attribute, ListDefinition]] = {}
    list_ids: dict[str, str] = {}
    for definition in definitions:
        file = f"{folder}/{definition.key}.toml"
        # RFC 2919 §3: a list identifier names one list.
        first = list_ids.setdefault(definition.list_id, definition.key)
        if first != definition.key:
            line = lines[definition.key].of("list_id")
            yield Fault(file, line, "list_id", f"is the one of {first} too", "Give each its own")
        for name, attribute in definition.attributes.items():
            other, earlier = attributes.setdefault(name, (attribute, definition))
            line_of = partial(lines[definition.key].of, "attributes", name)
            if other.type is not attribute.type:
                # A segment compares it as one type, whichever list a person is on.
                yield Fault(
                    file, line_of("type"), f"attributes.{name}.type",
                    f"is {attribute.type.value} here and {other.type.value} in {earlier.key}",
                    "Use one type, or another name",
                )  # fmt: skip
            elif other.clear is not attribute.clear and earlier.owner == definition.owner:
                # The two lists share their people's rows.
                yield Fault(
                    file, line_of("clear"), f"attributes.{name}.clear",
                    f"is not as in {earlier.key}, which has the same owner",
                    "Make both true or both false",
                )  # fmt: skip


def is_key(text: str) -> bool:
    """Tell whether a list may have this key."""
    return bool(_KEY.fullmatch(text)) and f"{text}.toml" != SEGMENTS_FILE


def block_to_add(key: str, config: Config) -> str:
    """Return the content of `lists/<key>.toml` that a person may start from."""
    owner = config.organisations[0].key if config.organisations else "organisation"
    sender = config.senders[0].key if config.senders else "sender"
    domain = config.sender(sender)
    host = domain.address.rpartition("@")[2] if domain else "example.org"
    return (
        "# What the list is called, by language: shown to staff and in the footer of its mails.\n"
        f'name = {{ en = "{key}" }}\n'
        f'owner = "{owner}"\n'
        f'sender = "{sender}"\n'
        f'list_id = "{key}.{host}"\n'
        'consent_basis = "consent"\n'
        'languages = ["en"]\n'
        f'time_zone = "{config.workspace.time_zone}"\n'
    )


class _ListReader:
    """Reads one file and collects what is wrong with it."""

    def __init__(self, path: Path, shown_name: str, config: Config) -> None:
        self.path = path
        self.name = shown_name
        self.config = config
        self.lines = TomlLines("")
        self.faults: list[Fault] = []
        #: What the file declares; None where that cannot be told.
        self.attributes: dict[str, Attribute] | None = None

    def fault(self, field: str, problem: str, remedy: str = "") -> None:
        """Note a fault at the line of `field`."""
        line = self.lines.of(*field.split("."))
        self.faults.append(Fault(self.name, line, field, problem, remedy))

    def read(self) -> ListDefinition | None:
        """Return the list, or None when a fault was noted."""
        data = self._parse()
        if data is None:
            return None
        key = self.path.stem
        if not _KEY.fullmatch(key):
            self.fault("", "the file's name is no key", "Use lower-case letters, digits, hyphens")
        for field in sorted(set(data) - _KNOWN):
            self.fault(field, "is not a field of a list", f"Known: {', '.join(sorted(_KNOWN))}")
        before = len(self.faults)
        attributes = dict(self._attributes(data))
        if len(self.faults) == before:
            self.attributes = attributes
        definition = ListDefinition(
            key=key,
            name=self._names("name", data.get("name")),
            owner=self._text(data, "owner"),
            sender=self._text(data, "sender"),
            list_id=self._text(data, "list_id"),
            consent_basis=self._text(data, "consent_basis"),
            languages=tuple(self._languages(data)),
            time_zone=self._text(data, "time_zone"),
            discreet=self._flag(data, "discreet"),
            attributes=attributes,
            columns=dict(self._columns(data)),
            topics=dict(self._topics(data)),
        )
        self._check(definition)
        return None if self.faults else definition

    def _parse(self) -> dict[str, Any] | None:
        text = ""
        try:
            text = self.path.read_text(encoding="utf-8")
            data = tomllib.loads(text)
        except OSError as error:
            self.fault("", f"cannot be read: {error.strerror}", "Check its owner")
        except UnicodeDecodeError as error:
            self.faults.append(not_utf8(self.name, error))
        except tomllib.TOMLDecodeError as error:
            self.faults.append(not_toml(self.name, text, error))
        else:
            self.lines = TomlLines(text)
            return data
        return None

    def _text(self, data: dict[str, Any], field: str) -> str:
        value = data.get(field)
        if value is None:
            self.fault(field, "is missing", f'Write {field} = "…"')
        elif not isinstance(value, str) or not value.strip():
            self.fault(field, "is not a text", f'Write {field} = "…"')
        else:
            return value.strip()
        return ""

    def _flag(self, data: dict[str, Any], field: str) -> bool:
        value = data.get(field, False)
        if not isinstance(value, bool):
            self.fault(field, "is neither true nor false", _TRUE_OR_FALSE)
            return False
        return value

    def _names(self, field: str, value: object) -> dict[str, str]:
        if not isinstance(value, dict) or not value:
            key = field.rpartition(".")[2]
            self.fault(field, "is missing or has no language", f'Write {key} = {{ en = "…" }}')
            return {}
        names = {}
        for tag, text in value.items():
            if not isinstance(text, str) or not text.strip():
                self.fault(field, f"has no text for {tag}", f'Write {tag} = "…"')
            elif unwanted_character(text.strip()):
                problem = f"holds {unwanted_character(text.strip())} in {tag}"
                self.fault(field, problem, "Delete it: nobody sees it, and it breaks headers")
            else:
                names[self._tag(field, tag)] = text.strip()
        return names

    def _tag(self, field: str, text: object) -> str:
        if not isinstance(text, str) or not is_language(text):
            self.fault(field, f'"{text}" is not a language', "Write a tag like en, ru or sr-Latn")
            return ""
        return normalize_tag(text)

    def _languages(self, data: dict[str, Any]) -> Iterator[str]:
        value = data.get("languages", [])
        if not isinstance(value, list):
            self.fault("languages", "is not a list of language tags", 'Write ["ro", "ru"]')
            return
        for tag in value:
            yield self._tag("languages", tag)

    def _attributes(self, data: dict[str, Any]) -> Iterator[tuple[str, Attribute]]:
        table = data.get("attributes", {})
        if not isinstance(table, dict):
            self.fault("attributes", "is not a table", "Write [attributes.city]")
            return
        types = ", ".join(AttributeType)
        for name, value in table.items():
            field = f"attributes.{name}"
            if not _ATTRIBUTE.fullmatch(name) or name in BUILT_IN_FIELDS:
                self.fault(field, "cannot be an attribute's name", "Choose another")
                continue
            if not isinstance(value, dict) or set(value) - {"type", "clear"}:
                self.fault(field, "has other keys than type and clear", "Take the others out")
                continue
            try:
                kind = AttributeType(value.get("type", "text"))
            except ValueError:
                self.fault(f"{field}.type", "is not a type", f"One of: {types}")
                continue
            clear = value.get("clear", False)
            if not isinstance(clear, bool):
                self.fault(f"{field}.clear", "is neither true nor false", _TRUE_OR_FALSE)
                continue
            yield name, Attribute(name, kind, clear)

    def _columns(self, data: dict[str, Any]) -> Iterator[tuple[str, str]]:
        table = data.get("columns", {})
        if not isinstance(table, dict):
            self.fault("columns", "is not a table", 'Write [columns] and address = "E-mail"')
            return
        attributes = data.get("attributes")
        known = BUILT_IN_FIELDS | set(attributes if isinstance(attributes, dict) else ())
        for field, header in table.items():
            if field == "topics" and not data.get("topics"):
                remedy = 'Write [topics] and press = { en = "…" }, or take the column out'
                self.fault("columns.topics", "is for lists that declare topics", remedy)
            elif field not in known:
                self.fault(
                    f"columns.{field}", "is not a field of supporters",
                    f"There are: {', '.join(sorted(known))}",
                )  # fmt: skip
            elif not isinstance(header, str) or not header.strip():
                self.fault(f"columns.{field}", "names no column", 'Write its header: "E-mail"')
            else:
                yield field, header.strip()
        headers = [str(header).strip().lower() for header in table.values()]
        for header in sorted({one for one in headers if headers.count(one) > 1}):
            self.fault("columns", f'two fields come from the column "{header}"', "Keep one")

    def _topics(self, data: dict[str, Any]) -> Iterator[tuple[str, dict[str, str]]]:
        table = data.get("topics", {})
        if not isinstance(table, dict):
            self.fault("topics", "is not a table", 'Write [topics] and press = { en = "…" }')
            return
        for key, value in table.items():
            field = f"topics.{key}"
            if not is_topic(key):
                self.fault(field, "cannot be a topic's key", "Use small letters, digits, hyphens")
            else:
                yield key, self._names(field, value)

    def _check(self, definition: ListDefinition) -> None:
        owners = [one.key for one in self.config.organisations]
        senders = [one.key for one in self.config.senders]
        if definition.owner and definition.owner not in owners:
            self.fault("owner", f'there is no organisation "{definition.owner}" in config.toml',
                       f"There are: {', '.join(owners) or 'none'}")  # fmt: skip
        if definition.sender and definition.sender not in senders:
            self.fault("sender", f'there is no sender "{definition.sender}" in config.toml',
                       f"There are: {', '.join(senders) or 'none'}")  # fmt: skip
        if definition.consent_basis and not is_basis(definition.consent_basis):
            # It stands in the database as it is written here.
            self.fault("consent_basis", "is not one word in small letters",
                       'Write one like "consent" or "membership"')  # fmt: skip
        # RFC 2919 §2: a list-id has the form of a host name.
        is_list_id = DOMAIN.fullmatch(definition.list_id)
        if definition.list_id and not (is_list_id and len(definition.list_id) <= _LONGEST_LIST_ID):
            self.fault("list_id", "is not a list-id", "Write one like news.example.org")
        if definition.time_zone and definition.time_zone not in available_timezones():
            self.fault("time_zone", f'"{definition.time_zone}" is no time zone',
                       "Write one like Europe/Chisinau")  # fmt: skip
