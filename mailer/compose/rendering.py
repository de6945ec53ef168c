"""Render an edition in a design: HTML and plain text, with markers where supporters differ.

In: a revision, a design, a sender; a truth vector and a reader. Out: the two parts of a mail, the
pictures they show, and the ledger of their slots. Everything that can be wrong with the templates
is found when they are lifted, before the first rendering.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from markupsafe import Markup

from mailer.compose.conditions import TruthVector
from mailer.compose.context import SCHEMA, Reading, Value, make_context
from mailer.compose.design import (
    LAYOUT_HTML,
    LAYOUT_TEXT,
    Look,
    catalogs_of,
    look_at,
    sources_of,
    where_named,
)
from mailer.compose.environment import LiftedLoader, MailEnvironment, PhraseFunction
from mailer.compose.ledger import PERSONAL_LINKS, Ledger, Place, condition_name
from mailer.compose.lifting import Lifted, lift
from mailer.compose.links import ascii_addresses_in
from mailer.compose.markup import (
    ascii_links,
    compact,
    misplaced_slots,
    parse_document,
    parse_fragment,
    serialize_document,
    text_slots,
)
from mailer.compose.naming import Scene
from mailer.compose.phrases import lacking_fault, lacking_phrases
from mailer.compose.slots import lift_body, render_body
from mailer.compose.styles import add_style
from mailer.model.audience import LanguageProfile, LanguageStep
from mailer.model.faults import Fault, FaultsFound, Severity
from mailer.model.mailing import Design, Sender
from mailer.model.statement import Revision, edition_file
from mailer.statements.body import body_to_html, body_to_text
from mailer.statements.catalog import Catalog, catalog_file, find_catalog
from mailer.statements.languages import choose_edition

_EDITION_PHRASE, _EDITION_PLURAL = "edition_phrase", "edition_plural"
_READER_PHRASE, _READER_PLURAL = "reader_phrase", "reader_plural"
#: The block of the frame in which what is said stands.
_STATEMENT = "statement"
_BLANK_LINES = re.compile(r"\n{3,}")
_TRAILING_BLANKS = re.compile(r"[ \t]+$", re.MULTILINE)
#: What mail programs show beside the subject; what the preheader leaves free of it is filled.
_PREVIEW_CHARACTERS = 140
#: A joiner, a non-joiner and a blank that does not break: seen by nobody, skipped by no program.
_PADDING = "\u034f\u200c\u00a0"


@dataclass(frozen=True)
class Rendered:
    """The two parts of a mail, with markers."""

    html: str
    text: str
    #: Names of the pictures the HTML shows, in order.
    pictures: tuple[str, ...]


class EditionTemplates:
    """The templates of one edition in one design, checked, lifted and ready to render."""

    def __init__(
        self,
        revision: Revision,
        design: Design,
        sender: Sender,
        language: str,
        fields: frozenset[str] | None,
        *,
        corrects: date | None = None,
    ) -> None:
        """Lift the templates.

        Args:
            revision: The statement.
            design: How it looks.
            sender: Who it comes from.
            language: Tag of the edition.
            fields: Attributes that the lists declare; None takes any name for one.
            corrects: The day on which what it corrects was sent; None for most.

        Raises:
            FaultsFound: with everything wrong in the templates and the body, and the phrases that
                the catalog of the language lacks.
        """
        self.revision = revision
        self.sender = sender
        self.language = language
        self._design = design
        self._corrects = corrects
        self._catalogs = catalogs_of(design)
        self._message_name = f"{design.kind}/message"
        lifted, ledger, found = _lift_parts(look_at(design, fields))
        self.ledger = ledger.copy()
        faults = list(found)
        try:
            self._body = lift_body(revision, language, fields, self.ledger)
        except FaultsFound as error:
            faults.extend(error.faults)
        #: Phrases that the templates speak: msgid, and plural msgid or "".
        self.phrases = frozenset(phrase for one in lifted.values() for phrase in one.phrases)
        faults.extend(self._catalog_faults())
        if faults:
            raise FaultsFound(faults)
        code = {name: one.code for name, one in lifted.items()}
        self._environments = {
            html: MailEnvironment(LiftedLoader(code), html=html) for html in (True, False)
        }

    def reading(self, wanted: str | None) -> Reading:
        """Return how someone reads this edition.

        Args:
            wanted: Their first language when the edition is not in it; else None.

        The frame speaks the reader's language where a complete catalog does, else the edition's.
        """
        own = self._catalog(self.language).language
        if wanted is None:
            return Reading(self.language, own, notice=False, corrects=self._corrects)
        catalog = find_catalog(self._catalogs, wanted)
        speaks = catalog is not None and self._is_complete(catalog)
        reader = catalog.language if catalog is not None and speaks else own
        # A correction is in the language of the mail it corrects; there may be one in theirs now.
        notice = self._corrects is None or not self._has_edition(wanted)
        return Reading(self.language, reader, notice=notice, corrects=self._corrects)

    def _has_edition(self, wanted: str) -> bool:
        revision = self.revision
        profile = LanguageProfile((wanted,), ())
        choice = choose_edition(profile, revision.languages, revision.source_language, ())
        return choice.step is LanguageStep.FIRST

    def _is_complete(self, catalog: Catalog) -> bool:
        return not lacking_phrases(catalog, self.phrases)

    def _catalog_faults(self) -> Iterator[Fault]:
        catalog = find_catalog(self._catalogs, self.language)
        if catalog is None:
            yield _missing_catalog(self.language)
            return
        lacking = lacking_phrases(catalog, self.phrases)
        if lacking:
            yield lacking_fault(catalog.language, lacking, Severity.ERROR)

    def _catalog(self, language: str) -> Catalog:
        catalog = find_catalog(self._catalogs, language)
        if catalog is None:
            raise FaultsFound([_missing_catalog(language)])
        return catalog

    def render(
        self, vector: TruthVector, reading: Reading, picture_ids: Mapping[str, str]
    ) -> Rendered:
        """Render both parts for supporters of one truth vector, style and all.

        Args:
            vector: The truth of each condition of the ledger.
            reading: The reader's language, and whether there is a notice.
            picture_ids: Content-ID of each picture, by name.

        Raises:
            FaultsFound: when a slot stands where no value may go.
        """
        html, pictures = self.render_html(vector, reading, picture_ids)
        root = parse_document(html)
        ascii_links(root)
        compact(root)
        add_style(root, self._design.style_css)
        return Rendered(serialize_document(root), self.render_text(vector, reading), pictures)

    def render_html(
        self, vector: TruthVector, reading: Reading, picture_ids: Mapping[str, str]
    ) -> tuple[str, tuple[str, ...]]:
        """Return the HTML part before its style is added, and the pictures it shows.

        Raises:
            FaultsFound: when a slot stands where no value may go.
        """
        shown: list[str] = []

        def picture_address(name: str) -> str:
            if name not in picture_ids:
                file = edition_file(self.revision, self.language)
                problem = f'there is no picture "{name}" in the folder'
                raise FaultsFound([Fault(file, 0, "body", problem, "Put it there")])
            if name not in shown:
                shown.append(name)
            return f"cid:{picture_ids[name]}"

        body = self._body_html(vector, picture_address)
        # `body_to_html` lets through its own allow-list only, and slots are markers still.
        html = self._render(vector, reading, Markup(body), html=True)  # noqa: S704
        self._refuse(misplaced_slots(parse_document(html), self.ledger))
        return html, tuple(shown)

    def _body_html(self, vector: TruthVector, picture_address: Callable[[str], str]) -> str:
        markdown = render_body(self._body, vector)
        html = body_to_html(
            markdown,
            picture_address=picture_address,
            language=self.language,
            hashtags=self.revision.hashtags,
            pictures=self.revision.pictures,
        )
        tree = parse_fragment(html)
        misplaced = misplaced_slots(tree, self.ledger)
        # A slot in a link that was refused, or in a field of a quote, is gone without a trace.
        left = text_slots(tree, self.ledger)
        for place in self.ledger.places_in(markdown):
            if place in left:
                left.remove(place)
            else:
                misplaced.append(place)
        self._refuse(misplaced)
        return self.ledger.isolate(html)

    def render_text(self, vector: TruthVector, reading: Reading) -> str:
        """Return the plain-text part."""
        body = body_to_text(render_body(self._body, vector), language=self.language)
        text = self._render(vector, reading, body, html=False)
        tidy = _BLANK_LINES.sub("\n\n", _TRAILING_BLANKS.sub("", text)).strip("\n")
        return ascii_addresses_in(tidy) + "\n"

    def _render(self, vector: TruthVector, reading: Reading, body: str, *, html: bool) -> str:
        context = make_context(self.revision, self.sender, reading, self.ledger, html=html)
        edition = dict(_table(context["edition"]))
        edition["body"] = body
        edition["padding"] = _padding(str(edition["preheader"]))
        edition_catalog = self._catalog(reading.language)
        reader_catalog = self._catalog(reading.reader)
        values: dict[str, Any] = {
            **context,
            "edition": edition,
            **{condition_name(index): truth for index, truth in enumerate(vector)},
            _EDITION_PHRASE: PhraseFunction(edition_catalog.phrase, html=html),
            _EDITION_PLURAL: PhraseFunction(edition_catalog.plural, html=html),
            _READER_PHRASE: PhraseFunction(reader_catalog.phrase, html=html),
            _READER_PLURAL: PhraseFunction(reader_catalog.plural, html=html),
        }
        name = f"{self._message_name}.{'html' if html else 'txt'}"
        return self._environments[html].get_template(name).render(values)

    def _refuse(self, places: list[Place]) -> None:
        faults = []
        for place in dict.fromkeys(places):
            name = str(place.slot)
            remedy = "Put it into the text"
            if place.slot in PERSONAL_LINKS:
                remedy += f', or make it the whole of a link: href="{{{{ {name} }}}}"'
            file, line = place.file, place.line
            if not file:
                file, line = where_named(self._design, name, html=True)
            faults.append(
                Fault(
                    file,
                    line,
                    name,
                    "stands where no value of a supporter may go: in an address, an attribute, "
                    "the title or a comment",
                    remedy,
                )
            )
        if faults:
            raise FaultsFound(faults)


# Editions are looked at, previewed and compiled one by one, in the same few designs: lifting one takes
# longer than all else that is done for an edition.
@lru_cache(maxsize=16)
def _lift_parts(look: Look) -> tuple[Mapping[str, Lifted], Ledger, tuple[Fault, ...]]:
    """Return a design's templates, what they note in a ledger, and what is wrong with them."""
    ledger = Ledger()
    lifted: dict[str, Lifted] = {}
    faults: list[Fault] = []
    for html in (True, False):
        try:
            lifted |= lift_design(look.design, look.fields, ledger, html=html)
        except FaultsFound as error:
            faults.extend(error.faults)
    return lifted, ledger, tuple(faults)


