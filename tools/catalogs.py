"""Bring the catalogs of fixed phrases up to date with the templates that use them.

In: the mail templates, the templates of the public pages and their mails, those of the desk, and the
code. Out: for mails and public pages, and apart from those for the desk, one `mailer.po` per language,
with every phrase that is used and none that is not; translations are kept, new phrases
are left empty. English is the language phrases are written in, so its catalog fills itself. With
`--check` nothing is written, and the exit status says whether anything would be.
"""

from __future__ import annotations

import argparse
import copy
import io
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

from mailer.app.preflight.words import phrases as preflight_phrases
from tools.fault_phrases import fault_phrases

ROOT = Path(__file__).parent.parent
FILE = Path("LC_MESSAGES/mailer.po")


@dataclass(frozen=True)
class Book:
    """The phrases of one part of the program, which speaks languages of its own."""

    #: Folder of its catalogs, below the root.
    locales: Path
    languages: tuple[str, ...]
    #: Where phrases are used: (folder, pattern), below the root.
    templates: tuple[tuple[str, str], ...]
    code: tuple[tuple[str, str], ...]
    #: What calls in the code take a phrase, as Babel has it.
    keywords: Mapping[str, tuple[int, ...] | None]
    heading: str
    #: Phrases that stand in a table of the code: msgid, and plural msgid or "".
    more: Callable[[], Iterable[tuple[str, str]]] = tuple


MAILS_AND_PAGES = Book(
    locales=Path("templates/locale"),
    languages=("en", "ru", "uk", "be", "ro", "ky", "fa", "de"),
    templates=(
        ("templates/mail", "**/*.html"),
        ("templates/mail", "**/*.txt"),
        ("mailer/web/public/templates", "**/*.html"),
        ("mailer/web/public/templates", "**/*.atom"),
        ("mailer/web/public/templates", "**/*.txt"),
    ),
    code=(("mailer/web/public", "**/*.py"), ("mailer/compose", "**/*.py")),
    keywords={"phrase": None, "plural": (1, 2)},
    heading="Fixed phrases of mails and public pages.",
)
DESK = Book(
    locales=Path("mailer/desk/locale"),
    languages=("en", "ru", "uk", "ro"),
    templates=(("mailer/desk/templates", "**/*.html"), ("mailer/desk/templates", "**/*.txt")),
    code=(("mailer/desk", "**/*.py"),),
    keywords={"phrase": None, "say": None, "mark": None, "plural": (1, 2)},
    heading="Fixed phrases of the staff's desk.",
    more=lambda: [*preflight_phrases(), *fault_phrases()],
)
BOOKS = (MAILS_AND_PAGES, DESK)

_SLAVIC = (
    "nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : "
    "n%10>=2 && n%10<=4 && (n%100<12 || n%100>14) ? 1 : 2);"
)
#: The languages we keep, and how each counts (CLDR's cardinal rules for whole numbers).
PLURALS = {
    "en": "nplurals=2; plural=(n != 1);",
    "ru": _SLAVIC,
    "uk": _SLAVIC,
    "be": _SLAVIC,
    "ro": "nplurals=3; plural=(n==1 ? 0 : n==0 || (n%100>0 && n%100<20) ? 1 : 2);",
    "ky": "nplurals=2; plural=(n != 1);",
    "fa": "nplurals=2; plural=(n > 1);",
    "de": "nplurals=2; plural=(n != 1);",
}
_HEADER = """\
# {heading} Plain words only; %(name)s stands for a value.
msgid ""
msgstr ""
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Language: {language}\\n"
"Plural-Forms: {plurals}\\n"
"""
#: What Babel writes at every run and nobody wants in a comparison of versions.
_NOISE = re.compile(
    r'^"(Project-Id-Version|Report-Msgid-Bugs-To|POT-Creation-Date|PO-Revision-Date|'
    r'Last-Translator|Language-Team|Generated-By):[^"]*"\n',
    re.MULTILINE,
)


def used_phrases(root: Path = ROOT, book: Book = MAILS_AND_PAGES) -> Catalog:
    """Return a catalog without translations of every phrase that templates and code use."""
    found = Catalog(project="mailer", charset="utf-8", fuzzy=False)
    for path, is_template in _files(root, book):
        with path.open("rb") as file:
            messages = extract(
                babel_extract if is_template else "python",
                file,
                keywords=(
                    {"_": None, "gettext": None, "ngettext": (1, 2)}
                    if is_template
                    else book.keywords
                ),
                comment_tags=("Translators:",),
                # A template with a mistake must fail here, not lose its phrases in silence.
                options={"silent": "false"} if is_template else {},
                strip_comment_tags=True,
            )
            for _line, message, comments, context in messages:
                found.add(
                    message,
                    locations=[(path.relative_to(root).as_posix(), 0)],
                    auto_comments=comments,
                    context=context,
                )
    for msgid, plural_msgid in book.more():
        found.add((msgid, plural_msgid) if plural_msgid else msgid)
    return found


def _files(root: Path, book: Book) -> Iterator[tuple[Path, bool]]:
    for places, is_template in ((book.templates, True), (book.code, False)):
        for folder, pattern in places:
            for path in sorted((root / folder).glob(pattern)):
                yield path, is_template


def renewed(language: str, old_text: str, template: Catalog, book: Book = MAILS_AND_PAGES) -> str:
    """Return the text of a catalog with the phrases of `template` and the translations it had."""
    text = old_text or _HEADER.format(
        heading=book.heading, language=language, plurals=PLURALS[language]
    )
    catalog = read_po(io.BytesIO(text.encode()), locale=None, abort_invalid=True)
    # Updating takes the template's own messages over, so each catalog gets a copy of them.
    catalog.update(copy.deepcopy(template), no_fuzzy_matching=True, update_creation_date=False)
    if language == "en":
        for message in catalog:
            if message.id:
                message.string = message.id
    written = io.BytesIO()
    write_po(
        written, catalog, width=100, sort_by_file=True, ignore_obsolete=True, include_lineno=False
    )
    return _NOISE.sub("", written.getvalue().decode())


def main(arguments: list[str] | None = None) -> int:
    """Write the catalogs, or with --check say which are not up to date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if any is old")
    options = parser.parse_args(arguments)
    old: list[str] = []
    for book in BOOKS:
        template = used_phrases(book=book)
        for language in book.languages:
            path = ROOT / book.locales / language / FILE
            before = path.read_text(encoding="utf-8") if path.exists() else ""
            after = renewed(language, before, template, book)
            if before == after:
                continue
            old.append(path.relative_to(ROOT).as_posix())
            if not options.check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(after, encoding="utf-8")
    if old:
        said = "not up to date" if options.check else "written"
        sys.stdout.write(f"Catalogs {said}: {', '.join(old)}\n")
    return 1 if options.check and old else 0


if __name__ == "__main__":
    raise SystemExit(main())
