"""Propose which column of an uploaded file is which field, for a person to agree to or to change.

In: the header of a file and its first rows. Out: per column its name, some of its cells and a proposal.
Headers are known in English, Russian, Ukrainian and Romanian. What nobody can name is left out: people
who import at the desk did not ask to keep it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from mailer.audience.addresses import BadAddress, normalize_address
from mailer.audience.cells import cleaned, rearmed
from mailer.audience.columns import KEPT, LEFT_OUT, guessed_columns, header_names, known_headers
from mailer.audience.decoding import CsvFile
from mailer.audience.records import open_csv, records, survey
from mailer.audience.systems import recognized
from mailer.model.audience import ListDefinition
from mailer.model.faults import Fault, FaultsFound

#: Cells of a column that are shown.
SHOWN_ROWS = 3
#: Rows that are looked at to find the addresses where no header says where they are.
_LOOKED_AT = 50
_LONGEST_SHOWN = 60

#: Field → further headers, in lower case, beside those that any import knows.
_WORDS: dict[str, tuple[str, ...]] = {
    "address": (
        "e-mail address", "email-address", "your email", "your e-mail",
        "почта", "эл. почта", "эл.почта", "электронная почта", "адрес электронной почты",
        "адрес почты", "имейл", "мейл", "емейл",
        "пошта", "ел. пошта", "ел.пошта", "електронна пошта", "адреса електронної пошти", "імейл",
        "adresa de e-mail", "adresa de email", "adresă e-mail", "adresă email", "poștă electronică",
        "posta electronica", "e-mail-ul", "adresa e-mail",
    ),
    "name": (
        "first name", "given name", "your name", "fullname",
        "имя", "имя и фамилия", "фио", "ф.и.о.", "полное имя",
        "ім'я", "ім’я", "імʼя", "ім'я та прізвище", "ім’я та прізвище", "піб", "п.і.б.",
        "nume", "numele", "nume și prenume", "nume si prenume", "nume complet", "prenume",
    ),
    "languages": (
        "preferred language", "язык", "языки", "мова", "мови", "limba", "limbă", "limbi",
    ),
    "never_languages": (
        "never in", "никогда на языке", "ніколи мовою", "niciodată în",
    ),
    "country": ("страна", "країна", "țara", "țară", "tara", "ţara", "ţară"),
    "time_zone": (
        "zone", "часовой пояс", "часовий пояс", "fus orar", "fusul orar",
    ),
    "tags": ("labels", "label", "метки", "метка", "теги", "тег", "мітки", "мітка", "etichete",
             "etichetă", "eticheta"),
    "joined": (
        "date joined", "signed up", "signup date", "дата вступления", "дата подписки", "с какого дня",
        "дата вступу", "дата підписки", "data înscrierii", "data inscrierii", "înscris la",
    ),
    "topics": ("темы", "тема", "теми", "teme", "subiecte"),
    "text_only": ("plain text", "только текст", "лише текст", "doar text"),
    "consent": ("agreed", "opt-in", "opt in", "согласие", "згода", "consimțământ", "consimtamant",
                "acord"),
    "consent_source": (
        "source", "источник согласия", "откуда согласие", "джерело згоди", "звідки згода",
        "sursa consimțământului",
    ),
    "consented_at": (
        "consent date", "дата согласия", "дата згоди", "data consimțământului",
    ),
}  # fmt: skip


@dataclass(frozen=True, repr=False)
class Column:
    """A column of an uploaded file; its `repr` shows nothing of anybody."""

    #: As the file names it; "" where it does not.
    name: str
    #: The first cells that are not empty, cut.
    cells: tuple[str, ...]
    #: A field, an attribute, `KEPT` or `LEFT_OUT`.
    proposed: str


@dataclass(frozen=True, repr=False)
class Sample:
    """What a first look at a file shows."""

    encoding: str
    separator: str
    #: Lines of the file, its header among them.
    lines: int
    #: Whose export it is; "" for a file of one's own.
    system: str
    columns: tuple[Column, ...]


def look_at(
    file: CsvFile, definition: ListDefinition, encoding: str = "", separator: str = ""
) -> Sample:
    """Read the whole file once, and show its columns with a proposal for each.

    Raises:
        FaultsFound: when it is no CSV that can be read.
    """
    found = survey(file, encoding, separator)
    with open_csv(file, found.encoding) as opened:
        first = list(islice(records(opened, found, file.name), _LOOKED_AT))
    rows = [one.cells for one in first if not one.problem]
    names = header_names(found.header)
    system = recognized(names)
    targets = _proposed(names, definition, rows)
    return Sample(
        found.encoding,
        found.separator,
        found.lines,
        system.name if system else "",
        tuple(
            Column(name, _cells(rows, number), target)
            for number, (name, target) in enumerate(zip(names, targets, strict=True))
        ),
    )


def _cells(rows: Sequence[Sequence[str]], number: int) -> tuple[str, ...]:
    cells = (cleaned(rearmed(row[number])) for row in rows if number < len(row))
    return tuple(cell[:_LONGEST_SHOWN] for cell in islice(filter(None, cells), SHOWN_ROWS))


def _proposed(
    names: Sequence[str], definition: ListDefinition, rows: Sequence[Sequence[str]]
) -> list[str]:
    system = recognized(names)
    fields = targets_of(definition)
    guessed = guessed_columns(names, definition, system)
    by_word = {word: field for field, words in _WORDS.items() if field in fields for word in words}
    # Read once a row is read, and not kept.
    used = {*system.name_parts, *system.consent_times} if system else set()
    found: list[str] = []
    for name, one in zip(names, guessed, strict=True):
        target = one if one in fields else by_word.get(name.lower(), LEFT_OUT)
        if name.lower() in used and one not in fields:
            target = KEPT
        # Of two columns for one field the first is proposed.
        found.append(LEFT_OUT if target in found and target != KEPT else target)
    if "address" not in found:
        place = _column_of_addresses(rows, len(names))
        if place is not None:
            found[place] = "address"
    return found


def _column_of_addresses(rows: Sequence[Sequence[str]], columns: int) -> int | None:
    """Return the column in which most cells are addresses; None where there is none."""
    counts = [
        sum(_is_address(row[number]) for row in rows if number < len(row))
        for number in range(columns)
    ]
    most = max(counts, default=0)
    return counts.index(most) if most and most * 2 > len(rows) else None


def _is_address(cell: str) -> bool:
    try:
        normalize_address(rearmed(cell))
    except BadAddress:
        return False
    return True


def targets_of(definition: ListDefinition) -> tuple[str, ...]:
    """Return what a column of a file for a list can be, beside `KEPT` and `LEFT_OUT`."""
    return (*known_headers(definition), *definition.attributes)


def check_targets(columns: int, targets: Sequence[str], definition: ListDefinition) -> None:
    """Refuse a choice that cannot be imported by.

    Raises:
        FaultsFound: when no column or several hold the address, or two give one field.
    """
    known = {*targets_of(definition), KEPT, LEFT_OUT}
    faults = []
    if len(targets) != columns or not known.issuperset(targets):
        faults.append(Fault("", 0, "columns", "are not those of the file", "Choose them again"))
    if "address" not in targets:
        faults.append(Fault("", 0, "address", "no column holds the address", "Say which one does"))
    faults += [
        Fault("", 0, one, "two columns give this field", "Keep one of them")
        for one in sorted({one for one in targets if targets.count(one) > 1} - {KEPT, LEFT_OUT})
    ]
    if faults:
        raise FaultsFound(faults)
