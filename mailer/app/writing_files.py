"""Take statements in and out as the files of `templates/statements/<slug>/`; add pictures to one.

In: files by name, of anybody. Out: a working copy that holds them, all or none; files, or one ZIP file.
Names are checked, texts are UTF-8, pictures are encoded anew, and nothing is written outside.
"""

from __future__ import annotations

import unicodedata
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO

from mailer.app.holding import HEAD, refuse_if_held
from mailer.app.workspace import Workspace
from mailer.app.writing import begin, files_of
from mailer.app.writing_rights import Writer, require_edition, require_statement
from mailer.model.characters import printable
from mailer.model.faults import Fault, FaultsFound
from mailer.model.statement import Picture
from mailer.model.worded import worded
from mailer.statements.declaration import FILE_NAME
from mailer.statements.drafts import read_head_draft
from mailer.statements.editions import edition_name
from mailer.statements.pictures import (
    UnusablePicture,
    encode_picture,
    is_picture_name,
    known_picture,
)
from mailer.statements.source import MAX_FILE_BYTES
from mailer.store import working
from mailer.store.statements import find_revision
from mailer.store.working import WorkingCopy, WorkingFile

#: A statement in every language there is has fewer.
MOST_FILES = 200
#: All files of one upload together.
MAX_UPLOAD_BYTES = 60_000_000
#: The same files give the same ZIP file, which tells nobody when they were written.
_NO_DATE = (1980, 1, 1, 0, 0, 0)


class FilesThere(Exception):
    """Files of these names are there and say something else; nothing was overwritten."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        super().__init__(f"There are already: {', '.join(names)}. Nothing was overwritten.")


@dataclass(frozen=True)
class Imported:
    """What an upload came to."""

    #: Names of the files that are new or say something else now.
    saved: tuple[str, ...]
    #: Names of those that were there just so.
    unchanged: tuple[str, ...]


def import_files(
    workspace: Workspace,
    slug: str,
    files: Mapping[str, bytes],
    writer: Writer,
    *,
    replace: bool = False,
) -> Imported:
    """Put files into a working copy, all of them or none.

    Args:
        workspace: its store.
        slug: of the statement.
        files: name → content.
        writer: in whose name; a translator may bring editions in their languages.
        replace: files that say something else may be overwritten.

    Raises:
        FaultsFound: when a name, a text or a picture cannot be used, each with its file.
        FilesThere: when something would be overwritten and may not be.
        HeldByAnother: when somebody else is writing one of them.
        Clash: when one of them was changed while this was read.
        MayNotWrite: when one of them is not theirs to write.
        NoWorkingCopy: when the statement was not opened.
    """
    _check_names(files)
    for name in files:
        _require(writer, name)
    with workspace.store.read() as connection:
        working.find_copy(connection, slug)
        there = working.read_files(connection, slug)
    fresh = {name: one for name, one in files.items() if not _is_same(there.get(name), one)}
    usable = _usable(fresh)
    taken = tuple(sorted(name for name in usable if name in there))
    if taken and not replace:
        raise FilesThere(taken)
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        for name, content in usable.items():
            if not is_picture_name(name):
                refuse_if_held(workspace, connection, slug, _language(name), content, writer)
            known = there.get(name)
            seen = known.version if known else None
            working.save_file(connection, slug, name, content, seen, writer.actor, now)
    return Imported(tuple(sorted(usable)), tuple(sorted(set(files) - set(usable))))


def import_statement(
    workspace: Workspace, files: Mapping[str, bytes], writer: Writer
) -> WorkingCopy:
    """Begin a statement with files, its slug being the one that `statement.toml` names.

    Raises:
        FaultsFound: when a file cannot be used, or there is no `statement.toml` with a slug.
        SlugTaken: when there is a statement of that slug.
        MayNotWrite: for all but authors.
    """
    require_statement(writer, "new statements")
    _check_names(files)
    usable = _usable(files)
    head = read_head_draft(usable[FILE_NAME].decode()) if FILE_NAME in usable else None
    if head is None:
        problem = "is no TOML" if FILE_NAME in usable else "is missing"
        raise FaultsFound([Fault(FILE_NAME, 0, "", problem, "Send it along with the others")])
    return begin(workspace, head.draft.slug, usable, writer)


def add_picture(
    workspace: Workspace, slug: str, name: str, content: bytes, writer: Writer
) -> Picture:
    """Encode a picture anew and put it beside the texts; one of that name is replaced.

    What it shows is said where a text names it: `![a harbor at dawn](harbor.jpg)`.

    Raises:
        UnusablePicture: when it is no picture that can travel in a mail.
        MayNotWrite: for all but authors.
        NoWorkingCopy: when the statement was not opened.
    """
    require_statement(writer, "pictures")
    picture = encode_picture(name, content)
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        # Another spelling of the same name would be another file, and on some disks the same.
        known = {one.name.lower(): one for one in working.file_facts(connection, slug)}
        there = known.get(name.lower())
        if there is not None and there.name != name:
            raise UnusablePicture(
                worded('there is "%(name)s" already', name=there.name), "Choose another name"
            )
        seen = there.version if there else None
        working.save_file(connection, slug, name, picture.content, seen, writer.actor, now)
    return picture


def pictures_of(workspace: Workspace, slug: str) -> dict[str, Picture]:
    """Return the pictures of a working copy by their names."""
    with workspace.store.read() as connection:
        files = working.read_files(connection, slug)
    return {
        name: known_picture(name, file.content)
        for name, file in files.items()
        if is_picture_name(name)
    }


def remove_picture(workspace: Workspace, slug: str, name: str, seen: int, writer: Writer) -> None:
    """Take a picture away; revisions keep it.

    Raises:
        UnusablePicture: when that is no picture.
        Clash: when it was replaced meanwhile.
        MayNotWrite: for all but authors.
        NoWorkingCopy: when the statement was not opened.
    """
    require_statement(writer, "pictures")
    if not is_picture_name(name):
        raise UnusablePicture(
            worded('"%(name)s" is no picture', name=printable(name)), "Name one of the pictures"
        )
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        working.delete_file(connection, slug, name, seen, writer.actor, now)


def export_files(workspace: Workspace, slug: str, number: int | None = None) -> dict[str, bytes]:
    """Return a working copy, or the revision of a number, as files by name.

    Raises:
        NoWorkingCopy: when the statement was not opened.
        StatementNotFound: when there is no such revision.
    """
    with workspace.store.read() as connection:
        if number is not None:
            return files_of(find_revision(connection, slug, number).revision)
        working.find_copy(connection, slug)
        files = working.read_files(connection, slug)
    return {name: file.content for name, file in files.items()}


def export_zip(workspace: Workspace, slug: str, number: int | None = None) -> bytes:
    """Return the same as one ZIP file with a folder called as the slug; raises as `export_files`."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(export_files(workspace, slug, number).items()):
            archive.writestr(zipfile.ZipInfo(f"{slug}/{name}", _NO_DATE), content)
    return file.getvalue()


