"""Files of a statement: download them, bring them in, and its pictures.

In: uploads, of anybody. Out: ZIP files, pictures, and a working copy that holds what was brought in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import PurePosixPath

from starlette.responses import JSONResponse, Response

from mailer.app.holding import HeldByAnother
from mailer.app.writing_files import (
    FilesThere,
    add_picture,
    export_zip,
    import_files,
    pictures_of,
    remove_picture,
)
from mailer.desk.faults import plain
from mailer.desk.ground import Desk
from mailer.desk.mailings import problems_of
from mailer.desk.routes import ALL_STAFF, AUTHORS, WRITERS, Method, Route, Upload
from mailer.desk.statements import UPLOAD, Statements
from mailer.desk.visit import Visit
from mailer.desk.writers import refusing, said_of_lock, statement_of, version_of, writer_of
from mailer.model.faults import FaultsFound
from mailer.statements.pictures import MAX_FILE_BYTES, UnusablePicture, is_picture_name
from mailer.statements.writing import one_line
from mailer.store import working
from mailer.store.working import Clash

_PICTURE = Upload(most_octets=MAX_FILE_BYTES + 100_000)
#: A picture is looked at, and nothing else: whatever it held, nothing of it runs.
_PICTURE_POLICY = "sandbox; default-src 'none'; frame-ancestors 'none'"
_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_STEM = 60


class StatementFiles:
    """The routes of files and pictures."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._statements = Statements(desk)

    def routes(self) -> Sequence[Route]:
        """Return what is answered here."""
        see, change = Method.SEE, Method.CHANGE
        at = "/statements/{slug}"
        pictures = f"{at}/pictures"
        return (
            Route(see, f"{at}/files", "statement-files", self.download, ALL_STAFF),
            Route(change, f"{at}/files", "statement-files", self.bring, AUTHORS, UPLOAD),
            Route(see, pictures, "statement-pictures", self.show, WRITERS),
            Route(change, pictures, "statement-pictures", self.add, AUTHORS, _PICTURE),
            Route(see, f"{pictures}/{{name}}", "statement-picture", self.picture, ALL_STAFF),
            Route(change, f"{pictures}/{{name}}/remove", "remove-picture", self.remove, AUTHORS),
        )

    def download(self, visit: Visit) -> Response:
        """Return a revision, or what is being written, as one ZIP file."""
        slug, revision = visit.path["slug"], visit.query("revision")
        if revision and not (revision.isdecimal() and len(revision) < 10):
            raise visit.not_found()
        with refusing(visit):
            statement_of(visit)
            content = export_zip(self._desk.workspace, slug, int(revision) if revision else None)
        # A slug that is there has nothing in it that a header would mind.
        name = f"{slug}-{revision}" if revision else slug
        return Response(
            content,
            media_type="application/zip",
            headers={
                "Content-Disposition": f'attachment; filename="{name}.zip"',
                "Cache-Control": "no-store",
            },
        )

    def bring(self, visit: Visit) -> Response:
        """Put files into a working copy, all or none."""
        slug = visit.path["slug"]
        files = {one.name: one.content for one in visit.form.files.get("files", ())}
        problem = ""
        if not files:
            problem = visit.say("Choose its files.")
        try:
            with refusing(visit):
                import_files(
                    self._desk.workspace, slug, files, writer_of(visit),
                    replace=visit.form.has("replace"),
                )  # fmt: skip
        except FaultsFound as error:
            problem = problems_of(visit, error.faults, {})[""]
        except FilesThere as error:
            problem = visit.say(
                "These are there and say something else: %(names)s. Nothing was taken.",
                names=", ".join(error.names),
            )
        except HeldByAnother as error:
            problem = said_of_lock(visit, error.lock)
        except Clash:
            problem = visit.say("Somebody changed one of them meanwhile. Send them again.")
        if problem:
            return self._statements.page(visit, {"files": problem})
        return visit.go("statement", said="brought-in", slug=slug)

    def show(self, visit: Visit) -> Response:
        """Show the pictures, and the form for one more."""
        return self._page(visit)

    def _page(
        self, visit: Visit, problems: Mapping[str, str] | None = None, added: str = ""
    ) -> Response:
        slug = visit.path["slug"]
        with refusing(visit), self._desk.store.read() as connection:
            working.find_copy(connection, slug)
            facts = working.file_facts(connection, slug)
        shown = [one for one in facts if is_picture_name(one.name)]
        return visit.page(
            "statement_pictures.html",
            HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
            slug=slug,
            problems=problems or {},
            pictures=shown,
            added=added,
            alt=one_line(visit.form.lines("alt")),
            can_write=visit.may(*AUTHORS),
        )

    def add(self, visit: Visit) -> Response:
        """Encode a picture anew, and show the line that puts it into a text."""
        slug, sent = visit.path["slug"], visit.form.file("picture")
        alt = one_line(visit.form.lines("alt"))
        problems: dict[str, str] = {}
        name = ""
        if sent is None:
            problems["picture"] = visit.say("Choose a picture.")
        if not alt:
            problems["alt"] = visit.say("Say what it shows, for those who do not see it.")
        if sent is not None and not problems:
            name = fit_name(sent.name)
            try:
                with refusing(visit):
                    add_picture(self._desk.workspace, slug, name, sent.content, writer_of(visit))
            except UnusablePicture as error:
                problems["picture"] = visit.told(error.problem, error.remedy).html
            except Clash:
                problems["picture"] = visit.say("Somebody replaced it meanwhile. Send it again.")
        line = f"![{alt_text(alt)}]({name})"
        if visit.form.text("as") == "json":
            words = " ".join(map(plain, problems.values()))
            status = HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK
            return JSONResponse({"problem": words} if problems else {"markdown": line}, status)
        return self._page(visit, problems, "" if problems else line)

    def picture(self, visit: Visit) -> Response:
        """Return a picture as it was encoded here."""
        with refusing(visit):
            found = pictures_of(self._desk.workspace, visit.path["slug"])
        picture = found.get(visit.path["name"])
        if picture is None:
            raise visit.not_found()
        return Response(
            picture.content,
            media_type=picture.media_type,
            headers={"Content-Security-Policy": _PICTURE_POLICY, "Cache-Control": "no-store"},
        )

    def remove(self, visit: Visit) -> Response:
        """Take a picture away; revisions keep it."""
        slug, name = visit.path["slug"], visit.path["name"]
        try:
            with refusing(visit):
                seen = version_of(visit) or 0
                remove_picture(self._desk.workspace, slug, name, seen, writer_of(visit))
        except UnusablePicture as error:
            raise visit.not_found() from error
        except Clash:
            return visit.go("statement-pictures", said="not-any-more", slug=slug)
        return visit.go("statement-pictures", said="saved", slug=slug)


def fit_name(sent: str) -> str:
    """Return a name for a picture that somebody's machine called otherwise, maybe in Cyrillic."""
    name = PurePosixPath(sent.replace("\\", "/")).name
    if is_picture_name(name):
        return name
    stem, _, suffix = name.rpartition(".")
    stem = _UNFIT.sub("-", stem).strip("-._")[:_LONGEST_STEM] or "picture"
    return f"{stem}.{_UNFIT.sub('', suffix).lower()[:5]}"


def alt_text(words: str) -> str:
    """Return words as they stand in the brackets of a picture: nothing in them is Markdown."""
    return re.sub(r"([\\\[\]`*_<&{}!])", r"\\\1", words)
