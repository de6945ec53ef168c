"""What belongs to all editions of a statement: who signs, whom it supports, links, hashtags, an appeal's act.

In: one form. Out: `statement.toml` of the working copy. Every list has empty rows at its end; a row that is
empty is left out, so that nothing here needs a script.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from starlette.responses import Response

from mailer.app.holding import HEAD, HeldByAnother, let_go
from mailer.app.writing import read_head, save_head
from mailer.app.writing_overview import look_at_statement
from mailer.app.writing_rights import may_write_statement
from mailer.desk.faults import errors_beside, joined
from mailer.desk.ground import Desk
from mailer.desk.phrases import mark
from mailer.desk.routes import ADMINISTRATORS, AUTHORS, Method, Route
from mailer.desk.statements import KINDS
from mailer.desk.visit import Visit
from mailer.desk.writers import field_id, refusing, said_of_lock, version_of, writer_of
from mailer.model.faults import FaultsFound
from mailer.model.statement import RelatedKind, StatementKind, SupportedKind
from mailer.statements.drafts import HeadDraft, RowDraft
from mailer.statements.editions import is_edition_tag
from mailer.statements.languages import language_name
from mailer.statements.writing import one_line
from mailer.store.working import Clash

#: Empty rows at the end of a list.
_SPARE = {"signatories": 3, "supports": 1, "related": 1, "hashtags": 1}
_MOST_ROWS = 300
_NAMED = {"signatories": "name", "supports": "name", "related": "title", "hashtags": ""}
_INDEX = re.compile(r"(signatories|supports|related|hashtags)-(\d{1,4})-")
SUPPORTED: Mapping[SupportedKind, str] = {
    SupportedKind.ORGANISATION: mark("Organization"),
    SupportedKind.PERSON: mark("Person"),
}
RELATED: Mapping[RelatedKind, str] = {
    RelatedKind.REPORT: mark("Report"),
    RelatedKind.CAMPAIGN: mark("Campaign"),
    RelatedKind.CASE: mark("Case"),
    RelatedKind.ORIGINAL: mark("Where it was published first"),
}


class Heads:
    """The route of what belongs to all editions."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> Sequence[Route]:
        """Return what is answered here."""
        at = "/statements/{slug}/head"
        change, anyone = Method.CHANGE, AUTHORS | ADMINISTRATORS
        return (
            Route(Method.SEE, at, "statement-head", self.show, AUTHORS),
            Route(change, at, "statement-head", self.save, AUTHORS),
            Route(change, f"{at}/let-go", "let-go-head", self.let_go, anyone),
        )

    def show(self, visit: Visit) -> Response:
        """Show the form as it was saved last."""
        return self._page(visit)

    def save(self, visit: Visit) -> Response:
        """Save it, faults and all."""
        slug, draft = visit.path["slug"], head_of(visit)
        try:
            with refusing(visit):
                save_head(self._desk.workspace, slug, draft, version_of(visit), writer_of(visit))
        except FaultsFound as error:
            return self._page(
                visit, draft, {"": joined(visit.fault(one).whole for one in error.faults)}
            )
        except HeldByAnother as error:
            return self._page(visit, draft, {"": said_of_lock(visit, error.lock)})
        except Clash as error:
            by = error.theirs.saved_by.partition(":")[2] if error.theirs else ""
            words = visit.say(
                "%(name)s saved this meanwhile. What you wrote stands below and is not saved: "
                "saving it now goes over theirs.",
                name=by,
            )
            theirs = error.theirs.content.decode("utf-8", "replace") if error.theirs else ""
            return self._page(visit, draft, {"": words}, theirs)
        return visit.go("statement-head", said="saved", slug=slug)

    def let_go(self, visit: Visit) -> Response:
        """Let go of the form, so that another may write it."""
        with refusing(visit):
            let_go(self._desk.workspace, visit.path["slug"], HEAD, writer_of(visit))
        if not may_write_statement(visit.user):
            return visit.go("statement", slug=visit.path["slug"])
        return visit.go("statement-head", slug=visit.path["slug"])

    def _page(
        self,
        visit: Visit,
        draft: HeadDraft | None = None,
        problems: Mapping[str, str] | None = None,
        theirs: str = "",
    ) -> Response:
        slug = visit.path["slug"]
        with refusing(visit):
            opened = read_head(self._desk.workspace, slug)
        shown = draft or opened.draft or HeadDraft(slug)
        found = look_at_statement(self._desk.workspace, slug)
        editions = found.written.languages if found else ()
        languages = _languages(shown, editions)
        return visit.page(
            "statement_head.html",
            HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
            slug=slug,
            problems=problems or {},
            notes={}
            if draft
            else errors_beside(
                visit.catalog, ((field_id(one.field), one) for one in opened.faults)
            ),
            head=shown,
            seen=opened.version,
            broken=opened.file.content.decode("utf-8", "replace")
            if opened.file and opened.draft is None
            else "",
            lost=opened.lost,
            theirs=theirs,
            lock=said_of_lock(visit, opened.lock),
            may_let_go=_may_let_go(visit, opened.lock.holder.user_id if opened.lock else 0),
            languages=[(tag, language_name(tag, visit.language)) for tag in languages],
            sources=[(tag, language_name(tag, visit.language)) for tag in languages],
            title=lambda row: _title(row, (visit.language, shown.source_language)),
            appeals=_has_appeal(shown),
            rows={name: _with_spare(name, getattr(shown, name)) for name in _SPARE},
            kinds=[
                (one.value, visit.say(words))
                for one, words in KINDS.items()
                if one is not StatementKind.NEWSLETTER
            ],
            supported=[("", "–")] + [(one.value, visit.say(SUPPORTED[one])) for one in SUPPORTED],
            related=[("", "–")] + [(one.value, visit.say(RELATED[one])) for one in RELATED],
        )


