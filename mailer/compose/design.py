"""Read how mails look and what they say around the statement, and keep it as one document.

In: `templates/mail/base/` (the frame of mails of every kind), `templates/mail/<kind>/` and the
catalogs. Out: a `Design`, immutable, with a digest; delivery reads no file (the form in which it is
stored is `mailer.store.designs`'). Templates write their phrases `{{ _("…") }}`: the frame speaks the reader's language, the statement its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from jinja2 import nodes

from mailer.compose.environment import MAX_SOURCE_CHARACTERS, MailEnvironment
from mailer.compose.markup import is_remote_style
from mailer.compose.styles import split_style
from mailer.compose.tree import Source, parse
from mailer.model.faults import Fault, FaultsFound
from mailer.model.mailing import Design
from mailer.model.statement import StatementKind
from mailer.statements.catalog import Catalog
from mailer.store.designs import design_from_document, design_to_document

#: The folder of what mails of every kind share.
BASE = "base"
LAYOUT_HTML = f"{BASE}/layout.html"
LAYOUT_TEXT = f"{BASE}/layout.txt"
#: Where faults of a template send a person to.
_FOLDER = "templates/mail"


def read_design(
    templates_dir: Path, kind: StatementKind, catalogs: Mapping[str, Catalog]
) -> Design:
    """Read the design of one kind of mail.

    Args:
        templates_dir: The workspace's `templates/`.
        kind: Names the folder below `mail/`.
        catalogs: As `load_catalogs` gives them; the phrases that the templates speak are kept.

    Raises:
        FaultsFound: for files that are missing, unreadable or too large, and for templates that
            cannot be parsed, and style sheets that cannot be read or fetch something;
            `check_design` finds the rest.
    """
    folder = templates_dir / "mail"
    faults: list[Fault] = []

    def read(name: str, *, required: bool = True) -> str:
        try:
            text = (folder / name).read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            if required:
                remedy = "Write it, or take the one that ships with mailer"
                faults.append(Fault(f"{_FOLDER}/{name}", 0, "", "is missing", remedy))
            return ""
        except UnicodeDecodeError:
            faults.append(Fault(f"{_FOLDER}/{name}", 0, "", "is not UTF-8", "Save it so"))
            return ""
        except OSError:
            faults.append(Fault(f"{_FOLDER}/{name}", 0, "", "cannot be read", "Check its owner"))
            return ""
        if len(text) > MAX_SOURCE_CHARACTERS:
            problem = f"is longer than {MAX_SOURCE_CHARACTERS:,} characters"
            faults.append(Fault(f"{_FOLDER}/{name}", 0, "", problem, "Make it shorter"))
            return ""
        return text.replace("\r\n", "\n")

    def read_style(name: str, *, required: bool = True) -> str:
        css = read(name, required=required)
        faults.extend(_style_faults(f"{_FOLDER}/{name}", css))
        return css

    design = Design(
        kind=kind.value,
        message_html=read(f"{kind.value}/message.html"),
        message_text=read(f"{kind.value}/message.txt"),
        style_css="\n".join(
            (read_style(f"{BASE}/style.css", required=False), read_style(f"{kind.value}/style.css"))
        ),
        catalogs={},
        plural_rules={},
        layout_html=read(LAYOUT_HTML, required=False),
        layout_text=read(LAYOUT_TEXT, required=False),
    )
    if faults:
        raise FaultsFound(faults)
    spoken = {msgid for msgid, _ in phrases_in(design)}
    design = replace(
        design,
        catalogs={
            language: _spoken(catalog, spoken) for language, catalog in sorted(catalogs.items())
        },
        plural_rules={language: catalogs[language].plural_rule for language in sorted(catalogs)},
    )
    return design_from_document(design_to_document(design))


def _style_faults(file: str, css: str) -> Iterator[Fault]:
    try:
        split_style(css)
    except ValueError as error:
        yield Fault(file, 0, "", str(error), "Look for a missing brace")
    if is_remote_style(css):
        problem = "url() or @import makes readers' programs fetch something"
        yield Fault(file, 0, "", problem, "Take it out")


def _spoken(catalog: Catalog, msgids: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return what a catalog has of the phrases; those it names and leaves unfinished have no form.

    So the checks can tell what the statement's own check looks for from what no catalog names.
    """
    named = {**dict.fromkeys(catalog.untranslated, ()), **catalog.forms}
    return {msgid: forms for msgid, forms in sorted(named.items()) if msgid in msgids}


