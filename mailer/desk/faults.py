"""Say faults in the words of the desk's languages.

In: a fault, or another sentence told to a person. Out: `FaultSaid`; what has no phrase stays in English,
and is marked as such for who has the page read aloud.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from markupsafe import Markup, escape

from mailer.model.faults import Fault, Severity
from mailer.model.worded import Worded
from mailer.statements.catalog import Catalog

#: What the program's own sentences are in.
_WRITTEN_IN = "en"
_SENTENCE_ENDS = ".!?…"


@dataclass(frozen=True)
class FaultSaid:
    """A fault in the reader's language."""

    problem: str
    remedy: str
    #: Where it is: "news.toml, line 3, sender"; "" where that is not known.
    place: str = ""
    #: Which of the texts have no phrase and stand in English.
    in_english: frozenset[str] = field(default=frozenset())

    @property
    def text(self) -> str:
        """Return problem and remedy as sentences."""
        return " ".join(_sentence(one) for one in (self.problem, self.remedy) if one)

    @property
    def html(self) -> Markup:
        """Return problem and remedy as sentences, what is in English marked as such."""
        parts = (self._marked(one) for one in (self.problem, self.remedy) if one)
        return Markup(" ").join(parts)

    @property
    def whole(self) -> Markup:
        """Return it with its place before it."""
        if not self.place:
            return self.html
        return Markup("{}: {}").format(self.place, self.html)

    def _marked(self, text: str) -> Markup:
        if text not in self.in_english:
            return escape(_sentence(text))
        return marked(_sentence(text))


def say_fault(catalog: Catalog, fault: Fault) -> FaultSaid:
    """Return a fault in the language of a catalog."""
    said = say_both(catalog, fault.problem, fault.remedy)
    # An option of the command line is no place at the desk.
    name = "" if fault.field.startswith("--") else fault.field
    line = catalog.phrase("line %(line)s", line=fault.line) if fault.file and fault.line else ""
    parts = (fault.file, line, name)
    return FaultSaid(
        said.problem, said.remedy, ", ".join(one for one in parts if one), said.in_english
    )


def say_both(catalog: Catalog, problem: str, remedy: str = "") -> FaultSaid:
    """Return what is wrong and what to do, as an error carries them, in the language of a catalog."""
    english = {
        text for text in (problem, remedy) if catalog.language != _WRITTEN_IN
        and not is_known(catalog, text)
    }  # fmt: skip
    return FaultSaid(spoken(catalog, problem), spoken(catalog, remedy), "", frozenset(english))


def is_known(catalog: Catalog, text: str) -> bool:
    """Tell whether a catalog has a phrase for a sentence and for what it is made of, or needs none."""
    if not isinstance(text, Worded):
        return not text or catalog.has(text)
    inner = (one for one in text.values.values() if isinstance(one, Worded))
    known = not text.phrase or catalog.has(text.phrase)
    return known and all(is_known(catalog, one) for one in inner)


def spoken(catalog: Catalog, text: str) -> str:
    """Return a sentence in the language of a catalog; in English where that has no phrase."""
    if not text or catalog.language == _WRITTEN_IN or not is_known(catalog, text):
        return str(text)
    if not isinstance(text, Worded):
        return catalog.forms[text][0]
    values = {
        name: spoken(catalog, value) if isinstance(value, Worded) else value
        for name, value in text.values.items()
    }
    return catalog.phrase(text.phrase, **values) if values else catalog.forms[text.phrase][0]


def joined(parts: Iterable[str]) -> str:
    """Return several of them in one paragraph, as markup; what is none yet is escaped."""
    return Markup(" ").join(parts)


def marked(text: str) -> Markup:
    """Return a text that stands in English, whatever the page speaks."""
    return Markup('<span lang="{}">{}</span>').format(_WRITTEN_IN, text)


def plain(text: str) -> str:
    """Return words for a page's script, which sets text and no markup."""
    return text.striptags() if isinstance(text, Markup) else text


def errors_beside(catalog: Catalog, faults: Iterable[tuple[str, Fault]]) -> dict[str, str]:
    """Return errors beside the controls they are about; warnings are told elsewhere.

    Args:
        catalog: Of the reader's language.
        faults: Each with the name of its control.
    """
    beside: dict[str, list[Markup]] = {}
    for name, fault in faults:
        if fault.severity is Severity.ERROR:
            beside.setdefault(name, []).append(say_fault(catalog, fault).html)
    return {name: joined(said) for name, said in beside.items()}


def _sentence(text: str) -> str:
    return text if text.endswith(tuple(_SENTENCE_ENDS)) else f"{text}."
