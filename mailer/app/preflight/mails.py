"""Make the mail of every edition, to the last byte, and look at it.

In: a subject. Out: findings, and how long each mail is. The reader is invented, and reads a language
that there is no edition in, so that the notice is looked at, too. The bytes are those that would go
over the wire but for the DKIM signature.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from email import message_from_bytes
from email.policy import SMTP
from functools import lru_cache

from mailer.app.preflight.findings import (
    Finding,
    FindingCode,
    Place,
    Weighed,
    advisory,
    blocking,
    from_fault,
)
from mailer.app.preflight.subject import Subject
from mailer.app.preview import READER_ADDRESS, invented_reader
from mailer.app.sending import handling_for, relays_for
from mailer.app.workspace import Workspace
from mailer.compose.checks import CLIPPED_BYTES, check_design, check_revision_with_design
from mailer.compose.composer import CannotCompose, MailingComposer
from mailer.compose.contrast import Pale, pale_texts
from mailer.compose.correcting import correction_faults
from mailer.compose.fixed import check_headers
from mailer.model.audience import LanguageChoice, LanguageStep, ListDefinition
from mailer.model.faults import Fault, FaultKind, FaultsFound, Severity
from mailer.model.mailing import Design, Sender
from mailer.model.statement import Revision, edition_file
from mailer.tokens import UNSUBSCRIBE_TOKEN_CHARACTERS

#: From here on a mail takes long on a slow line, and some servers refuse it.
HEAVY_BYTES = 1_000_000
_LEAVING = re.compile(rf"https?://[^\s\"<>]+/u/[\w-]{{{UNSUBSCRIBE_TOKEN_CHARACTERS}}}(?![\w-])")
_ONE_CLICK = "List-Unsubscribe=One-Click"


@dataclass(frozen=True)
class _Mail:
    """What a look at the mail of one edition found."""

    weighed: Weighed
    #: Where a person would leave by and cannot: "header", "html", "text".
    lacks: tuple[str, ...]
    pale: tuple[Pale, ...]


@dataclass(frozen=True)
class _Looked:
    """What a look at all mails of a mailing found."""

    design: tuple[Fault, ...]
    editions: tuple[Fault, ...]
    headers: tuple[Fault, ...]
    #: Language → its mail, or why there is none.
    mails: tuple[tuple[str, _Mail | tuple[Fault, ...]], ...]


@dataclass(frozen=True)
class _Made:
    """What mails are made of; two are the same when their digests and the texts are."""

    digests: tuple[str, str]
    texts: str
    revision: Revision = field(compare=False)
    design: Design = field(compare=False)
    sender: Sender = field(compare=False)
    lists: tuple[ListDefinition, ...] = field(compare=False)
    workspace: Workspace = field(compare=False)
    corrects: date | None = field(compare=False)
    now: datetime = field(compare=False)


def mail_findings(
    workspace: Workspace, subject: Subject
) -> tuple[list[Finding], tuple[Weighed, ...]]:
    """Return what is wrong with the mails, and how long each is.

    Raises:
        KeyFileError, WrongKeys: when `service.key` cannot be used, by which links are made.
    """
    made = _made_of(workspace, subject)
    if made is None:
        return [], ()
    looked = _look(made)
    slug = made.revision.slug
    found = [_of_fault(FindingCode.TEMPLATE_FAULT, one, slug) for one in looked.design]
    found += [_of_fault(FindingCode.MAIL_FAULT, one, slug) for one in looked.editions]
    found += [_of_fault(FindingCode.HEADER_UNFIT, one, slug) for one in looked.headers]
    # What cannot be made has its reason among the faults, and is told once.
    told = {one for one in found if one.fault and one.fault.severity is Severity.ERROR}
    weighed = []
    for language, mail in looked.mails:
        file = edition_file(made.revision, language)
        place = Place(statement=slug, language=language, file=file)
        if isinstance(mail, _Mail):
            weighed.append(mail.weighed)
            found += _of_mail(mail, place, made.design)
        elif not told:
            found += [from_fault(FindingCode.MAIL_UNMADE, one, place) for one in mail]
    return list(dict.fromkeys(found)), tuple(weighed)


def _made_of(workspace: Workspace, subject: Subject) -> _Made | None:
    stored, design, sender = subject.stored, subject.design, subject.sender
    if stored is None or design is None or sender is None or not subject.lists:
        return None
    handling = handling_for(relays_for(workspace, sender.key)[0])
    takes_mail = workspace.config.feedback.takes_mail
    day = subject.corrects.day if subject.corrects else None
    live = workspace.config.workspace.live
    texts = repr((sender, subject.lists, handling, takes_mail, day, live))
    return _Made(
        (stored.revision.digest, design.digest), texts, stored.revision, design, sender,
        subject.lists, workspace, day, workspace.clock.now(),
    )  # fmt: skip


def _of_fault(code: FindingCode, fault: Fault, slug: str) -> Finding:
    if fault.kind is FaultKind.UNKNOWN_NAME:
        code = FindingCode.UNKNOWN_VARIABLE
    return from_fault(code, fault, Place(statement=slug))


def _of_mail(mail: _Mail, place: Place, design: Design) -> Iterator[Finding]:
    weighed = mail.weighed
    for code, size, most in (
        (FindingCode.MAIL_CLIPPED, weighed.html_bytes, CLIPPED_BYTES),
        (FindingCode.MAIL_HEAVY, weighed.whole_bytes, HEAVY_BYTES),
    ):
        if size > most:
            kilobytes = round(size / 1000)
            yield advisory(code, place, language=place.language, kilobytes=kilobytes)
    if "header" in mail.lacks:
        yield blocking(FindingCode.UNSUBSCRIBE_HEADER, place, language=place.language)
    for part in mail.lacks:
        if part != "header":
            where = Place(place.statement, place.language, _template(design, part))
            yield blocking(FindingCode.UNSUBSCRIBE_LINK, where, language=place.language, part=part)
    for pale in mail.pale:
        where = Place(place.statement, file=f"templates/mail/{design.kind}/style.css")
        yield advisory(
            FindingCode.TEXT_PALE, where,
            element=pale.element, scheme=pale.scheme.value, color=pale.color, ground=pale.ground,
            ratio=f"{pale.ratio:.2f}", wanted=f"{pale.wanted:.1f}",
        )  # fmt: skip


def _template(design: Design, part: str) -> str:
    return f"templates/mail/{design.kind}/message.{'html' if part == 'html' else 'txt'}"


# The same mails are looked at whenever a page of the desk is.
@lru_cache(maxsize=16)
def _look(made: _Made) -> _Looked:
    fields = frozenset(name for one in made.lists for name in one.attributes)
    revision, design = made.revision, made.design
    editions = [*check_revision_with_design(revision, design, fields)]
    if made.corrects is not None:
        editions += correction_faults(revision, design, fields)
    # Its bytes are weighed below, and are more than that measures.
    editions = [one for one in editions if one.kind is not FaultKind.CLIPPED]
    return _Looked(
        tuple(check_design(design, fields)),
        tuple(editions),
        tuple(check_headers(revision, made.sender, made.lists)),
        tuple(_mails(made)),
    )


def _mails(made: _Made) -> Iterator[tuple[str, _Mail | tuple[Fault, ...]]]:
    workspace = made.workspace
    composer = MailingComposer(
        made.revision,
        made.design,
        made.sender,
        made.lists,
        workspace.tokens,
        (),
        handling_for(relays_for(workspace, made.sender.key)[0]),
        corrects=made.corrects,
        takes_mail=workspace.config.feedback.takes_mail,
    )
    wanted = _without_edition(made)
    for language in made.revision.languages:
        step = LanguageStep.FALLBACK if wanted else LanguageStep.FIRST
        choice = LanguageChoice(language, step, wanted or language)
        reader = invented_reader(READER_ADDRESS, made.lists[0].key, choice)
        try:
            content = composer.compose(reader, made.now).content
        except FaultsFound as error:
            yield language, error.faults
        except (CannotCompose, ValueError) as error:
            yield language, (Fault(edition_file(made.revision, language), 0, "", str(error)),)
        else:
            yield language, _weigh(content, language, live=workspace.config.workspace.live)


def _without_edition(made: _Made) -> str:
    """Return a language whose catalog is there and whose edition is not; "" when there is none."""
    bases = {one.split("-", 1)[0] for one in made.revision.languages}
    return next((one for one in sorted(made.design.catalogs) if one not in bases), "")


def _weigh(content: bytes, language: str, *, live: bool) -> _Mail:
    parsed = message_from_bytes(content, policy=SMTP)
    parts = {
        one.get_content_subtype(): str(one.get_content())
        for one in parsed.walk()
        if one.get_content_maintype() == "text"
    }
    html, text = parts.get("html", ""), parts.get("plain", "")
    lacks = []
    leaving = _LEAVING.search(str(parsed["List-Unsubscribe"] or ""))
    # RFC 8058 §3.1: one click works by https. A rehearsal's pages are http on loopback.
    works = leaving is not None and not (live and leaving[0].startswith("http:"))
    if not works or parsed["List-Unsubscribe-Post"] != _ONE_CLICK:
        lacks.append("header")
    lacks += [name for name, part in (("html", html), ("text", text)) if not _LEAVING.search(part)]
    weighed = Weighed(language, len(html.encode()), len(content))
    return _Mail(weighed, tuple(lacks), tuple(pale_texts(html)) if html.strip() else ())
