"""Statements of the API: see them, check files of one, load them as a revision.

In: slugs, files. Out: documents. Files are read by the code that reads folders: what it would say to a
person on the command line it says here.
"""

from __future__ import annotations

import base64
import binascii
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mailer.api.ground import Caller, Endpoint, Ground, Method
from mailer.api.problems import fault_document, not_found, unprocessable
from mailer.api.shapes import (
    PAGE,
    After,
    Before,
    EditionShown,
    LanguagePath,
    Limit,
    NumberPath,
    Page,
    RevisionListed,
    RevisionLoaded,
    RevisionWhole,
    SlugPath,
    StatementChecked,
    StatementFiles,
    StatementShown,
)
from mailer.app.checking import check_statement_folder
from mailer.app.publishing import save_revision
from mailer.app.workspace import Workspace
from mailer.model.api_token import Purpose
from mailer.model.faults import Fault, FaultsFound, errors_in
from mailer.model.statement import Revision, StoredRevision
from mailer.store import statements as rows
from mailer.store.documents import revision_to_document

_READ, _WRITE = Purpose.STATEMENTS_READ, Purpose.STATEMENTS_WRITE
#: Octets of a whole statement, with its pictures.
_MOST_OCTETS = 8_000_000


class Statements:
    """The endpoints of statements."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._store = ground.workspace.store

    def endpoints(self) -> Sequence[Endpoint]:
        """Return what is answered here."""
        one = "/statements/{slug}"
        number = f"{one}/revisions/{{number}}"
        return (
            Endpoint(
                Method.GET, "/statements", "list-statements", _READ, self.list,
                model=Page[StatementShown],
            ),
            Endpoint(
                Method.POST, "/statements", "load-statement", _WRITE, self.load, 201,
                most_octets=_MOST_OCTETS, model=RevisionLoaded,
            ),
            Endpoint(
                Method.POST, "/statements/check", "check-statement", _WRITE, self.check,
                most_octets=_MOST_OCTETS, model=StatementChecked,
            ),
            Endpoint(Method.GET, one, "show-statement", _READ, self.show, model=StatementShown),
            Endpoint(
                Method.GET, f"{one}/revisions", "list-revisions", _READ, self.revisions,
                model=Page[RevisionListed],
            ),
            Endpoint(
                Method.GET, number, "show-revision", _READ, self.revision, model=RevisionWhole
            ),
            Endpoint(
                Method.GET, f"{number}/editions/{{language}}", "show-edition", _READ, self.edition,
                model=EditionShown,
            ),
        )  # fmt: skip

    def list(self, after: After = "", limit: Limit = PAGE) -> dict[str, Any]:
        """List the statements that were loaded, by slug."""
        with self._store.read() as connection:
            found = rows.statements_after(connection, after, limit + 1)
        return _page([vars(one) for one in found], limit, "slug")

    def show(self, slug: SlugPath) -> dict[str, Any]:
        """Show one statement: its title, languages, and which revision is public."""
        with self._store.read() as connection:
            found = rows.find_statement(connection, slug)
        return vars(found)

    def revisions(
        self, slug: SlugPath, before: Before = None, limit: Limit = PAGE
    ) -> dict[str, Any]:
        """List the revisions of a statement, the newest first."""
        with self._store.read() as connection:
            rows.find_statement(connection, slug)
            found = rows.list_revisions(connection, slug, before, limit + 1)
        return _page([{**vars(one), "revision": one.number} for one in found], limit, "revision")

    def revision(self, slug: SlugPath, number: NumberPath) -> dict[str, Any]:
        """Show one revision of a statement with all its editions."""
        stored = self._stored(slug, number)
        return {
            **_shown(stored),
            "slug": slug,
            "document": revision_to_document(stored.revision),
        }

    def edition(self, slug: SlugPath, number: NumberPath, language: LanguagePath) -> dict[str, Any]:
        """Show a revision in one language."""
        revision = self._stored(slug, number).revision
        found = revision.editions.get(language)
        if found is None:
            raise not_found("edition")
        return {**vars(found), "is_source": language == revision.source_language}

    def _stored(self, slug: str, number: int) -> StoredRevision:
        with self._store.read() as connection:
            return rows.find_revision(connection, slug, number)

    def check(self, sent: StatementFiles) -> dict[str, Any]:
        """Name every fault of files of a statement; nothing is stored."""
        revision, faults = _read(self._ground.fresh(), sent)
        is_loadable = revision is not None and not errors_in(faults)
        return {"loadable": is_loadable, "faults": [fault_document(one) for one in faults]}

    def load(self, call: Caller, sent: StatementFiles) -> dict[str, Any]:
        """Store files of a statement as a new revision, if they have no fault; nothing public changes."""
        workspace = self._ground.fresh()
        revision, faults = _read(workspace, sent)
        if revision is None or errors_in(faults):
            raise FaultsFound(faults)
        saved = save_revision(workspace, call.actor, revision)
        return {
            **_shown(saved.stored),
            "slug": revision.slug,
            "already_stored": saved.already_stored,
            "warnings": [fault_document(one) for one in faults],
        }


def _page(items: list[dict[str, Any]], limit: int, key: str) -> dict[str, Any]:
    """Return a page of what was read, one item more than it shows where there is another page."""
    more = len(items) > limit
    return {"items": items[:limit], "next": str(items[limit - 1][key]) if more else None}


def _shown(stored: StoredRevision) -> dict[str, Any]:
    return {
        "revision": stored.number,
        "loaded_at": stored.loaded_at,
        "digest": stored.revision.digest,
        "languages": list(stored.revision.languages),
    }


def _read(workspace: Workspace, sent: StatementFiles) -> tuple[Revision | None, list[Fault]]:
    with _folder(sent) as folder:
        return check_statement_folder(workspace, folder)


@contextmanager
def _folder(sent: StatementFiles) -> Iterator[Path]:
    """Lay files into a folder for as long as they are read.

    Raises:
        Problem: when a picture is no base64.
    """
    with tempfile.TemporaryDirectory(prefix="mailer-statement-") as above:
        folder = Path(above) / sent.slug
        folder.mkdir(mode=0o700)
        for name, text in sent.files.items():
            (folder / name).write_text(text, encoding="utf-8", newline="")
        for name, content in sent.pictures.items():
            try:
                (folder / name).write_bytes(base64.b64decode(content, validate=True))
            except (binascii.Error, ValueError) as error:
                raise unprocessable("no-base64", "It is no base64.", f"pictures.{name}") from error
        yield folder