def lift_design(
    design: Design, fields: frozenset[str] | None, ledger: Ledger, *, html: bool
) -> dict[str, Lifted]:
    """Lift the templates of the HTML or the text part; return them by the loader's names.

    Raises:
        FaultsFound: with everything wrong in them.
    """
    environment = MailEnvironment(html=html)
    layout_name = LAYOUT_HTML if html else LAYOUT_TEXT
    lifted: dict[str, Lifted] = {}
    faults: list[Fault] = []
    #: None as long as the layout is not known, or has faults of its own: then blocks are not judged.
    blocks: frozenset[str] | None = None
    for source in sources_of(design, html=html):
        frame = source.name == layout_name
        scene = Scene(
            SCHEMA,
            fields,
            # The frame speaks the reader's language, the statement its own: in the frame too.
            phrase_function=_READER_PHRASE if frame else _EDITION_PHRASE,
            plural_function=_READER_PLURAL if frame else _EDITION_PLURAL,
            apart={_STATEMENT: (_EDITION_PHRASE, _EDITION_PLURAL)},
            parent="" if frame else layout_name,
            blocks=blocks,
        )
        try:
            lifted[source.name] = lift(source, environment, scene, ledger)
            blocks = lifted[source.name].blocks if frame else blocks
        except FaultsFound as error:
            faults.extend(error.faults)
    if not (design.layout_html if html else design.layout_text):
        remedy = "Write it, or take the one that ships with mailer"
        faults += [
            Fault(
                f"templates/mail/{layout_name}", 0, "", f"is missing, and {name} extends it", remedy
            )
            for name, one in lifted.items()
            if one.extends
        ]
    if faults:
        raise FaultsFound(faults)
    return lifted


def _missing_catalog(language: str) -> Fault:
    return Fault(catalog_file(language), 0, "", "is missing", "Write the catalog")


def _table(value: Value) -> Mapping[str, Value]:
    if not isinstance(value, Mapping):
        raise TypeError("a table was expected")
    return value


def _padding(preheader: str) -> str:
    free = _PREVIEW_CHARACTERS - len(preheader)
    return _PADDING * max(free, 0)
