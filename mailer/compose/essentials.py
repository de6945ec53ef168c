"""See that the mails of a design hold what every mail must: the statement, and a way to leave.

In: the templates of an edition, ready to render, and the readings and truth vectors they may meet.
Out: faults that name the template, and what to put there. A design is looked at with two statements
that nobody made, one that has nothing a statement may be without and one that has all of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import Enum
from itertools import product

from mailer.compose.conditions import TooManyVectors, TruthVector, possible_vectors
from mailer.compose.context import Reading, web_view_address
from mailer.compose.design import sources_of, where_named
from mailer.compose.ledger import PERSONAL_LINKS, PREFERENCES_URL, UNSUBSCRIBE_URL, Slot
from mailer.compose.markup import (
    EmptyDocument,
    has_link,
    has_link_of_slot,
    parse_document,
    shown_text,
)
from mailer.compose.phrases import Phrase, without_gaps
from mailer.compose.rendering import EditionTemplates
from mailer.model.faults import Fault, FaultsFound, Severity
from mailer.model.mailing import Design, Sender
from mailer.model.statement import (
    Appeal,
    Edition,
    Hashtag,
    ItemText,
    NewsletterItem,
    RelatedItem,
    RelatedKind,
    Revision,
    Signatory,
    StatementKind,
    Supported,
    SupportedKind,
)

#: Any sender does to look at a design; its addresses are about as long as real ones are.
SOMEONE = Sender(
    key="check",
    organisation="check",
    name={"en": "Somebody"},
    address="news@mail.organisation.example.org",
    reply_to="",
    base_url="https://mail.organisation.example.org",
    return_path_domain="bounces.organisation.example.org",
)
_LANGUAGE = "en"
#: The whole text of the statement a design is looked at with; no template says it by itself.
_BODY = "Bodyofthestatement"
_SITE = "https://organisation.example.org"
#: Where the appeal that a design is looked at with leads.
_ACTION = f"{_SITE}/action"


class Essential(Enum):
    """What a mail must hold; the value is the name by which templates put it there."""

    #: The text of the statement.
    BODY = "edition.body"
    #: A link to the person's unsubscribe page.
    UNSUBSCRIBE = "unsubscribe_url"
    #: A link to the person's preferences page.
    PREFERENCES = "preferences_url"
    #: A link to where everyone can read the statement.
    WEB_VIEW = "web_view"
    #: A link to what an appeal asks for.
    ACTION = "appeal.address"


_WORDS = {
    Essential.BODY: "the text of the statement",
    Essential.UNSUBSCRIBE: "a link to unsubscribe",
    Essential.PREFERENCES: "a link to the preferences",
    Essential.WEB_VIEW: "a link to the page of the statement",
    Essential.ACTION: "a link to what is asked for",
}
#: What to write, in HTML and in plain text.
_REMEDIES = {
    Essential.BODY: ("{{ edition.body }}", "{{ edition.body }}"),
    Essential.UNSUBSCRIBE: (
        '<a href="{{ unsubscribe_url }}">{{ _("Unsubscribe") }}</a>',
        '{{ _("Unsubscribe") }}: {{ unsubscribe_url }}',
    ),
    Essential.PREFERENCES: (
        '<a href="{{ preferences_url }}">{{ _("Your preferences") }}</a>',
        '{{ _("Your preferences") }}: {{ preferences_url }}',
    ),
    Essential.WEB_VIEW: (
        '<a href="{{ web_view }}">{{ _("Read this online") }}</a>',
        '{{ _("Read this online") }}: {{ web_view }}',
    ),
    Essential.ACTION: (
        '<a href="{{ appeal.address }}">{{ appeal.action }}</a>',
        "{{ appeal.action }}: {{ appeal.address }}",
    ),
}


#: A mail without one of these can be sent: templates of before there was one still do.
_WARNED_OF = frozenset({Essential.PREFERENCES, Essential.WEB_VIEW})


@dataclass(frozen=True)
class Held:
    """What one rendering of one part holds of the essentials."""

    #: There is something to be read.
    anything: bool
    essentials: frozenset[Essential]


def check_essentials(
    design: Design, fields: frozenset[str] | None, phrases: Iterable[Phrase]
) -> list[Fault]:
    """Return what mails of a design must hold and do not, and slots that may not stand there.

    Args:
        design: As it is.
        fields: Attributes that the lists declare; None where that cannot be told.
        phrases: Those that its templates speak; here each stands for itself.

    Raises:
        FaultsFound: with everything that keeps its templates from being rendered.
    """
    whole = without_gaps(design, phrases, _LANGUAGE)
    samples = list(_samples(StatementKind(design.kind)))
    # Both have the same body, so that the templates need to be lifted but once.
    templates = EditionTemplates(samples[0], whole, SOMEONE, _LANGUAGE, fields)
    vectors = _vectors(templates)
    faults: set[Fault] = set()
    for html in (True, False):
        found: dict[bool, list[Held]] = {False: [], True: []}
        for sample, vector, notice in product(samples, vectors, found):
            templates.revision = sample
            reading = Reading(_LANGUAGE, _LANGUAGE, notice=notice)
            try:
                found[notice].append(_look_at(templates, vector, reading, html=html))
            except FaultsFound as error:
                faults.update(error.faults)
        every = [*found[False], *found[True]]
        if not all(one.anything for one in every):
            faults.add(_empty_fault(design, every, html=html))
        wanted = [Essential.BODY, Essential.UNSUBSCRIBE, Essential.PREFERENCES]
        if design.kind == StatementKind.APPEAL:
            wanted.append(Essential.ACTION)
        faults.update(missing_faults(design, every, wanted, html=html))
        # A notice leads to the pages of all editions, so that only mails without one can tell.
        faults.update(missing_faults(design, found[False], (Essential.WEB_VIEW,), html=html))
    return sorted(faults)


def _vectors(templates: EditionTemplates) -> tuple[TruthVector, ...]:
    conditions = templates.ledger.conditions
    try:
        return possible_vectors(conditions)
    except TooManyVectors:
        # An edition's check tells that, with the edition's own conditions; these two go far enough.
        return (False,) * len(conditions), (True,) * len(conditions)


def _look_at(
    templates: EditionTemplates, vector: TruthVector, reading: Reading, *, html: bool
) -> Held:
    if not html:
        return held_by_text(templates, templates.render_text(vector, reading), reading)
    try:
        page, _ = templates.render_html(vector, reading, {})
    except EmptyDocument:
        return Held(anything=False, essentials=frozenset())
    return held_by_html(templates, page, reading)


def held_by_html(templates: EditionTemplates, page: str, reading: Reading) -> Held:
    """Return what an HTML part holds, its style not added yet."""
    root = parse_document(page)
    text = shown_text(root)
    return _held(
        text,
        slots={slot for slot in PERSONAL_LINKS if has_link_of_slot(root, templates.ledger, slot)},
        leads_to_page=has_link(root, _page_address(templates, reading)),
        leads_to_action=has_link(root, _ACTION),
    )


def held_by_text(templates: EditionTemplates, text: str, reading: Reading) -> Held:
    """Return what a plain-text part holds."""
    return _held(
        text,
        slots={place.slot for place in templates.ledger.places_in(text)},
        leads_to_page=_page_address(templates, reading) in text,
        leads_to_action=_ACTION in text,
    )


def _page_address(templates: EditionTemplates, reading: Reading) -> str:
    return web_view_address(templates.sender, templates.revision.slug, reading.language)


def _held(
    text: str, *, slots: Collection[Slot], leads_to_page: bool, leads_to_action: bool
) -> Held:
    answers = {
        Essential.BODY: _BODY in text,
        Essential.UNSUBSCRIBE: UNSUBSCRIBE_URL in slots,
        Essential.PREFERENCES: PREFERENCES_URL in slots,
        Essential.WEB_VIEW: leads_to_page,
        Essential.ACTION: leads_to_action,
    }
    return Held(bool(text.strip()), frozenset(one for one, there in answers.items() if there))


def missing_faults(
    design: Design, found: Sequence[Held], wanted: Iterable[Essential], *, html: bool
) -> Iterator[Fault]:
    """Yield what is wanted and not in every rendering of one part.

    Args:
        design: Whose templates were rendered.
        found: What each rendering holds; an empty one has a fault of its own, and is passed over.
        wanted: What each must hold.
        html: They are of the HTML part; else of the plain-text part.
    """
    message = _message_file(design, html=html)
    for essential in wanted:
        holding = [essential in one.essentials for one in found if one.anything]
        if all(holding):
            continue
        file, line = where_named(design, essential.value, html=html)
        if essential is Essential.BODY and not line:
            file = message
        write = f"Write {_REMEDIES[essential][0 if html else 1]}"
        problem = f"does not hold {_WORDS[essential]}"
        if any(holding):
            problem += " in some mails"
            write += ", outside of what is shown to some only"
        yield Fault(
            file,
            line,
            essential.value,
            problem,
            write,
            severity=Severity.WARNING if essential in _WARNED_OF else Severity.ERROR,
        )


def _empty_fault(design: Design, found: Sequence[Held], *, html: bool) -> Fault:
    often = " in some mails" if any(one.anything for one in found) else ""
    remedy = "Write the mail into it, or take the one that ships with mailer"
    return Fault(_message_file(design, html=html), 0, "", f"is empty{often}", remedy)


def _message_file(design: Design, *, html: bool) -> str:
    *_, message = sources_of(design, html=html)
    return message.file


def _samples(kind: StatementKind) -> Iterator[Revision]:
    """Yield a statement that has nothing it may be without, and one that has all of it."""
    name = {_LANGUAGE: "Organisation"}
    edition = Edition(_LANGUAGE, "Title", "Subject", "", "", "", "", _BODY, "")
    bare = Revision(
        slug="check",
        kind=kind,
        source_language=_LANGUAGE,
        published=None,
        supports=(),
        hashtags=(),
        related=(),
        signatories=(),
        and_others=False,
        editions={_LANGUAGE: edition},
        appeal=Appeal(name, _ACTION, name) if kind is StatementKind.APPEAL else None,
    )
    yield bare
    yield replace(
        bare,
        appeal=replace(bare.appeal, deadline=date(2026, 12, 10)) if bare.appeal else None,
        supports=tuple(
            Supported(one, name, address) for one in SupportedKind for address in ("", _SITE)
        ),
        hashtags=(Hashtag("#Hashtag", _SITE),),
        related=tuple(RelatedItem(one, name, _SITE) for one in RelatedKind),
        signatories=(Signatory(name, "MD", ""), Signatory({"ru": "Имя"}, "KG", _SITE)),
        and_others=True,
        editions={_LANGUAGE: replace(edition, preheader="Preheader"), "ru": edition},
        items=_sample_items() if kind is StatementKind.NEWSLETTER else (),
    )


def _sample_items() -> tuple[NewsletterItem, ...]:
    """Return an item with a lead, one without, and one in another language."""
    return tuple(
        NewsletterItem(f"item-{language}-{number}", 1, language, {language: ItemText("Item", lead)})
        for number, (language, lead) in enumerate(
            ((_LANGUAGE, "Lead"), (_LANGUAGE, ""), ("fa", ""))
        )
    )
