"""Bring the catalogs of fixed phrases up to date with the templates that use them.

In: the mail templates, the templates of the public pages and their mails, and the code. Out: one `mailer.po` per
language, with every phrase that is used and none that is not; translations are kept, new phrases
are left empty. English is the language phrases are written in, so its catalog fills itself. With
`--check` nothing is written, and the exit status says whether anything would be.
"""

from __future__ import annotations

import argparse
import copy
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

ROOT = Path(__file__).parent.parent
LOCALES = Path("templates/locale")
FILE = Path("LC_MESSAGES/mailer.po")
#: Where phrases are used: (folder, pattern), below the root.
TEMPLATES = (
    ("templates/mail", "**/*.html"),
    ("templates/mail", "**/*.txt"),
    ("mailer/web/public/templates", "**/*.html"),
    ("mailer/web/public/templates", "**/*.atom"),
    ("mailer/web/public/templates", "**/*.txt"),
)
CODE = (("mailer/web/public", "**/*.py"), ("mailer/compose", "**/*.py"))

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
# Fixed phrases of mails and public pages. Plain words only; %(name)s stands for a value.
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


def used_phrases(root: Path = ROOT) -> Catalog:
    """Return a catalog without translations of every phrase that templates and code use."""
    found = Catalog(project="mailer", charset="utf-8", fuzzy=False)
    for path, is_template in _files(root):
        with path.open("rb") as file:
            messages = extract(
                babel_extract if is_template else "python",
                file,
                keywords=(
                    {"_": None, "gettext": None, "ngettext": (1, 2)}
                    if is_template
                    else {"phrase": None, "plural": (1, 2)}
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
    return found


def _files(root: Path) -> Iterator[tuple[Path, bool]]:
    for places, is_template in ((TEMPLATES, True), (CODE, False)):
        for folder, pattern in places:
            for path in sorted((root / folder).glob(pattern)):
                yield path, is_template


def renewed(language: str, old_text: str, template: Catalog) -> str:
    """Return the text of a catalog with the phrases of `template` and the translations it had."""
    text = old_text or _HEADER.format(language=language, plurals=PLURALS[language])
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
    template = used_phrases()
    old: list[str] = []
    for language in PLURALS:
        path = ROOT / LOCALES / language / FILE
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        after = renewed(language, before, template)
        if before == after:
            continue
        old.append(language)
        if not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(after, encoding="utf-8")
    if old:
        said = "not up to date" if options.check else "written"
        sys.stdout.write(f"Catalogs {said}: {', '.join(old)}\n")
    return 1 if options.check and old else 0


if __name__ == "__main__":
    raise SystemExit(main())