def sources_of(design: Design, *, html: bool) -> Iterator[Source]:
    """Yield the templates of the HTML or the text part, the frame before what stands in it."""
    ending = "html" if html else "txt"
    message = design.message_html if html else design.message_text
    layout = design.layout_html if html else design.layout_text
    if layout:
        yield Source(layout, f"{BASE}/layout.{ending}", f"{_FOLDER}/{BASE}/layout.{ending}")
    name = f"{design.kind}/message.{ending}"
    yield Source(message, name, f"{_FOLDER}/{name}")


@dataclass(frozen=True)
class Look:
    """A look at a design; two are the same when all that decides what is found is the same."""

    design: Design = field(compare=False)
    texts: tuple[str, ...]
    #: Attributes that lists declare; None where that cannot be told.
    fields: frozenset[str] | None


def look_at(design: Design, fields: frozenset[str] | None) -> Look:
    """Return a look at a design, by which what was found is found again."""
    texts = (
        design.kind,
        design.message_html,
        design.message_text,
        design.style_css,
        design.layout_html,
        design.layout_text,
    )
    return Look(design, texts, fields)


def where_named(design: Design, name: str, *, html: bool) -> tuple[str, int]:
    """Return the template of a part that names something, and the line if it is the only one.

    Where no template names it, it is the frame, which holds what mails of every kind have; or the
    message, when that stands in no frame.
    """
    *frame, message = sources_of(design, html=html)
    stands_in_frame = parse(message, MailEnvironment(html=html)).find(nodes.Extends) is not None
    sources = [*(frame if stands_in_frame else ()), message]
    places = [
        (source.file, number)
        for source in sources
        for number, line in enumerate(source.text.split("\n"), 1)
        if name in line
    ]
    if len(places) == 1:
        return places[0]
    return (places[0][0] if places else sources[0].file), 0


def phrases_in(design: Design) -> frozenset[tuple[str, str]]:
    """Return the phrases its templates speak: msgid, and plural msgid or "".

    Raises:
        FaultsFound: when one of them is not a template.
    """
    return _phrases_of(
        tuple((source, html) for html in (True, False) for source in sources_of(design, html=html))
    )


# A design is read whenever a mailing is planned, and its templates seldom change.
@lru_cache(maxsize=16)
def _phrases_of(sources: tuple[tuple[Source, bool], ...]) -> frozenset[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    faults: list[Fault] = []
    for source, html in sources:
        try:
            found |= _phrases(parse(source, MailEnvironment(html=html)))
        except FaultsFound as error:
            faults.extend(error.faults)
    if faults:
        raise FaultsFound(faults)
    return frozenset(found)


def _phrases(tree: nodes.Template) -> set[tuple[str, str]]:
    found = set()
    for call in tree.find_all(nodes.Call):
        name = call.node.name if isinstance(call.node, nodes.Name) else ""
        texts = [one.value if isinstance(one, nodes.Const) else None for one in call.args]
        if name == "_" and len(texts) == 1 and isinstance(texts[0], str):
            found.add((texts[0], ""))
        elif name == "ngettext" and len(texts) == 3 and all(isinstance(t, str) for t in texts[:2]):
            found.add((str(texts[0]), str(texts[1])))
    return found


def catalogs_of(design: Design) -> dict[str, Catalog]:
    """Return the catalogs a design carries, by language."""
    return {
        language: Catalog(language, design.plural_rules[language], forms)
        for language, forms in design.catalogs.items()
    }


__all__ = [
    "BASE",
    "catalogs_of",
    "design_from_document",
    "design_to_document",
    "phrases_in",
    "read_design",
    "sources_of",
    "where_named",
]
