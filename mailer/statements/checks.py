"""Say everything that is wrong with a statement, before anybody is sent it.

In: a statement's folder, or a revision from the database; and the catalogs. Out: faults, those that
stop the work and those worth a look.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mailer.model.faults import Fault
from mailer.model.statement import Revision, edition_file
from mailer.model.worded import worded
from mailer.statements.catalog import Catalog, catalog_file, find_catalog, missing_phrases
from mailer.statements.collecting import by_place
from mailer.statements.languages import language_name
from mailer.statements.source import StatementFolder, read_folder


def check_statement(folder: Path, root: Path, catalogs: Mapping[str, Catalog]) -> list[Fault]:
    """Return every fault of a statement's files.

    Args:
        folder: `templates/statements/<slug>`.
        root: The workspace; faults name files relative to it.
        catalogs: As `mailer.statements.catalog.load_catalogs` gives them.
    """
    return check_folder(read_folder(folder, root), catalogs)


def check_folder(found: StatementFolder, catalogs: Mapping[str, Catalog]) -> list[Fault]:
    """Return every fault of a statement's files that were read already."""
    return sorted([*found.faults, *_catalog_faults(found.files, catalogs)], key=by_place)


def check_revision(revision: Revision, catalogs: Mapping[str, Catalog]) -> list[Fault]:
    """Return what has come to be wrong with a stored revision: its words were checked at loading."""
    files = {language: edition_file(revision, language) for language in revision.languages}
    return sorted(_catalog_faults(files, catalogs))


def _catalog_faults(files: Mapping[str, str], catalogs: Mapping[str, Catalog]) -> list[Fault]:
    faults: list[Fault] = []
    for language, file in files.items():
        name = language_name(language, "en")
        catalog = find_catalog(catalogs, language)
        tag = language if catalog is None else catalog.language
        path = catalog_file(tag)
        missing = missing_phrases(catalogs, language)
        listed = "; ".join(f'"{msgid}"' for msgid in missing)
        if catalog is None:
            problem = worded("there is no catalog for %(name)s", name=name)
            if missing:
                problem = worded(
                    "there is no catalog for %(name)s; it needs the phrases %(phrases)s",
                    name=name,
                    phrases=listed,
                )
            faults.append(Fault(file, 0, "language", problem, worded("Add %(path)s", path=path)))
        elif missing:
            problem = worded(
                "the catalog for %(name)s lacks the phrases %(phrases)s", name=name, phrases=listed
            )
            faults.append(
                Fault(file, 0, "language", problem, worded("Translate them in %(path)s", path=path))
            )
    return faults