def _may_let_go(visit: Visit, holder: int) -> bool:
    return visit.user.user_id == holder or visit.may(*ADMINISTRATORS)


def _languages(head: HeadDraft, editions: Iterable[str]) -> list[str]:
    """Return the languages that names are asked for in: of editions, and those there are names in."""
    rows = (*head.signatories, *head.supports, *head.related)
    named = (head.why_now, head.action_label, *(one.names for one in rows))
    tags = dict.fromkeys([head.source_language, *editions, *(tag for one in named for tag in one)])
    return [tag for tag in tags if is_edition_tag(tag)]


def _has_appeal(head: HeadDraft) -> bool:
    """Tell whether the fields of an appeal are shown: what stands in them must be seen wherever it is."""
    written = (head.deadline, head.why_now, head.action_label, head.action_address)
    return head.kind == StatementKind.APPEAL or any(written)


@dataclass(frozen=True)
class _Title:
    """What a row is called while it is shut."""

    words: str
    #: The language of the words; "" where they are in none.
    tag: str = ""


def _title(row: RowDraft, languages: Sequence[str]) -> _Title | None:
    """Return the name of a row in the first of these languages it has one in; None for an empty row."""
    for tag in (*languages, *row.names):
        if tag in row.names:
            return _Title(row.names[tag], tag)
    words = row.tag or row.address or row.country
    return _Title(words) if words else None


def _with_spare(name: str, rows: Sequence[RowDraft]) -> list[RowDraft]:
    return [*rows, *[RowDraft()] * _SPARE[name]]


def head_of(visit: Visit) -> HeadDraft:
    """Return what the form holds."""
    form = visit.form
    values = {name: one_line(value) for name, value in form.fields}
    indices: dict[str, set[int]] = {name: set() for name in _SPARE}
    for name in values:
        found = _INDEX.match(name)
        if found:
            indices[found[1]].add(int(found[2]))
    rows = {
        name: tuple(
            row
            for index in sorted(found)[:_MOST_ROWS]
            if (row := _row(values, f"{name}-{index}", _NAMED[name])) is not None
        )
        for name, found in indices.items()
    }
    return HeadDraft(
        slug=visit.path["slug"],
        kind=form.text("kind"),
        source_language=form.text("source_language"),
        published=form.text("published"),
        and_others=form.has("and_others"),
        topics=tuple(one for one in re.split(r"[,\s]+", values.get("topics", "")) if one),
        deadline=form.text("deadline"),
        why_now=_names(values, "why_now"),
        action_label=_names(values, "action-label"),
        action_address=form.text("action-address"),
        **rows,
    )


def _row(values: Mapping[str, str], name: str, named: str) -> RowDraft | None:
    """Return a row of a list; None for one that is empty or is to be taken out."""
    if values.get(f"{name}-drop"):
        return None
    row = RowDraft(
        kind=values.get(f"{name}-kind", ""),
        names=_names(values, f"{name}-{named}") if named else {},
        tag=values.get(f"{name}-tag", ""),
        country=values.get(f"{name}-country", "").upper(),
        address=values.get(f"{name}-address", ""),
    )
    return row if row.names or row.tag or row.address or row.country else None


def _names(values: Mapping[str, str], name: str) -> dict[str, str]:
    """Return texts per language, from controls called "why_now-en", "why_now-ru"."""
    begin = f"{name}-"
    # By tag, as revisions keep them: what nobody changed is no change.
    return {
        tag: value
        for key, value in sorted(values.items())
        if key.startswith(begin) and value and is_edition_tag(tag := key.removeprefix(begin))
    }