def _check_names(files: Mapping[str, bytes]) -> None:
    faults: list[Fault] = []
    if len(files) > MOST_FILES or sum(map(len, files.values())) > MAX_UPLOAD_BYTES:
        limit = MAX_UPLOAD_BYTES // 1_000_000
        problem = worded(
            "has more than %(count)s files or %(limit)s MB", count=MOST_FILES, limit=limit
        )
        faults.append(Fault("", 0, "upload", problem, "Send a part of them"))
    lower: dict[str, str] = {}
    for name in files:
        shown = printable(name)[:120]
        if not _is_name(name):
            remedy = worded(
                "Send %(file)s, en.md and the like, and pictures: PNG, JPEG or WebP",
                file=FILE_NAME,
            )
            faults.append(Fault(shown, 0, "", "is no file of a statement", remedy))
        elif lower.setdefault(name.lower(), name) != name:
            faults.append(Fault(shown, 0, "", worded("differs from %(name)s by case only", name=lower[name.lower()]),
                                "Keep one of them"))  # fmt: skip
    if faults:
        raise FaultsFound(faults)


def _is_name(name: str) -> bool:
    """Tell whether a statement's folder may hold a file of that name: never one that leads out."""
    if name == FILE_NAME or is_picture_name(name):
        return True
    try:
        return name.endswith(".md") and edition_name(name[: -len(".md")]) == name
    except FaultsFound:
        return False


def _language(name: str) -> str:
    return HEAD if name == FILE_NAME else name.removesuffix(".md")


def _require(writer: Writer, name: str) -> None:
    if name.endswith(".md"):
        require_edition(writer, _language(name))
    else:
        require_statement(writer, name if name == FILE_NAME else "pictures")


def _is_same(known: WorkingFile | None, content: bytes) -> bool:
    """Tell whether a file says what it said: a picture that we encoded is not encoded again."""
    return known is not None and known.content == content


def _usable(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return texts in UTF-8 with plain line ends, and pictures encoded anew."""
    usable: dict[str, bytes] = {}
    faults: list[Fault] = []
    for name, content in files.items():
        if is_picture_name(name):
            try:
                usable[name] = encode_picture(name, content).content
            except UnusablePicture as error:
                faults.append(Fault(name, 0, "picture", error.problem, error.remedy))
            continue
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content[: error.start].count(b"\n") + 1
            faults.append(Fault(name, line, "", "is not UTF-8", "Save it as UTF-8"))
            continue
        if len(content) > MAX_FILE_BYTES:
            faults.append(Fault(name, 0, "", "is larger than 1 MB", "Take a part of it out"))
        elif "\x00" in text:
            faults.append(Fault(name, 0, "", "is no text", "Save it as text in UTF-8"))
        plain = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
        usable[name] = plain.encode()
    if faults:
        raise FaultsFound(faults)
    return usable
