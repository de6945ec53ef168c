"""What every page of statements needs: who writes, which statement, and where a fault is mended.

In: a visit. Out: a `Writer`; 404 where there is no such thing, 403 where it is not theirs; faults with
the address of the field that each is about.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mailer.app.writing_overview import WrittenStatement, look_at_statement
from mailer.app.writing_rights import MayNotWrite, Writer
from mailer.desk.faults import errors_beside, joined
from mailer.desk.ground import Desk
from mailer.desk.visit import Visit
from mailer.model.faults import Fault, FaultsFound, Severity
from mailer.statements.declaration import FILE_NAME
from mailer.statements.drafts import EditionDraft
from mailer.statements.editions import is_edition_tag
from mailer.statements.languages import language_name
from mailer.statements.pictures import is_picture_name
from mailer.statements.writing import one_line
from mailer.store.edition_locks import EditionLock
from mailer.store.statements import StatementNotFound
from mailer.store.working import NoWorkingCopy

_FIELDS = ("title", "subject", "preheader", "discreet_subject", "discreet_preheader")


@dataclass(frozen=True)
class ToldFault:
    """A fault as a page tells it."""

    #: What it is about: "Russian", "statement.toml".
    place: str
    words: str
    #: Where it is mended; "" where no page is for it.
    address: str
    is_error: bool


def writer_of(visit: Visit) -> Writer:
    """Return in whose name, with whose rights and in which browser something is written."""
    session_id = visit.session.session_id if visit.session else 0
    return Writer(visit.actor, visit.user, session_id)


@contextmanager
def refusing(visit: Visit) -> Iterator[None]:
    """Answer 404 for what is not there, and 403 for what is not theirs to write."""
    try:
        yield
    except (NoWorkingCopy, StatementNotFound) as error:
        raise visit.not_found() from error
    except MayNotWrite as error:
        raise visit.forbidden() from error


def statement_of(visit: Visit) -> WrittenStatement:
    """Return the statement that an address names.

    Raises:
        HTTPException: 404 when there is none.
    """
    found = look_at_statement(visit.desk.workspace, visit.path["slug"])
    if found is None:
        raise visit.not_found()
    return found


def language_of(visit: Visit) -> str:
    """Return the language that an address names.

    Raises:
        HTTPException: 404 when that is none.
    """
    language = visit.path["language"]
    if not is_edition_tag(language):
        raise visit.not_found()
    return language


def version_of(visit: Visit, name: str = "seen") -> int | None:
    """Return the version of a file that a form was filled in over; None where there was no file."""
    sent = visit.form.text(name)
    return int(sent) if sent.isdecimal() and len(sent) < 10 else None


def draft_of(visit: Visit) -> EditionDraft:
    """Return an edition as a form has it."""
    values = {name: one_line(visit.form.lines(name)) for name in _FIELDS}
    return EditionDraft(**values, body=visit.form.lines("body"))


def usable_languages(desk: Desk, language: str) -> list[tuple[str, str]]:
    """Return the languages that mails can be written in, with their names in another, by name."""
    try:
        known = list(desk.workspace.reread().catalogs)
    except FaultsFound:
        # What is wrong with a catalog is told by the checks.
        known = ["en"]
    return sorted(((tag, language_name(tag, language)) for tag in known), key=lambda one: one[1])


def said_of_lock(visit: Visit, lock: EditionLock | None) -> str:
    """Return who is writing something, for everybody but that person in that browser; "" for none."""
    if lock is None or lock.holder.is_same(writer_of(visit).holder):
        return ""
    since, until = visit.shown(lock.since), visit.shown(lock.until)
    if lock.holder.user_id == visit.user.user_id:
        who = visit.say("You are writing this in another browser.")
        held = visit.say(
            "It can be saved only there until %(hour)s, and longer while you go on.", hour=until
        )
    else:
        who = visit.say("%(name)s is writing this.", name=lock.holder.name)
        held = visit.say(
            "Until %(hour)s nobody else can save it, and longer while they go on.", hour=until
        )
    begun = visit.say("Begun: %(hour)s.", hour=since) if since else ""
    return " ".join(filter(None, (who, begun, held)))


def field_id(path: str) -> str:
    """Return the id of the control for a key of `statement.toml`: "signatories[0].name.ru"."""
    return re.sub(r"[\[.]", "-", path).replace("]", "")


def told(visit: Visit, slug: str, faults: Iterable[Fault]) -> list[ToldFault]:
    """Return faults with the address of the field that each is about, errors first."""
    found = [_told(visit, slug, one) for one in faults]
    return sorted(found, key=lambda one: not one.is_error)


def _told(visit: Visit, slug: str, fault: Fault) -> ToldFault:
    words: str = visit.fault(fault).html
    is_error = fault.severity is Severity.ERROR
    name = fault.file.removesuffix(".md")
    go = visit.desk.path_to
    if fault.file == FILE_NAME:
        address = go("statement-head", slug=slug) + f"#{field_id(fault.field)}"
        return ToldFault(visit.say("Who signs, links and more"), words, address, is_error)
    if name != fault.file and is_edition_tag(name):
        field = field_of(fault)
        if field == "body" and fault.line:
            words = joined([visit.say("Line %(line)s:", line=fault.line), words])
        address = go("edition", slug=slug, language=name) + f"#{field}"
        return ToldFault(language_name(name, visit.language), words, address, is_error)
    if is_picture_name(fault.file):
        address = go("statement-pictures", slug=slug)
        return ToldFault(fault.file, words, address, is_error)
    return ToldFault(fault.file, words, "", is_error)


def field_of(fault: Fault) -> str:
    """Return the id of the editor's control that a fault of an edition is about."""
    if fault.field == "translated_from":
        return "translation"
    return fault.field if fault.field in _FIELDS else "body"


def by_field(visit: Visit, faults: Iterable[Fault]) -> dict[str, str]:
    """Return the errors of an edition beside the controls of its editor."""
    return errors_beside(visit.catalog, ((field_of(one), one) for one in faults))


__all__ = [
    "ToldFault", "by_field", "draft_of", "field_id", "field_of", "language_of", "refusing",
    "said_of_lock", "statement_of", "told", "usable_languages", "version_of", "writer_of",
]  # fmt: skip
